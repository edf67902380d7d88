// npm run tidy: one line for each place that breaks a house rule, then the figures.
import { fileURLToPath } from 'node:url';
import { tidy } from './tidy.ts';

const root = process.argv[2] ?? fileURLToPath(new URL('../../..', import.meta.url));
const { findings, figures } = tidy(root);
for (const { file, line, message } of findings) console.log(`${file}:${line} ${message}`);
console.log(`tidy: ${findings.length} findings; ${figures.join('; ')}`);
process.exitCode = findings.length === 0 ? 0 : 1;
