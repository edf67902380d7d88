import { isRegistryError, RegistryError, type Digest, type PackageName } from '@waybill/protocol';
import { bytesKeptByCheck, TREE_BYTES_MAX, TREE_INDEX_BYTES_MAX, type KindDemand } from '@waybill/protocol/content';
import { demandsOf, JudgedContents, receiveContent, type ContentPolicy } from './content.ts';
import type { ContentSpaces } from './content-spaces.ts';
import type { GovernanceGate } from './governance-gate.ts';
import { CONTENT_BYTES_MAX, DAMAGED_CONTENTS_MAX } from './limits.ts';
import { namedContents, type NamedContent } from './named-content.ts';
import type { ContentStore } from './ports.ts';
import type { Reservation, Reservations } from './reservations.ts';
import { readTreeIndex } from './tree-index-reading.ts';

/** Content that a record waits for, and all that names it there. */
export interface Wanted {
  readonly digest: Digest;
  readonly named: readonly NamedContent[];
}

export interface SourcingParts {
  readonly content: ContentStore;
  readonly contentPolicy: ContentPolicy;
  readonly spaces: Pick<ContentSpaces, 'isOpenTo'>;
  readonly gate: GovernanceGate;
  readonly reservations: Reservations;
}

/** What comes in for a record. */
interface IncomingBytes {
  readonly body: AsyncIterable<Uint8Array>;
  readonly onProgress: () => void;
}

/** Memory that a file of a tree takes while the record is on its way, without its path. */
const TREE_FILE_MEMORY_BYTES = 1_024;

/** Knows what a record on its way still needs, and judges what comes: spec/http.md 5.3 and 5.8, spec/content.md. */
export class Sourcing {
  readonly #parts: SourcingParts;
  readonly #judged = new JudgedContents();
  /** Kept content that is known to be damaged; of too many, the newest. */
  readonly #damaged = new Set<Digest>();

  constructor(parts: SourcingParts) {
    this.#parts = parts;
  }

