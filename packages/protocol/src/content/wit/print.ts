import { IndentedText } from './indented-text.ts';
import { writeInterface, writeNotes } from './interface-text.ts';
import { nameText } from './keywords.ts';
import { writeWorld } from './world-text.ts';
import type { WitDocument, WitPackage } from './model.ts';

/** A package as WIT text, and those that it takes something from, nested. Throws `wire/too-large`. */
export function printWit({ main, dependencies }: WitDocument): string {
  const text = new IndentedText();
  writePackage(text, main, 'file');
  for (const [index, dependency] of dependencies.entries()) {
    if (index > 0) {
      text.endLine();
      text.endLine();
    }
    writePackage(text, dependency, 'nested');
  }
  return text.toString();
}

/** The empty lines are those of `wasm-tools`, whose text this is to be equal to. */
function writePackage(text: IndentedText, { id, docs, interfaces, worlds }: WitPackage, form: 'file' | 'nested'): void {
  writeNotes(text, { docs, stability: null });
  const version = id.version === null ? '' : `@${id.version}`;
  text.write(`package ${nameText(id.namespace)}:${nameText(id.name)}${version}`);
  if (form === 'file') {
    text.write(';').endLine();
    text.endLine();
  } else {
    text.openBlock();
  }
  for (const [name, described] of interfaces) {
    writeNotes(text, described);
    text.write(`interface ${nameText(name)}`).openBlock();
    writeInterface(text, described, id);
    text.closeBlock();
    if (form === 'file') text.endLine();
  }
  for (const [name, world] of worlds) {
    writeNotes(text, world);
    text.write(`world ${nameText(name)}`).openBlock();
    writeWorld(text, world, id);
    text.closeBlock();
  }
  if (form === 'nested') text.closeBlock();
}
