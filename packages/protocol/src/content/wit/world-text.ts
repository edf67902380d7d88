import {
  functionsOfResources,
  interfacePath,
  writeFunction,
  writeInterface,
  writeNotes,
  writeTypes,
} from './interface-text.ts';
import { nameText } from './keywords.ts';
import type { IndentedText } from './indented-text.ts';
import type { WitNotes, WitPackageId, WitWorld, WitWorldItem } from './model.ts';

type InterfaceItem = Extract<WitWorldItem, { readonly type: 'interface' }>;
type FunctionItem = Extract<WitWorldItem, { readonly type: 'function' }>;

/**
 * What stands between the braces of a world: imported interfaces, types, imported functions, exports. The imports of a
 * component may be mixed, and their text is not: a resource is told with its functions. What WIT has no word for is left out.
 */
export function writeWorld(text: IndentedText, { imports, exports }: WitWorld, current: WitPackageId): void {
  const interfaces = imports.filter((item) => item.type === 'interface');
  const functions = imports.filter((item) => item.type === 'function');
  const types = imports.flatMap((item) => (item.type === 'type' ? [item.named] : []));
  const methods = functionsOfResources(functions.map((item) => item.function));
  for (const item of interfaces) writeInterfaceItem(text, 'import', item, current);
  const hasTypes = writeTypes(text, types, methods, { current, hasItems: interfaces.length > 0 });
  const freestanding = functions.filter((item) => item.function.resource === null);
  for (const item of freestanding) writeFunctionItem(text, 'import', item);
  const exported = exports.filter((item) => item.type === 'interface' || item.type === 'function');
  if (exported.length > 0 && (hasTypes || freestanding.length > 0)) text.endLine();
  for (const item of exported) {
    if (item.type === 'interface') writeInterfaceItem(text, 'export', item, current);
    else writeFunctionItem(text, 'export', item);
  }
}

type Direction = 'import' | 'export';

function writeInterfaceItem(
  text: IndentedText,
  direction: Direction,
  item: InterfaceItem,
  current: WitPackageId,
): void {
  const described = item.interface;
  // The documentation of an interface with an id of its own stands where that is declared.
  writeNotes(text, item.name === null ? item : notesOf(item, { docs: described.docs, stability: null }));
  text.write(`${direction} `);
  if (item.name !== null) text.write(`${nameText(item.name)}: `);
  if (described.name === null) {
    text.write('interface').openBlock();
    writeInterface(text, described, current);
    text.closeBlock();
  } else {
    text.write(`${interfacePath(described, current)};`).endLine();
  }
}

function writeFunctionItem(text: IndentedText, direction: Direction, item: FunctionItem): void {
  writeNotes(text, notesOf(item, item.function));
  text.write(`${direction} ${nameText(item.function.name)}: `);
  writeFunction(text, item.function);
}

/** What is said where a thing is imported or exported, else what is said of the thing. */
function notesOf(item: WitNotes, thing: WitNotes): WitNotes {
  return { docs: item.docs ?? thing.docs, stability: item.stability ?? thing.stability };
}
