#!/usr/bin/env node
// The command. Checked in, so that `npm ci` can link it before anything is built.
import { main } from '../dist/src/main.js';

await main(process.argv.slice(2));
