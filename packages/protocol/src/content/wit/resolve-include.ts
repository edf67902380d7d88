import { worldItemName } from './identity.ts';
import type {
  WitDefinition,
  WitFunction,
  WitNamedType,
  WitStability,
  WitType,
  WitWorld,
  WitWorldItem,
} from './model.ts';
import type { IncludeSyntax } from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';
import { countWorldItems, type ResolveContext } from './resolve-context.ts';
import { noteDefinition } from './resolve-shapes.ts';

type Renames = ReadonlyMap<string, string>;

/** A world in the making: its items under their names. */
export interface WorldDraft {
  readonly world: WitWorld;
  readonly imports: Map<string, WitWorldItem>;
  readonly exports: Map<string, WitWorldItem>;
}

/** Adds the items of another world (WIT.md "Item: include"). Throws `content/wit`. */
export function includeWorld(
  draft: WorldDraft,
  included: WitWorld,
  syntax: IncludeSyntax,
  context: ResolveContext,
): void {
  const { place } = syntax.path.name;
  countWorldItems(context, included.imports.length + included.exports.length, place);
  const renames = renameMap(included, syntax);
  const isForeign = included.packageId !== draft.world.packageId;
  const copies: TypeCopies = { types: new Map(), owner: draft.world, context };
  for (const direction of ['imports', 'exports'] as const) {
    const items = draft[direction];
    for (const item of included[direction]) {
      if (item.type === 'interface' && item.name === null) {
        const name = worldItemName(item);
        const existing = items.get(name);
        const base = existing?.type === 'interface' ? existing : item;
        const stability = mergeStability(item.stability, base.stability, isForeign);
        if (stability === undefined)
          throw witFailure(place, `'${name}' is included with two different gates: make them one`);
        items.set(name, { ...base, stability });
        continue;
      }
      const name = newName(worldItemName(item), renames);
      if (items.has(name)) {
        throw witFailure(place, `the world has '${name}' already: rename this one, include … with { ${name} as … }`);
      }
      items.set(name, copyItem(item, name, copies));
    }
  }
}

/** By the old name. Every rename must find something; an interface that its id names has no name to change. */
function renameMap(included: WitWorld, { renames }: IncludeSyntax): Renames {
  const items = [...included.imports, ...included.exports].filter(({ name }) => name !== null);
  const names = new Set(items.map((item) => nameParts(worldItemName(item)).middle));
  const map = new Map<string, string>();
  for (const { from, to } of renames) {
    if (!names.has(from.text)) {
      throw witFailure(from.place, `the included world has nothing called '${from.text}' that could be renamed`);
    }
    if (map.has(from.text)) throw witFailure(from.place, `'${from.text}' is renamed twice: remove one`);
    map.set(from.text, to.text);
  }
  return map;
}

/** With a resource, its functions are renamed: `[method]a.get`. */
function newName(name: string, renames: Renames): string {
  const { front, middle, back } = nameParts(name);
  return `${front}${renames.get(middle) ?? middle}${back}`;
}

function nameParts(name: string): { readonly front: string; readonly middle: string; readonly back: string } {
  const start = name.indexOf(']') + 1;
  const dot = name.indexOf('.', start);
  const end = dot < 0 ? name.length : dot;
  return { front: name.slice(0, start), middle: name.slice(start, end), back: name.slice(end) };
}

/** `undefined` for two that differ. Another package's version says nothing about this one's. */
function mergeStability(
  from: WitStability | null,
  into: WitStability | null,
  isForeign: boolean,
): WitStability | null | undefined {
  if (isForeign && from?.type === 'stable') return null;
  if (from === null || into === null) return from ?? into;
  return JSON.stringify(from) === JSON.stringify(into) ? into : undefined;
}

/** The types of the included world, as types of the one that includes it. */
interface TypeCopies {
  readonly types: Map<WitNamedType, WitNamedType>;
  readonly owner: WitWorld;
  readonly context: ResolveContext;
}

function copyItem(item: WitWorldItem, name: string, copies: TypeCopies): WitWorldItem {
  switch (item.type) {
    case 'type': {
      const { owner, context, types } = copies;
      const named = { ...item.named, name, owner, definition: copyDefinition(item.named.definition, copies) };
      noteDefinition(named, context);
      types.set(item.named, named);
      return { type: 'type', name, named };
    }
    case 'function': {
      const shortName = item.function.kind === 'freestanding' ? name : item.function.name;
      return { ...item, name, function: copyFunction(item.function, shortName, copies) };
    }
    case 'interface':
    case 'other':
      return { ...item, name };
  }
}

function copyFunction(original: WitFunction, name: string, copies: TypeCopies): WitFunction {
  const resource = original.resource === null ? null : copied(original.resource, copies);
  return {
    ...original,
    name: original.kind === 'constructor' && resource !== null ? resource.name : name,
    resource,
    parameters: original.parameters.map((part) => ({ name: part.name, value: copyType(part.value, copies) })),
    result: original.result === null ? null : copyType(original.result, copies),
  };
}

function copyDefinition(definition: WitDefinition, copies: TypeCopies): WitDefinition {
  switch (definition.type) {
    case 'alias':
      return { type: 'alias', target: copyType(definition.target, copies) };
    case 'record':
      return {
        ...definition,
        fields: definition.fields.map((field) => ({ ...field, value: copyType(field.value, copies) })),
      };
    case 'variant': {
      const cases = definition.cases.map((part) => ({ ...part, payload: copyOptional(part.payload, copies) }));
      return { ...definition, cases };
    }
    case 'enum':
    case 'flags':
    case 'resource':
      return definition;
  }
}

function copyType(type: WitType, copies: TypeCopies): WitType {
  switch (type.type) {
    case 'primitive':
      return type;
    case 'named':
      return { type: 'named', named: copied(type.named, copies) };
    case 'own':
    case 'borrow':
      return { type: type.type, resource: copied(type.resource, copies) };
    case 'list':
    case 'option':
    case 'fixed-list':
      return { ...type, element: copyType(type.element, copies) };
    case 'future':
    case 'stream':
      return { type: type.type, element: copyOptional(type.element, copies) };
    case 'map':
      return { type: 'map', key: copyType(type.key, copies), value: copyType(type.value, copies) };
    case 'result':
      return { type: 'result', ok: copyOptional(type.ok, copies), error: copyOptional(type.error, copies) };
    case 'tuple':
      return { type: 'tuple', elements: type.elements.map((element) => copyType(element, copies)) };
  }
}

function copyOptional(type: WitType | null, copies: TypeCopies): WitType | null {
  return type === null ? null : copyType(type, copies);
}

function copied(named: WitNamedType, { types }: TypeCopies): WitNamedType {
  return types.get(named) ?? named;
}
