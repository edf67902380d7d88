import type {
  WitDefinition,
  WitFunction,
  WitInterface,
  WitNamedType,
  WitNotes,
  WitPackage,
  WitPackageId,
  WitPrimitive,
  WitType,
  WitWorld,
} from '@waybill/protocol/content';

export const NO_NOTES: WitNotes = { docs: null, stability: null };
export const EXAMPLE: WitPackageId = { namespace: 'acme', name: 'shop', version: null };

interface InterfaceParts extends Partial<WitNotes> {
  readonly packageId?: WitPackageId;
  readonly types?: (owner: WitInterface) => readonly WitNamedType[];
  readonly functions?: (owner: WitInterface) => readonly WitFunction[];
}

/** Types and functions are made when their owner is there. */
export function interfaceOf(name: string | null, parts: InterfaceParts): WitInterface {
  const types = new Map<string, WitNamedType>();
  const functions = new Map<string, WitFunction>();
  const { docs = null, stability = null, packageId = EXAMPLE } = parts;
  const made = { name, packageId: name === null ? null : packageId, types, functions, docs, stability };
  for (const type of parts.types?.(made) ?? []) types.set(type.name, type);
  for (const [index, described] of (parts.functions?.(made) ?? []).entries()) functions.set(`f${index}`, described);
  return made;
}

export function worldOf(name: string, parts: Partial<Pick<WitWorld, 'imports' | 'exports'>>): WitWorld {
  return { name, packageId: EXAMPLE, imports: [], exports: [], ...NO_NOTES, ...parts };
}

export function packageOf(
  id: WitPackageId,
  interfaces: readonly WitInterface[],
  worlds: readonly WitWorld[],
): WitPackage {
  return {
    id,
    interfaces: new Map(interfaces.map((one) => [one.name ?? '', one])),
    worlds: new Map(worlds.map((one) => [one.name, one])),
    ...NO_NOTES,
  };
}

export function typeOf(
  owner: WitInterface | WitWorld,
  name: string,
  definition: WitDefinition,
  notes: Partial<WitNotes> = {},
): WitNamedType {
  return { name, owner, definition, ...NO_NOTES, ...notes };
}

export function functionOf(name: string, parts: Partial<WitFunction>): WitFunction {
  return {
    name,
    kind: 'freestanding',
    isAsync: false,
    resource: null,
    parameters: [],
    result: null,
    ...NO_NOTES,
    ...parts,
  };
}

export function primitive(name: WitPrimitive): WitType {
  return { type: 'primitive', primitive: name };
}

export function named(type: WitNamedType): WitType {
  return { type: 'named', named: type };
}
