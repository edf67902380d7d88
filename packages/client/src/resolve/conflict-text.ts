import { RegistryError } from '@waybill/protocol';
import { needText, type PackageNeed } from './package-source.ts';
import { PROJECT_SLOT, type Cause, type Incompatibility } from './slot.ts';
import type { SlotTable } from './slot-table.ts';

/** Lines of an explanation, and versions in one of them: what is longer is read by nobody. */
const LINES_MAX = 40;
const VERSIONS_MAX = 6;

type NeedCause = Extract<Cause, { readonly type: 'need' }>;

/** The needs that cannot be met together, each with the way on which it comes in. The lines are in `detail.conflict`. */
export function conflictError(failure: Incompatibility, table: SlotTable): RegistryError {
  const needs = needsBehind(failure);
  const shown = needs.filter(({ slot }) => table.slot(slot).type !== 'choice');
  const groups = [...grouped(shown)];
  const lines = groups.slice(0, LINES_MAX).map((group) => lineOf(group, needs, table));
  const more = groups.length - lines.length;
  const cut = more > 0 ? [...lines, `… and ${more} more`] : lines;
  const disputed = disputedOf(shown);
  const message = `no choice of releases gives everything that is asked of ${disputed.join(', ')}`;
  return new RegistryError('resolution/conflict', message, { conflict: cut.join('\n') });
}

/** The leaves of the derivation: each need once, in the order in which the derivation names them. */
function needsBehind(failure: Incompatibility): NeedCause[] {
  const seen = new Set<Incompatibility>();
  const found: NeedCause[] = [];
  const open = [failure];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (next.cause.type === 'derived') open.push(next.cause.of[1], next.cause.of[0]);
    else if (next.cause.type === 'need') found.push(next.cause);
  }
  return found;
}

/** The same need of several releases of a slot is one line. */
function grouped(needs: readonly NeedCause[]): Iterable<readonly NeedCause[]> {
  const groups = new Map<string, NeedCause[]>();
  for (const need of needs) {
    const key = `${need.slot} ${needText(need.need)}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [need]);
    else group.push(need);
  }
  return [...groups.values()].toSorted((a, b) => compareGroups(a, b));
}

/** By who needs it, so that the project comes first, and then by what. */
function compareGroups([a]: readonly NeedCause[], [b]: readonly NeedCause[]): number {
  if (a === undefined || b === undefined) return 0;
  if (a.slot !== b.slot) return a.slot - b.slot;
  return needText(a.need) < needText(b.need) ? -1 : 1;
}

function lineOf(group: readonly NeedCause[], needs: readonly NeedCause[], table: SlotTable): string {
  const [first] = group;
  if (first === undefined) return '';
  const places = new Set(group.map(({ place }) => place).toSorted((a, b) => a - b));
  const versions = [...places].map((place) => table.releaseAt({ slot: first.slot, place })?.version ?? '');
  const who = `${table.title(first.slot)} ${listed(versions)}`.trim();
  const way = wayTo(first.slot, needs, table);
  return `${who}${way === '' ? '' : ` (${way})`} needs ${needText(first.need)}: ${takenText(first, table)}`;
}

function takenText({ need, target }: NeedCause, table: SlotTable): string {
  const releases = table.releasesOf(need.name);
  if (releases === null) return `the registry has no package ${need.name}`;
  return target === null ? releases.whyNone(need.range) : listed(releases.takes(need.range));
}

function listed(versions: readonly string[]): string {
  const more = versions.length - VERSIONS_MAX;
  const shown = versions.slice(0, VERSIONS_MAX).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** How the project comes to a slot, by the needs of the conflict alone; empty for the project and what it names itself. */
function wayTo(slot: number, needs: readonly NeedCause[], table: SlotTable): string {
  const from = new Map<number, number>();
  const reached = [PROJECT_SLOT];
  for (const at of reached) {
    for (const { slot: by, target } of needs) {
      if (by !== at || target === null || target.slot === PROJECT_SLOT || from.has(target.slot)) continue;
      from.set(target.slot, by);
      reached.push(target.slot);
    }
  }
  const way: string[] = [];
  for (let at = from.get(slot); at !== undefined; at = from.get(at)) {
    if (table.slot(at).type !== 'choice') way.unshift(table.title(at));
  }
  return way.length <= 1 ? '' : way.join(' → ');
}

/** Packages that several ask for, or that one asks for in vain. */
function disputedOf(needs: readonly NeedCause[]): string[] {
  const texts = new Map<PackageNeed['name'], Set<string>>();
  for (const { need, target } of needs) {
    const known = texts.get(need.name) ?? new Set();
    texts.set(need.name, known.add(needText(need)));
    if (target === null) known.add('');
  }
  const disputed = [...texts].filter(([, asked]) => asked.size > 1).map(([name]) => name);
  return disputed.length > 0 ? disputed.toSorted() : [...texts.keys()].toSorted();
}
