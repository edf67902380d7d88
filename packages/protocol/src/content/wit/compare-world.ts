import {
  functionDifferences,
  interfaceDifferences,
  membershipDifference,
  notesDifferences,
  typeDifferences,
  type WitDifference,
  type WitSide,
} from './compare-interface.ts';
import { TypeComparison } from './compare-shapes.ts';
import { versionOrder } from './compare-versions.ts';
import { usedInterface, worldItemName } from './identity.ts';
import type { WitInterface, WitWorld, WitWorldItem } from './model.ts';

/** A world asks its host for what it imports, and gives what it exports. */
const SIDE = { import: 'asked', export: 'given' } as const;

/** What differs between two worlds, such as those of two components; judged for whoever hosts them. */
export function compareWorlds(before: WitWorld, after: WitWorld): readonly WitDifference[] {
  return worldDifferences('', before, after, { comparison: new TypeComparison([]), isReference: () => false });
}

export interface WorldComparison {
  readonly comparison: TypeComparison;
  /** An interface that is not the world's own: what is in it is compared where it is declared. */
  readonly isReference: (item: WitInterface) => boolean;
}

export function worldDifferences(
  path: string,
  before: WitWorld,
  after: WitWorld,
  context: WorldComparison,
): readonly WitDifference[] {
  const prefix = path === '' ? '' : `${path}/`;
  return [
    ...itemDifferences(`${prefix}import `, before.imports, after.imports, SIDE.import, context),
    ...itemDifferences(`${prefix}export `, before.exports, after.exports, SIDE.export, context),
    ...notesDifferences(path, before, after),
  ];
}

/** The items that count, by what makes two of them the same one. */
export function worldItems(
  items: readonly WitWorldItem[],
  comparison: TypeComparison,
): ReadonlyMap<string, WitWorldItem> {
  return new Map(items.filter(isCounted).map((item) => [itemKey(item, comparison), item]));
}

function isCounted(item: WitWorldItem): boolean {
  if (item.type === 'other') return true;
  if (item.type !== 'type') return item.stability?.type !== 'unstable';
  // What is used from an interface comes with that.
  return item.named.stability?.type !== 'unstable' && usedInterface(item.named) === null;
}

function itemKey(item: WitWorldItem, comparison: TypeComparison): string {
  if (item.type !== 'interface' || item.name !== null) return `#${item.name}`;
  const { name, packageId } = item.interface;
  return packageId === null || name === null ? '' : `${comparison.packageKey(packageId)}/${name}`;
}

function itemDifferences(
  prefix: string,
  before: readonly WitWorldItem[],
  after: readonly WitWorldItem[],
  side: WitSide,
  context: WorldComparison,
): readonly WitDifference[] {
  const old = worldItems(before, context.comparison);
  const now = worldItems(after, context.comparison);
  const kept = [...old].flatMap(([key, item]) => {
    const path = `${prefix}${itemLabel(item)}`;
    const other = now.get(key);
    return other === undefined
      ? [membershipDifference(path, sideOf(item, side), 'removed')]
      : itemChange(path, item, other, side, context);
  });
  const added = [...now].filter(([key]) => !old.has(key));
  return [
    ...kept,
    ...added.map(([, item]) => membershipDifference(`${prefix}${itemLabel(item)}`, sideOf(item, side), 'added')),
  ];
}

/** A type that is no resource is asked of nobody: it is there for who reads the world. */
function sideOf(item: WitWorldItem, side: WitSide): WitSide {
  return item.type === 'type' && item.named.definition.type !== 'resource' ? 'given' : side;
}

/** Without a version: what two versions have in common. */
export function itemLabel(item: WitWorldItem): string {
  if (item.type !== 'interface' || item.name !== null) return worldItemName(item);
  const { name, packageId } = item.interface;
  return packageId === null || name === null ? '' : `${packageId.namespace}:${packageId.name}/${name}`;
}

function itemChange(
  path: string,
  before: WitWorldItem,
  after: WitWorldItem,
  side: WitSide,
  context: WorldComparison,
): readonly WitDifference[] {
  const { comparison } = context;
  if (before.type === 'interface' && after.type === 'interface')
    return interfaceChange(path, before, after, side, context);
  if (before.type === 'function' && after.type === 'function') {
    return functionDifferences(path, before.function, after.function, comparison);
  }
  if (before.type === 'type' && after.type === 'type')
    return typeDifferences(path, before.named, after.named, comparison);
  if (before.type === 'other' && after.type === 'other' && before.kind === after.kind) return [];
  return [{ path, impact: 'breaking', what: 'is something else' }];
}

function interfaceChange(
  path: string,
  before: Extract<WitWorldItem, { readonly type: 'interface' }>,
  after: Extract<WitWorldItem, { readonly type: 'interface' }>,
  side: WitSide,
  { comparison, isReference }: WorldComparison,
): readonly WitDifference[] {
  const notes = notesDifferences(path, before, after);
  const [old, now] = [before.interface, after.interface];
  const version = comparison.isOwn(old) && comparison.isOwn(now) ? [] : versionChange(path, old, now, side);
  if (isReference(old) && isReference(now)) return [...version, ...notes];
  const inside = interfaceDifferences(path, { ...old, ...SILENT }, { ...now, ...SILENT }, side, comparison);
  return [...version, ...inside, ...notes];
}

/** Said of the item already. */
const SILENT = { docs: null, stability: null };

/** A newer version may have more in it: a host needs it, or gets it. */
function versionChange(
  path: string,
  before: WitInterface,
  after: WitInterface,
  side: WitSide,
): readonly WitDifference[] {
  const order = versionOrder(before.packageId?.version ?? null, after.packageId?.version ?? null);
  if (order === 0) return [];
  const { impact } = membershipDifference(path, side, order < 0 ? 'added' : 'removed');
  return [
    {
      path,
      impact,
      what: `is of version ${after.packageId?.version ?? ''}, and was of ${before.packageId?.version ?? ''}`,
    },
  ];
}
