import type { WitInterface, WitNamedType, WitPackageId, WitWorld, WitWorldItem } from './model.ts';

/** `namespace:name`, with `@version` where it has one. */
export function witPackageName(id: WitPackageId): string {
  return `${id.namespace}:${id.name}${id.version === null ? '' : `@${id.version}`}`;
}

/** `namespace:package/name@version`: the name of an interface or world in a binary. */
export function witItemName(id: WitPackageId, name: string): string {
  return `${id.namespace}:${id.name}/${name}${id.version === null ? '' : `@${id.version}`}`;
}

/** Of an interface that has a name in a package. */
export function interfaceName({ name, packageId }: WitInterface): string | null {
  return name === null || packageId === null ? null : witItemName(packageId, name);
}

/** Under which name a world imports or exports something. */
export function worldItemName(item: WitWorldItem): string {
  return item.name ?? (item.type === 'interface' ? (interfaceName(item.interface) ?? '') : '');
}

export function isInterface(owner: WitInterface | WitWorld): owner is WitInterface {
  return 'functions' in owner;
}

/** The interface that `named` is used from, for what a `use` brought. */
export function usedInterface(named: WitNamedType): WitInterface | null {
  const { definition, owner } = named;
  if (definition.type !== 'alias' || definition.target.type !== 'named') return null;
  const { named: target } = definition.target;
  return target.owner === owner || !isInterface(target.owner) ? null : target.owner;
}

/** Asked for once per world that has the interface, of which there may be as many as it has types. */
const USED = new WeakMap<WitInterface, readonly WitInterface[]>();

/** The interfaces that a finished one uses types from, in the order of their first mention. */
export function usedInterfaces(user: WitInterface): readonly WitInterface[] {
  const known = USED.get(user);
  if (known !== undefined) return known;
  const used = new Set<WitInterface>();
  for (const named of user.types.values()) {
    const from = usedInterface(named);
    if (from !== null) used.add(from);
  }
  const list = [...used];
  USED.set(user, list);
  return list;
}
