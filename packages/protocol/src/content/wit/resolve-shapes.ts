import type { WitDefinition, WitNamedType, WitType } from './model.ts';
import type { DefinitionSyntax, NameSyntax, ShapeSyntax } from './parse-syntax.ts';
import { witFailure } from './parse-source.ts';
import type { ResolveContext } from './resolve-context.ts';

export type TypeLookup = (name: NameSyntax) => WitNamedType;

/** What stands where a type may, its names looked up. Throws `content/wit`. */
export function resolveShape(shape: ShapeSyntax, context: ResolveContext, lookup: TypeLookup): WitType {
  const inner = (part: ShapeSyntax) => resolveShape(part, context, lookup);
  const optional = (part: ShapeSyntax | null) => (part === null ? null : inner(part));
  switch (shape.type) {
    case 'primitive':
      return shape;
    case 'name': {
      const named = lookup(shape.name);
      return context.resources.has(named) ? { type: 'own', resource: named } : { type: 'named', named };
    }
    case 'own':
    case 'borrow':
      return { type: shape.type, resource: resolveResource(shape.name, context, lookup) };
    case 'list':
    case 'option':
      return { type: shape.type, element: inner(shape.element) };
    case 'fixed-list':
      return { type: 'fixed-list', element: inner(shape.element), length: shape.length };
    case 'map':
      return { type: 'map', key: inner(shape.key), value: inner(shape.value) };
    case 'result':
      return { type: 'result', ok: optional(shape.ok), error: optional(shape.error) };
    case 'tuple':
      return { type: 'tuple', elements: shape.elements.map(inner) };
    case 'future':
    case 'stream':
      return { type: shape.type, element: optional(shape.element) };
  }
}

/** What a name stands for. Throws `content/wit`. */
export function resolveDefinition(
  definition: DefinitionSyntax,
  context: ResolveContext,
  lookup: TypeLookup,
): WitDefinition {
  const label = ({ name, docs }: { readonly name: NameSyntax; readonly docs: string | null }) => ({
    name: name.text,
    docs,
  });
  const inner = (part: ShapeSyntax) => resolveShape(part, context, lookup);
  switch (definition.type) {
    case 'alias': {
      const { target } = definition;
      // The name of a resource is here another name of it, not a handle.
      if (target.type === 'name') return { type: 'alias', target: { type: 'named', named: lookup(target.name) } };
      return { type: 'alias', target: inner(target) };
    }
    case 'record': {
      const fields = definition.fields.map((field) => ({ ...label(field), value: inner(field.value) }));
      return { type: 'record', fields };
    }
    case 'variant': {
      const cases = definition.cases.map((part) => ({
        ...label(part),
        payload: part.payload === null ? null : inner(part.payload),
      }));
      return { type: 'variant', cases };
    }
    case 'enum':
      return { type: 'enum', cases: definition.cases.map(label) };
    case 'flags':
      return { type: 'flags', flags: definition.flags.map(label) };
    case 'resource':
      return { type: 'resource' };
  }
}

/** The names in a definition, those of a resource's functions apart: they may name what comes later. */
export function namesOf(definition: DefinitionSyntax): readonly NameSyntax[] {
  switch (definition.type) {
    case 'alias':
      return shapeNames(definition.target);
    case 'record':
      return definition.fields.flatMap(({ value }) => shapeNames(value));
    case 'variant':
      return definition.cases.flatMap(({ payload }) => (payload === null ? [] : shapeNames(payload)));
    case 'enum':
    case 'flags':
    case 'resource':
      return [];
  }
}

/** The parts of a shape that are shapes. */
export function shapeParts<T>(shape: {
  readonly element?: T | null;
  readonly key?: T;
  readonly value?: T;
  readonly ok?: T | null;
  readonly error?: T | null;
  readonly elements?: readonly T[];
}): readonly T[] {
  const { element, key, value, ok, error, elements = [] } = shape;
  return [key, value, element, ok, error, ...elements].filter((part) => part !== undefined && part !== null);
}

/** Whether a value of it holds a borrowed handle. */
export function isBorrowing(type: WitType, context: ResolveContext): boolean {
  if (type.type === 'borrow') return true;
  if (type.type === 'named') return context.borrowing.has(type.named);
  if (type.type === 'own' || type.type === 'primitive') return false;
  return shapeParts<WitType>(type).some((part) => isBorrowing(part, context));
}

/** Remembers what is asked of a named type later. */
export function noteDefinition(named: WitNamedType, context: ResolveContext): void {
  const { definition } = named;
  const target = definition.type === 'alias' && definition.target.type === 'named' ? definition.target.named : null;
  if (definition.type === 'resource' || (target !== null && context.resources.has(target)))
    context.resources.add(named);
  if (definitionTypes(definition).some((type) => isBorrowing(type, context))) context.borrowing.add(named);
}

/** The types that a definition is made of. */
export function definitionTypes(definition: WitDefinition): readonly WitType[] {
  switch (definition.type) {
    case 'alias':
      return [definition.target];
    case 'record':
      return definition.fields.map(({ value }) => value);
    case 'variant':
      return definition.cases.flatMap(({ payload }) => (payload === null ? [] : [payload]));
    case 'enum':
    case 'flags':
    case 'resource':
      return [];
  }
}

function shapeNames(shape: ShapeSyntax): readonly NameSyntax[] {
  if (shape.type === 'name' || shape.type === 'own' || shape.type === 'borrow') return [shape.name];
  return shape.type === 'primitive' ? [] : shapeParts<ShapeSyntax>(shape).flatMap(shapeNames);
}

function resolveResource(name: NameSyntax, context: ResolveContext, lookup: TypeLookup): WitNamedType {
  const named = lookup(name);
  if (!context.resources.has(named))
    throw witFailure(name.place, `'${name.text}' is not a resource: use it without own<…> or borrow<…>`);
  return named;
}