  /**
   * Notes what is missing of all that the record names, also in trees whose index is here. Throws `content/policy`,
   * `content/tree`, `admission/policy`, `content/taken-down` for a record that can never be published, `request/too-many`.
   */
  async findMissing(reservation: Reservation): Promise<void> {
    const wanted = wantedOf(namedContents(reservation.record));
    for (const one of wanted) if (!(await this.#isHere(reservation, one))) reservation.missing.add(one.digest);
    for (const one of wanted) {
      if (reservation.missing.has(one.digest) || !isTree(one)) continue;
      const isWhole = await this.#unlessDamaged(one.digest, () => this.#unfold(reservation, one.digest));
      if (isWhole === null) reservation.missing.add(one.digest);
    }
  }

  /**
   * Kept content that was found damaged is missing for records that name it from now on: their upload takes its place, also that
   * of slices of other content.
   */
  noteDamage(digest: Digest): void {
    this.#damaged.add(digest);
    for (const oldest of this.#damaged) {
      if (this.#damaged.size <= DAMAGED_CONTENTS_MAX) return;
      this.#damaged.delete(oldest);
    }
  }

  /** Somebody has held the bytes of this digest, which were hashed when they came, against what records will ask of them. */
  noteJudged(digest: Digest, demands: readonly KindDemand[]): void {
    this.#judged.add(digest, demands);
  }

  /** `null` for content that the record does not name, by itself or in a tree whose index is here. */
  wanted({ record, trees }: Reservation, digest: Digest): Wanted | null {
    const named = [...namedContents(record).filter((one) => one.digest === digest), ...trees.named(digest)];
    return named.length === 0 ? null : { digest, named };
  }

  /** Throws what {@link receiveContent} throws, and `request/too-many` where too much is being looked at. */
  async receive(
    reservation: Reservation,
    { digest, named }: Wanted,
    { body, onProgress }: IncomingBytes,
  ): Promise<void> {
    const demands = this.#demands(reservation.name, named);
    const sizes = named.flatMap(({ claim }) => claim?.size ?? []);
    await this.#holding(reservation, { demands, size: sizes[0] ?? null }, () =>
      receiveContent(this.#parts.content, { digest, body, demands, bytesMax: bytesMaxOf(named), onProgress }),
    );
    this.#judged.add(digest, demands);
    this.#damaged.delete(digest);
  }

  /** What has come may be right and the record wrong: throws as {@link findMissing}. */
  async settle(reservation: Reservation, wanted: Wanted): Promise<void> {
    const { digest, named } = wanted;
    const size = await this.#parts.content.size(digest);
    if (size !== null) {
      for (const one of named) checkSize(one, size);
      reservation.trees.measure(digest, size);
    }
    if (isTree(wanted)) await this.#unfold(reservation, digest);
    reservation.missing.delete(digest);
  }

  /** A file of a tree may have been taken down while others were waited for. Throws `content/taken-down`. */
  async requireFilesStanding({ name, trees }: Reservation): Promise<void> {
    for (const digest of trees.digests) await this.#parts.gate.admitContent(name, digest);
  }

  /** Everything an index names, once it is here. */
  async #unfold(reservation: Reservation, index: Digest): Promise<void> {
    const { content, gate, reservations } = this.#parts;
    const { trees, missing, name } = reservation;
    if (trees.has(index)) return;
    const files = await readTreeIndex(content, index);
    reservations.hold(reservation, files.length * TREE_FILE_MEMORY_BYTES);
    trees.add(index, files);
    for (const digest of new Set(files.map((file) => file.digest))) {
      await gate.admitContent(name, digest);
      if ((await this.#takeKept(reservation, digest)) === null) missing.add(digest);
    }
  }

  /** A file of a tree; `null` where it is not here. */
  async #takeKept(reservation: Reservation, digest: Digest): Promise<true | null> {
    const { trees, name } = reservation;
    const size = await this.#sizeFor(name, digest);
    if (size === null) return null;
    trees.measure(digest, size);
    const demands = this.#demands(name, trees.named(digest));
    return this.#unlessDamaged(digest, () => this.#judge(reservation, { digest, size }, demands));
  }

  /** `null` also for what others have brought, and keep to themselves. */
  async #sizeFor(name: PackageName, digest: Digest): Promise<number | null> {
    const size = await this.#sizeOf(digest);
    return size !== null && (await this.#parts.spaces.isOpenTo(name, digest)) ? size : null;
  }

  /** `null` for what is not here, or damaged. */
  async #sizeOf(digest: Digest): Promise<number | null> {
    if (this.#damaged.has(digest)) return null;
    try {
      return await this.#parts.content.size(digest);
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/damaged')) throw failure;
      this.noteDamage(digest);
      return null;
    }
  }

  /** `null` where content proves to be damaged when it is read. */
  async #unlessDamaged(digest: Digest, work: () => Promise<void>): Promise<true | null> {
    try {
      await work();
      return true;
    } catch (failure) {
      if (!isRegistryError(failure, 'storage/damaged')) throw failure;
      this.noteDamage(digest);
      return null;
    }
  }

  #demands(name: PackageName, named: readonly NamedContent[]): readonly KindDemand[] {
    return demandsOf(named, { name, policy: this.#parts.contentPolicy });
  }

  #judge(
    reservation: Reservation,
    kept: { readonly digest: Digest; readonly size: number },
    demands: readonly KindDemand[],
  ): Promise<void> {
    const { content } = this.#parts;
    return this.#holding(reservation, { demands, size: kept.size }, () =>
      this.#judged.judgeKept(content, kept, demands),
    );
  }

  /** What checks keep of the bytes is in memory once for each upload of many, so that it has to be counted. */
  async #holding(
    reservation: Reservation,
    { demands, size }: { readonly demands: readonly KindDemand[]; readonly size: number | null },
    work: () => Promise<void>,
  ): Promise<void> {
    const bytes = demands.reduce((sum, { kind }) => sum + bytesKeptByCheck(kind, size), 0);
    const letGo = this.#parts.reservations.hold(reservation, bytes);
    try {
      await work();
    } finally {
      letGo();
    }
  }

  /** It may be there because an annotation names it, for which no policy asked. */
  async #isHere(reservation: Reservation, { digest, named }: Wanted): Promise<boolean> {
    const demands = this.#demands(reservation.name, named);
    const size = await this.#sizeFor(reservation.name, digest);
    if (size === null) return false;
    for (const one of named) checkSize(one, size);
    return (await this.#unlessDamaged(digest, () => this.#judge(reservation, { digest, size }, demands))) !== null;
  }
}

function wantedOf(named: readonly NamedContent[]): readonly Wanted[] {
  const digests = new Set(named.map(({ digest }) => digest));
  return [...digests].map((digest) => ({ digest, named: named.filter((one) => one.digest === digest) }));
}

function isTree({ named }: Wanted): boolean {
  return named.some(({ kind }) => kind === 'tree');
}

/** Throws `admission/policy` when another size is claimed than the content has (spec/admission.md 6.5). */
function checkSize({ digest, claim, by }: NamedContent, size: number): void {
  if (claim === null || claim.size === size) return;
  throw new RegistryError('admission/policy', `content ${digest} has ${size} bytes, and the ${by} says ${claim.size}`);
}

/** What an annotation names may be anything, but no larger than it says. */
function bytesMaxOf(named: readonly NamedContent[]): number {
  return Math.min(CONTENT_BYTES_MAX, Math.max(...named.map(bytesMaxFor)));
}

function bytesMaxFor({ by, kind, claim }: NamedContent): number {
  if (by === 'annotation') return claim?.size ?? CONTENT_BYTES_MAX;
  if (by === 'tree') return TREE_BYTES_MAX;
  return kind === 'tree' ? TREE_INDEX_BYTES_MAX : CONTENT_BYTES_MAX;
}
