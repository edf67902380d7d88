import { compareVersions, RegistryError } from '@waybill/protocol';
import { releaseText, type PackageNeed, type PackageSource, type ReleaseId } from './package-source.ts';
import { PROJECT_SLOT, type Target } from './slot.ts';
import { SlotTable, type Unknown } from './slot-table.ts';
import { Solver } from './solver.ts';

/** From the first question to the last answer. */
export const RESOLUTION_MS_MAX = 120_000;

/** A release that was chosen, with what was chosen for its needs. */
export interface ChosenRelease extends ReleaseId {
  readonly dependencies: readonly ReleaseId[];
  /** Needs that the registry has no package for: the host's. */
  readonly hosts: readonly PackageNeed[];
}

/** What a project takes: everything that its needs lead to, and nothing else, by name and version. */
export interface Resolution {
  /** For the needs of the project itself. */
  readonly dependencies: readonly ReleaseId[];
  readonly hosts: readonly PackageNeed[];
  readonly releases: readonly ChosenRelease[];
}

export interface ResolutionParts {
  readonly source: PackageSource;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/**
 * Chooses one release for each need, and at most one of each track of a package. The order in which needs are written, and
 * answers arrive, decides nothing. Cycles are allowed. Throws `resolution/conflict`, with the needs that do not fit together in
 * `detail.conflict`, and `resolution/limit`.
 */
export async function resolveProject(
  needs: readonly PackageNeed[],
  { source, clock }: ResolutionParts,
): Promise<Resolution> {
  const table = new SlotTable(needs);
  const deadline = clock() + RESOLUTION_MS_MAX;
  const requireTime = (): void => {
    if (clock() <= deadline) return;
    const message = `no choice of releases was found in ${RESOLUTION_MS_MAX / 1000} s: narrow the ranges in waybill.toml`;
    throw new RegistryError('resolution/limit', message, {});
  };
  const steps = new Solver(table, requireTime).run();
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) return resolutionOf(table, step.value);
    requireTime();
    await read(step.value, table, source);
  }
}

async function read({ packages, releases }: Unknown, table: SlotTable, source: PackageSource): Promise<void> {
  const [found, needs] = await Promise.all([
    packages.length === 0 ? new Map() : source.releases(packages),
    releases.length === 0 ? [] : source.needs(releases),
  ]);
  table.addPackages(new Map(packages.map((name) => [name, found.get(name) ?? null])));
  for (const [i, release] of releases.entries()) table.addNeeds(release, needs[i] ?? []);
}

/** From the project on: what was decided and then not needed is left out. */
function resolutionOf(table: SlotTable, decisions: ReadonlyMap<number, number>): Resolution {
  const releases = new Map<string, ChosenRelease>();
  const project = chosenFor(PROJECT_SLOT, table, decisions);
  const open = [...project.targets];
  for (let slot = open.pop(); slot !== undefined; slot = open.pop()) {
    const release = releaseIn(slot, table, decisions);
    if (releases.has(releaseText(release))) continue;
    const { targets, dependencies, hosts } = chosenFor(slot, table, decisions);
    releases.set(releaseText(release), { ...release, dependencies, hosts });
    open.push(...targets);
  }
  const sorted = [...releases.values()].toSorted(compareReleases);
  return { dependencies: project.dependencies, hosts: project.hosts, releases: sorted };
}

interface ChosenNeeds extends Pick<ChosenRelease, 'dependencies' | 'hosts'> {
  /** Slots of the dependencies. */
  readonly targets: readonly number[];
}

function chosenFor(slot: number, table: SlotTable, decisions: ReadonlyMap<number, number>): ChosenNeeds {
  const needs = table.needsAt({ slot, place: placeIn(slot, decisions) }) ?? [];
  const hosts = needs.filter((need) => table.isHosts(need));
  const found = needs
    .filter((need) => !table.isHosts(need))
    .map((need) => trackTarget(table.targetOf(need), table, decisions));
  const targets = [...new Set(found)];
  const dependencies = targets.map((target) => releaseIn(target, table, decisions)).toSorted(compareReleases);
  return { targets, dependencies, hosts };
}

/** Through the choice of a track, where there was one. */
function trackTarget(target: Target | null, table: SlotTable, decisions: ReadonlyMap<number, number>): number {
  if (target === null) throw new TypeError('a need that was not met');
  const slot = table.slot(target.slot);
  if (slot.type !== 'choice') return slot.id;
  return trackTarget(slot.options[placeIn(slot.id, decisions)] ?? null, table, decisions);
}

function releaseIn(slot: number, table: SlotTable, decisions: ReadonlyMap<number, number>): ReleaseId {
  const release = table.releaseAt({ slot, place: placeIn(slot, decisions) });
  if (release === null) throw new TypeError('a slot without a release');
  return release;
}

function placeIn(slot: number, decisions: ReadonlyMap<number, number>): number {
  const place = decisions.get(slot);
  if (place === undefined) throw new TypeError('a slot that was not decided');
  return place;
}

/** By name, then by version. */
export function compareReleases(a: ReleaseId, b: ReleaseId): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1;
  return compareVersions(a.version, b.version);
}
