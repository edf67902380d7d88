import { RegistryError, type PackageName, type VersionText } from '@waybill/protocol';
import { trackOf } from '@waybill/protocol/content';
import { needText, releaseText, type PackageNeed, type PackageReleases, type ReleaseId } from './package-source.ts';
import { firstOf, firstPlaces, inEither, NO_PLACES, onePlace, type PlaceSet } from './place-set.ts';
import { PROJECT_SLOT, type Incompatibility, type Slot, type SlotTerm, type Target } from './slot.ts';
import { both, type Term } from './term.ts';

/** Packages that one resolution may read: each costs a log, and at most so many logs are proven at once. */
export const RESOLUTION_PACKAGES_MAX = 2_000;
/** Steps from the project to a package, the shortest way. */
export const RESOLUTION_DEPTH_MAX = 64;
/** What one release, or a project, may need. */
export const RELEASE_NEEDS_MAX = 2_000;

/** What has to be read before the solver goes on. */
export interface Unknown {
  readonly packages: readonly PackageName[];
  readonly releases: readonly ReleaseId[];
}

/** A release of a slot that is looked at. */
export interface Candidate {
  readonly slot: number;
  readonly place: number;
}

/** What is known of a candidate, kept for it is asked for at each step. */
interface Standing extends Candidate {
  isReady: boolean;
  /** Whether the solver has its needs. */
  isTold: boolean;
  /** What it most likely brings, once it is ready and somebody asked. */
  leads: readonly Standing[] | null;
  /** The last walk that came by. */
  walk: number;
}

/** What was read, as slots and what cannot hold together. */
export class SlotTable {
  readonly #slots: Slot[] = [{ id: PROJECT_SLOT, type: 'project' }];
  readonly #depth = new Map<number, number>([[PROJECT_SLOT, 0]]);
  readonly #packages = new Map<PackageName, PackageReleases | null>();
  readonly #needs = new Map<string, readonly PackageNeed[]>();
  readonly #tracks = new Map<string, Slot>();
  readonly #targets = new Map<string, Target | null>();
  /** By slot and place. */
  readonly #standings: Standing[][] = [];
  #walks = 0;
  readonly #project: readonly PackageNeed[];

  constructor(project: readonly PackageNeed[]) {
    this.#project = checkedNeeds(project, 'the project');
  }

  slot(id: number): Slot {
    const slot = this.#slots[id];
    if (slot === undefined) throw new TypeError('no such slot');
    return slot;
  }

  /** `null` for what is no release of a package. */
  releaseAt({ slot: id, place }: Candidate): ReleaseId | null {
    const slot = this.slot(id);
    const version = slot.type === 'track' ? slot.versions[place] : undefined;
    return slot.type === 'track' && version !== undefined ? { name: slot.name, version } : null;
  }

  releasesOf(name: PackageName): PackageReleases | null {
    return this.#packages.get(name) ?? null;
  }

  addPackages(read: ReadonlyMap<PackageName, PackageReleases | null>): void {
    for (const [name, releases] of read) this.#packages.set(name, releases);
  }

  addNeeds(release: ReleaseId, needs: readonly PackageNeed[]): void {
    this.#needs.set(releaseText(release), checkedNeeds(needs, releaseText(release)));
  }

  /** What a slot's release needs; `null` where that was not read. */
  needsAt(candidate: Candidate): readonly PackageNeed[] | null {
    const slot = this.slot(candidate.slot);
    if (slot.type === 'project') return this.#project;
    if (slot.type === 'choice') return [];
    const release = this.releaseAt(candidate);
    return release === null ? [] : (this.#needs.get(releaseText(release)) ?? null);
  }

  /** What is not known yet of these, and of what they lead to. Throws `resolution/limit`. */
  unknownOf(candidates: readonly Candidate[]): Unknown {
    const packages = new Set<PackageName>();
    const releases: ReleaseId[] = [];
    for (const candidate of this.#unreadyAhead(candidates)) {
      const needs = this.needsAt(candidate);
      const release = this.releaseAt(candidate);
      if (needs === null && release !== null) releases.push(release);
      for (const { name } of needs ?? []) if (!this.#packages.has(name)) packages.add(name);
    }
    const read = this.#packages.size + packages.size;
    if (read > RESOLUTION_PACKAGES_MAX) {
      const message = `more than ${RESOLUTION_PACKAGES_MAX} packages hang together here: nobody asks for so many on purpose`;
      throw new RegistryError('resolution/limit', message, { packages: read });
    }
    return { packages: [...packages].toSorted(), releases };
  }

  /** Whether it is known what a release needs, and what there is of it. */
  isReady(candidate: Candidate): boolean {
    return this.#isReady(this.#standingOf(candidate));
  }

  #isReady(standing: Standing): boolean {
    standing.isReady ||= this.needsAt(standing)?.every(({ name }) => this.#packages.has(name)) === true;
    return standing.isReady;
  }

  #standingOf({ slot, place }: Candidate): Standing {
    return ((this.#standings[slot] ??= [])[place] ??= {
      slot,
      place,
      isReady: false,
      isTold: false,
      leads: null,
      walk: 0,
    });
  }

  /** With what they would likely lead to: who has to wait for an answer asks for what comes next as well. */
  #unreadyAhead(candidates: readonly Candidate[]): Candidate[] {
    const walk = ++this.#walks;
    const found = candidates.map((candidate) => this.#standingOf(candidate));
    for (const standing of found) standing.walk = walk;
    const unready: Candidate[] = [];
    for (const standing of found) {
      if (!this.#isReady(standing)) {
        unready.push(standing);
        continue;
      }
      standing.leads ??= this.#targetsOf(standing).map(({ slot, set }) =>
        this.#standingOf({ slot, place: firstOf(set) }),
      );
      for (const next of standing.leads) {
        if (next.walk === walk) continue;
        next.walk = walk;
        found.push(next);
      }
    }
    return unready;
  }

