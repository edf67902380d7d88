import { ByteSink } from './encode-bytes.ts';
import { packageDocs } from './encode-docs.ts';
import { type ExternType, TypeScope } from './encode-scope.ts';
import { TypeWriter } from './encode-shapes.ts';
import { interfaceName, usedInterfaces, witItemName, worldItemName } from './identity.ts';
import type { WitDocument, WitInterface, WitWorld, WitWorldItem } from './model.ts';
import { WIT_CHAIN_MAX, witRefusal } from './parse-source.ts';

const PREAMBLE = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];
const CUSTOM_SECTION = 0;
const TYPE_SECTION = 7;
const EXPORT_SECTION = 11;
const SORT_TYPE = 0x03;
const PLAIN_NAME = 0x00;
const DOCS_SECTION = 'package-docs';

/**
 * The binary form of a WIT package, as wasm-tools writes it today, without the section that names the program that wrote it:
 * for each interface and world a component type, exported under its name, and the docs. Equal documents give equal bytes.
 * Throws `content/wit` for what has no binary form.
 */
export function encodeWit({ main }: WitDocument): Uint8Array {
  const sink = new ByteSink().byte(...PREAMBLE);
  const types = [
    ...[...main.interfaces].map(([name, item]) => ({ name, bytes: () => interfaceType(item) })),
    ...[...main.worlds].map(([name, world]) => ({ name, bytes: () => wrappedWorld(world) })),
  ];
  for (const [position, { name, bytes }] of types.entries()) {
    putSection(sink, TYPE_SECTION, new ByteSink().u32(1).raw(bytes()));
    // An export of a type is a type too, so every second number is one of these.
    const exported = new ByteSink()
      .u32(1)
      .byte(PLAIN_NAME)
      .text(name)
      .byte(SORT_TYPE)
      .u32(2 * position)
      .byte(0);
    putSection(sink, EXPORT_SECTION, exported);
  }
  putSection(sink, CUSTOM_SECTION, new ByteSink().text(DOCS_SECTION).raw(packageDocs(main)));
  return sink.bytes();
}

function putSection(sink: ByteSink, id: number, content: ByteSink): void {
  sink.byte(id).sized(content.bytes());
}

/** A component type that exports the interface, and imports all that it uses with all their types. */
function interfaceType(source: WitInterface): Uint8Array {
  const outer = new TypeScope('component');
  for (const used of liveInterfaces(source)) {
    const isSelf = used === source;
    putInstance(outer, used, {
      direction: isSelf ? 'export' : 'import',
      name: { name: interfaceName(used) ?? '', implements: null },
      withFunctions: isSelf,
    });
  }
  return outer.bytes();
}

/** All that an interface uses, however far away, each after those that it uses itself; the interface at the end. */
function liveInterfaces(source: WitInterface): ReadonlySet<WitInterface> {
  const live = new Set<WitInterface>();
  const visit = (item: WitInterface, depth: number): void => {
    if (live.has(item)) return;
    if (depth > WIT_CHAIN_MAX) throw witRefusal(`more than ${WIT_CHAIN_MAX} interfaces use each other in one chain`);
    for (const used of usedInterfaces(item)) visit(used, depth + 1);
    live.add(item);
  };
  visit(source, 0);
  return live;
}

function wrappedWorld(world: WitWorld): Uint8Array {
  if (world.packageId === null)
    throw witRefusal(`the world '${world.name}' belongs to no package: it has no binary form of its own`);
  const wrapper = new TypeScope('component');
  const index = wrapper.type(worldType(world));
  const name = { name: witItemName(world.packageId, world.name), implements: null };
  wrapper.extern('export', name, { type: 'component', index });
  return wrapper.bytes();
}

function worldType(world: WitWorld): Uint8Array {
  const outer = new TypeScope('component');
  const writer = new TypeWriter(outer, outer, null);
  for (const item of world.imports) putItem(outer, writer, 'import', item);
  for (const item of world.exports) putItem(outer, writer, 'export', item);
  return outer.bytes();
}

function putItem(outer: TypeScope, writer: TypeWriter, direction: 'import' | 'export', item: WitWorldItem): void {
  const name = worldItemName(item);
  switch (item.type) {
    case 'interface': {
      const shape = item.name === null ? null : interfaceName(item.interface);
      putInstance(outer, item.interface, { direction, name: { name, implements: shape }, withFunctions: true });
      return;
    }
    case 'function':
      outer.extern(direction, { name, implements: null }, { type: 'function', index: writer.func(item.function) });
      return;
    case 'type':
      writer.named(item.named);
      return;
    case 'other':
      throw witRefusal(`the world has a ${item.kind} '${name}', for which WIT has no word`);
  }
}

interface InstancePlace {
  readonly direction: 'import' | 'export';
  readonly name: { readonly name: string; readonly implements: string | null };
  readonly withFunctions: boolean;
}

function putInstance(outer: TypeScope, source: WitInterface, { direction, name, withFunctions }: InstancePlace): void {
  const scope = new TypeScope('instance');
  const writer = new TypeWriter(outer, scope, source);
  const positions = new Map([...source.types.values()].map((named, position) => [named, position]));
  for (const named of source.types.values()) writer.named(named);
  // Those of resources first, as in text, where they stand inside of the types: so text and binary give the same order.
  const functions = [...(withFunctions ? source.functions : [])].map(([binaryName, made]) => {
    const position = made.resource === null ? positions.size : (positions.get(made.resource) ?? positions.size);
    return { binaryName, made, position };
  });
  for (const { binaryName, made } of functions.toSorted((a, b) => a.position - b.position)) {
    const extern: ExternType = { type: 'function', index: writer.func(made) };
    scope.extern('export', { name: binaryName, implements: null }, extern);
  }
  const index = outer.type(scope.bytes());
  outer.instances.set(source, outer.extern(direction, name, { type: 'instance', index }));
}
