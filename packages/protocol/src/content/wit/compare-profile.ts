import { interfaceDifferences, type WitDifference } from './compare-interface.ts';
import { TypeComparison } from './compare-shapes.ts';
import { versionOrder } from './compare-versions.ts';
import { itemLabel, worldItems } from './compare-world.ts';
import { interfaceName, usedInterface, worldItemName } from './identity.ts';
import type { WitWorld, WitWorldItem } from './model.ts';

/** Why a component does not run in a profile. */
export interface WitMissing {
  /** What the profile lacks that the component imports, or the component that the profile asks for. */
  readonly direction: 'import' | 'export';
  readonly name: string;
  /** For a person. */
  readonly why: string;
}

/**
 * What is missing for a component to run in a profile; nothing, and it runs. Whatever it imports the profile offers, in the
 * same version or in a newer one that can stand for it, and whatever the profile asks for it exports.
 */
export function missingFor(component: WitWorld, profile: WitWorld): readonly WitMissing[] {
  return [
    ...missingItems('import', component.imports, profile.imports),
    ...missingItems('export', profile.exports, component.exports),
  ];
}

/** Whether a component runs in a profile: {@link missingFor} says what it lacks. */
export function fitsWorld(component: WitWorld, profile: WitWorld): boolean {
  return missingFor(component, profile).length === 0;
}

function missingItems(
  direction: 'import' | 'export',
  needed: readonly WitWorldItem[],
  offered: readonly WitWorldItem[],
): readonly WitMissing[] {
  const comparison = new TypeComparison([]);
  const found = worldItems(offered, comparison);
  return [...worldItems(needed, comparison)].flatMap(([key, item]) => {
    const other = found.get(key);
    const why = isFree(item)
      ? otherMeaning(item, other, comparison)
      : (lackOf(item, other, offered, comparison) ?? olderVersion(direction, item, other));
    return why === null ? [] : [{ direction, name: worldItemName(item), why }];
  });
}

/** A type that is no resource brings its meaning along. */
function isFree(item: WitWorldItem): boolean {
  return item.type === 'type' && (item.named.definition.type !== 'resource' || usedInterface(item.named) !== null);
}

/** Functions of two worlds name the types of their own world: that they mean the same is seen here alone. */
function otherMeaning(
  needed: WitWorldItem,
  offered: WitWorldItem | undefined,
  comparison: TypeComparison,
): string | null {
  if (needed.type !== 'type' || offered === undefined) return null;
  if (offered.type !== 'type') return 'something else has this name';
  const isSame = comparison.sameDefinition(needed.named.definition, offered.named.definition);
  return isSame ? null : 'the type of this name that is there is another';
}

/** `null` for nothing. */
function lackOf(
  needed: WitWorldItem,
  offered: WitWorldItem | undefined,
  all: readonly WitWorldItem[],
  comparison: TypeComparison,
): string | null {
  if (offered === undefined) return otherVersions(needed, all);
  if (needed.type === 'interface' && offered.type === 'interface') {
    const [want, have] = [needed.interface, offered.interface];
    // What is taken from the offer of what the need has: additions to it do not matter.
    const gaps = interfaceDifferences('', want, have, 'given', comparison).filter(
      ({ impact }) => impact === 'breaking',
    );
    return gaps.length === 0 ? null : gapText(gaps);
  }
  if (needed.type === 'function' && offered.type === 'function') {
    const change = comparison.functionChange(needed.function, offered.function);
    return change === null ? null : `the one that is there ${change}`;
  }
  if (needed.type === 'other') return `it is a ${needed.kind}, for which a profile has no word`;
  return needed.type === 'type' ? otherMeaning(needed, offered, comparison) : 'something else has this name';
}

/** Of what is imported, a component may use all that its version has; of what it exports, a host uses what it asks for. */
function olderVersion(
  direction: 'import' | 'export',
  needed: WitWorldItem,
  offered: WitWorldItem | undefined,
): string | null {
  if (direction === 'export' || needed.type !== 'interface' || offered?.type !== 'interface') return null;
  const [want, have] = [needed.interface, offered.interface];
  const isOlder = versionOrder(want.packageId?.version ?? null, have.packageId?.version ?? null) > 0;
  return isOlder ? `only an older version is there: ${interfaceName(have) ?? ''}` : null;
}

function otherVersions(needed: WitWorldItem, all: readonly WitWorldItem[]): string {
  const label = itemLabel(needed);
  const others = needed.name === null ? all.filter((item) => item.name === null && itemLabel(item) === label) : [];
  if (others.length === 0) return 'it is not there';
  return `only versions that cannot stand for it are there: ${others.map(worldItemName).join(', ')}`;
}

const GAPS_SHOWN = 5;

function gapText(gaps: readonly WitDifference[]): string {
  const shown = gaps.slice(0, GAPS_SHOWN).map(({ path, what }) => `'${path}' ${what}`);
  const more = gaps.length > GAPS_SHOWN ? `, and ${gaps.length - GAPS_SHOWN} more` : '';
  return `the one that is there differs: ${shown.join(', ')}${more}`;
}
