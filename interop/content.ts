import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { componentEmbed } from '@bytecodealliance/jco';
import { utf8Text } from '@waybill/protocol';
import { ROOT } from './peers.ts';

const JCO = path.join(ROOT, 'node_modules', '@bytecodealliance', 'jco');

/** A component of several megabytes, as compilers make them. */
export const COMPONENT_FILE = path.join(JCO, 'obj', 'wasm-tools.component.wasm');
/** A core module. */
export const MODULE_FILE = path.join(JCO, 'lib', 'wasi_snapshot_preview1.command.wasm');

const WIT = `package test:greeting@1.0.0;

interface greet {
  hello: func(name: string) -> string;
}

world greeter {
  export greet;
}
`;

/** Writes a WIT package in its binary form: what `wit-component` embeds in a module. Gives the file. */
export async function writeWitPackage(folder: string): Promise<string> {
  const dummy = await componentEmbed({ witSource: WIT, dummy: true, world: 'greeter' });
  const file = path.join(folder, 'greeting.wasm');
  writeFileSync(file, customSection(dummy, 'component-type'));
  return file;
}

/** The payload of the first custom section whose name starts so. */
function customSection(module: Uint8Array, name: string): Uint8Array {
  let offset = 8;
  const uleb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[offset++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (offset < module.length) {
    const id = module[offset++];
    const end = uleb() + offset;
    if (id === 0) {
      const nameLength = uleb();
      const found = utf8Text(module.subarray(offset, offset + nameLength)) ?? '';
      if (found.startsWith(name)) return module.slice(offset + nameLength, end);
    }
    offset = end;
  }
  throw new TypeError(`no custom section ${name}`);
}
