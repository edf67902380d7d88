import { utf8 } from '../../bytes/byte-array.ts';
import { ByteSink } from './encode-bytes.ts';
import { worldItemName } from './identity.ts';
import type {
  WitDefinition,
  WitFunction,
  WitInterface,
  WitNamedType,
  WitNotes,
  WitPackage,
  WitStability,
  WitWorld,
} from './model.ts';

const VERSION = 1;

type Json = string | { readonly [key: string]: Json | undefined };
type JsonMap = Readonly<Record<string, Json | undefined>>;

/**
 * The custom section `package-docs`, which says what the types cannot: docs and gates. Version byte and JSON, its keys in the
 * order of wasm-tools: the component model has no text about it.
 */
export function packageDocs(source: WitPackage): Uint8Array {
  const json = {
    docs: source.docs ?? undefined,
    worlds: named([...source.worlds].map(([name, world]) => [name, worldDocs(world)])),
    interfaces: named([...source.interfaces].map(([name, item]) => [name, interfaceDocs(item)])),
  };
  return new ByteSink()
    .byte(VERSION)
    .raw(utf8(JSON.stringify(json)))
    .bytes();
}

/** Without what says nothing; `undefined` where nothing is left. */
function named(entries: readonly (readonly [string, JsonMap])[]): JsonMap | undefined {
  const left = entries.filter(([, value]) => Object.values(value).some((part) => part !== undefined));
  return left.length === 0 ? undefined : Object.fromEntries(left);
}

function worldDocs(world: WitWorld): JsonMap {
  const inline = { imports: new Array<readonly [string, JsonMap]>(), exports: new Array<readonly [string, JsonMap]>() };
  const functions = {
    imports: new Array<readonly [string, JsonMap]>(),
    exports: new Array<readonly [string, JsonMap]>(),
  };
  const references = {
    imports: new Array<readonly [string, WitNotes]>(),
    exports: new Array<readonly [string, WitNotes]>(),
  };
  const kinds: (readonly [string, JsonMap])[] = [];
  for (const direction of ['imports', 'exports'] as const) {
    for (const item of world[direction]) {
      const name = worldItemName(item);
      if (item.type === 'type') kinds.push([name, typeDocs(item.named)]);
      else if (item.type === 'function') functions[direction].push([name, notes(item)]);
      else if (item.type === 'interface' && item.interface.name === null)
        inline[direction].push([name, interfaceDocs(item.interface)]);
      else if (item.type === 'interface') references[direction].push([name, item]);
    }
  }
  return {
    ...notes(world),
    interfaces: named(inline.imports),
    types: named(kinds),
    funcs: named(functions.imports),
    interface_exports: named(inline.exports),
    func_exports: named(functions.exports),
    interface_import_stability: stabilities(references.imports),
    interface_export_stability: stabilities(references.exports),
    interface_import_docs: docsOnly(references.imports),
    interface_export_docs: docsOnly(references.exports),
  };
}

function stabilities(entries: readonly (readonly [string, WitNotes])[]): JsonMap | undefined {
  const said = entries.flatMap(([name, { stability }]) =>
    stability === null ? [] : [[name, stabilityJson(stability)] as const],
  );
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

function docsOnly(entries: readonly (readonly [string, WitNotes])[]): JsonMap | undefined {
  const said = entries.flatMap(([name, { docs }]) => (docs === null ? [] : [[name, docs] as const]));
  return said.length === 0 ? undefined : Object.fromEntries(said);
}

function interfaceDocs(source: WitInterface): JsonMap {
  return {
    ...notes(source),
    funcs: named([...source.functions].map(([name, item]): readonly [string, JsonMap] => [name, functionDocs(item)])),
    types: named([...source.types].map(([name, item]): readonly [string, JsonMap] => [name, typeDocs(item)])),
  };
}

function functionDocs(source: WitFunction): JsonMap {
  return notes(source);
}

function typeDocs(source: WitNamedType): JsonMap {
  const labels = labelsOf(source.definition).flatMap(({ name, docs }) =>
    docs === null ? [] : [[name, docs] as const],
  );
  return { ...notes(source), items: labels.length === 0 ? undefined : Object.fromEntries(labels) };
}

function labelsOf(definition: WitDefinition): readonly { readonly name: string; readonly docs: string | null }[] {
  switch (definition.type) {
    case 'record':
      return definition.fields;
    case 'variant':
    case 'enum':
      return definition.cases;
    case 'flags':
      return definition.flags;
    case 'alias':
    case 'resource':
      return [];
  }
}

function notes({ docs, stability }: WitNotes): JsonMap {
  return { docs: docs ?? undefined, stability: stability === null ? undefined : stabilityJson(stability) };
}

function stabilityJson(stability: WitStability): Json {
  const deprecated = stability.deprecated ?? undefined;
  return stability.type === 'stable'
    ? { stable: { since: stability.since, deprecated } }
    : { unstable: { feature: stability.feature, deprecated } };
}