  #targetsOf(candidate: Candidate): readonly Target[] {
    const slot = this.slot(candidate.slot);
    if (slot.type === 'choice') return slot.options.slice(candidate.place, candidate.place + 1);
    return (this.needsAt(candidate) ?? []).flatMap((need) => this.targetOf(need) ?? []);
  }

  /** What choosing a release brings; what was told once is not told again. Throws `resolution/limit`. */
  needsOf(slot: number, place: number): Incompatibility[] {
    const chosen = this.#standingOf({ slot, place });
    if (chosen.isTold) return [];
    chosen.isTold = true;
    const own = this.slot(slot);
    if (own.type === 'choice') return this.#choiceNeed(own, place);
    return (this.needsAt(chosen) ?? []).flatMap((need) => {
      if (this.isHosts(need)) return [];
      const target = this.targetOf(need);
      if (target !== null) this.#deepen(target.slot, slot);
      return [needOf(chosen, need, target)];
    });
  }

  #choiceNeed({ id, options, need }: Slot & { readonly type: 'choice' }, place: number): Incompatibility[] {
    const target = options[place];
    if (target === undefined) throw new TypeError('no such option');
    this.#deepen(target.slot, id);
    return [needOf({ slot: id, place }, need, target)];
  }

  #deepen(slot: number, from: number): void {
    const step = this.slot(slot).type === 'choice' ? 0 : 1;
    const depth = (this.#depth.get(from) ?? 0) + step;
    if (depth < (this.#depth.get(slot) ?? Infinity)) this.#depth.set(slot, depth);
    if (depth <= RESOLUTION_DEPTH_MAX) return;
    const message = `packages need each other over more than ${RESOLUTION_DEPTH_MAX} steps, the last of them ${this.title(slot)}`;
    throw new RegistryError('resolution/limit', message, { depth });
  }

  title(slot: number): string {
    const own = this.slot(slot);
    return own.type === 'track' ? own.name : own.type === 'choice' ? needText(own.need) : 'waybill.toml';
  }

  /** The registry has no such package, and the need allows for that. */
  isHosts({ name, mayBeHosts }: PackageNeed): boolean {
    return mayBeHosts && this.#packages.get(name) === null;
  }

  /** `null` where nothing meets the need. */
  targetOf(need: PackageNeed): Target | null {
    const key = needText(need);
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    const target = this.#makeTarget(need);
    this.#targets.set(key, target);
    return target;
  }

  #makeTarget(need: PackageNeed): Target | null {
    const releases = this.#packages.get(need.name);
    if (releases === undefined || releases === null) return null;
    const taken = new Set(releases.takes(need.range));
    const sets = new Map<number, PlaceSet>();
    for (const version of releases.versions) {
      if (!taken.has(version)) continue;
      const slot = this.#track(need.name, releases, trackOf(version));
      const place = onePlace(slot.versions.indexOf(version));
      sets.set(slot.id, inEither(sets.get(slot.id) ?? NO_PLACES, place));
    }
    const options = [...sets].map(([slot, set]) => ({ slot, set }));
    if (options.length <= 1) return options[0] ?? null;
    const choice: Slot = { id: this.#slots.length, type: 'choice', need, options };
    this.#slots.push(choice);
    return { slot: choice.id, set: firstPlaces(options.length) };
  }

  #track(name: PackageName, { versions }: PackageReleases, track: string): Slot & { readonly type: 'track' } {
    const key = `${name} ${track}`;
    const known = this.#tracks.get(key);
    if (known?.type === 'track') return known;
    const own = versions.filter((version: VersionText) => trackOf(version) === track);
    const slot = { id: this.#slots.length, type: 'track', name, versions: own } as const;
    this.#slots.push(slot);
    this.#tracks.set(key, slot);
    return slot;
  }
}

/** Each once, in one order: the order in which they were written decides nothing. Throws `resolution/limit`. */
function checkedNeeds(needs: readonly PackageNeed[], whose: string): readonly PackageNeed[] {
  const unique = new Map(needs.map((need) => [`${needText(need)} ${need.mayBeHosts}`, need]));
  if (unique.size > RELEASE_NEEDS_MAX) {
    const message = `${whose} needs ${unique.size} packages; at most ${RELEASE_NEEDS_MAX} are read`;
    throw new RegistryError('resolution/limit', message, { needs: unique.size });
  }
  return [...unique.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, need]) => need);
}

function needOf({ slot, place }: Candidate, need: PackageNeed, target: Target | null): Incompatibility {
  const chosen: Term = { isPositive: true, set: onePlace(place) };
  const unmet: Term = { isPositive: false, set: target?.set ?? NO_PLACES };
  const terms: SlotTerm[] =
    target?.slot === slot
      ? [{ slot, term: both(chosen, unmet) }]
      : [{ slot, term: chosen }, ...(target === null ? [] : [{ slot: target.slot, term: unmet }])];
  return { terms, cause: { type: 'need', slot, place, need, target } };
}
