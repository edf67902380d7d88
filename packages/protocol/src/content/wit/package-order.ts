import type { WitInterface, WitPackage } from './model.ts';

/** The packages, each after those that it takes types from, else as they come. In a circle, one is before what it takes from. */
export function orderPackages(packages: readonly WitPackage[]): WitPackage[] {
  const homes = new Map<WitInterface, WitPackage>();
  for (const one of packages) for (const described of one.interfaces.values()) homes.set(described, one);
  const begun = new Set<WitPackage>();
  const ordered: WitPackage[] = [];
  for (const first of packages) {
    if (begun.has(first)) continue;
    begun.add(first);
    // A stack of its own: a binary may chain as many packages as it likes.
    const path = [{ package: first, used: usedPackages(first, homes) }];
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const { value } = last.used.next();
      if (value === undefined) {
        ordered.push(last.package);
        path.pop();
      } else if (!begun.has(value)) {
        begun.add(value);
        path.push({ package: value, used: usedPackages(value, homes) });
      }
    }
  }
  return ordered;
}

function* usedPackages(
  { interfaces }: WitPackage,
  homes: ReadonlyMap<WitInterface, WitPackage>,
): Generator<WitPackage, undefined> {
  for (const { types } of interfaces.values())
    for (const { definition } of types.values()) {
      if (definition.type !== 'alias' || definition.target.type !== 'named') continue;
      const { owner } = definition.target.named;
      const home = 'imports' in owner ? undefined : homes.get(owner);
      if (home !== undefined) yield home;
    }
}
