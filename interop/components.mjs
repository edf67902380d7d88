// node components.mjs FOLDER: two components of two small programs, made by the componentize-js that is installed beside this file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { componentize } from '@bytecodealliance/componentize-js';

const PROGRAMS = {
  hello: {
    source: `export function hello(name) { return 'Hello, ' + name + '!'; }`,
    witWorld: 'package demo:hello; world program { export hello: func(name: string) -> string; }',
  },
  add: {
    source: 'export function add(a, b) { return a + b; }',
    witWorld: 'package demo:add; world program { export add: func(a: u32, b: u32) -> u32; }',
  },
};

for (const [name, { source, witWorld }] of Object.entries(PROGRAMS)) {
  const { component } = await componentize(source, { witWorld });
  writeFileSync(join(process.argv[2], `${name}.wasm`), component);
}
