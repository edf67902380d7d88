import {
  decodeSignedRecord,
  isRegistryError,
  PACKAGE_LOG,
  REGISTRY_LOG_ID,
  takedownOf,
  takedownsOf,
  type Digest,
  type GovernanceState,
  type RecordId,
  type Takedown,
} from '@waybill/protocol';
import type { TreeFile } from '@waybill/protocol/content';
import { REPLAY_PAGE_RECORDS } from './limits.ts';
import { recordKindOf } from './log-kind.ts';
import { namedContents, type NamedContent } from './named-content.ts';
import type { ContentStore, RegistryReader, StoredRecord } from './ports.ts';
import type { GovernanceLogStates } from './state-caches.ts';
import { findTreeIndex, readTreeIndex } from './tree-index-reading.ts';

export interface TreeTakedownParts {
  readonly store: Pick<RegistryReader, 'readRecords'>;
  readonly content: Pick<ContentStore, 'size' | 'read'>;
  readonly governance: GovernanceLogStates;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
}

/** What a takedown of the registry's log closes with an index, as one state of that log has it. */
interface Closure {
  readonly head: RecordId | null;
  readonly standing: (digest: Digest) => boolean;
  /** Files of indexes that are taken down, with the takedown. */
  readonly files: ReadonlyMap<Digest, Takedown>;
  /** Those of them that are named elsewhere, too. */
  readonly open: Set<Digest>;
  /** Records below this index have been looked at. */
  scanned: number;
}

/**
 * Which files are closed because the only trees that name them are taken down: spec/content.md 4.11. Nothing stored says what
 * names a file. So the records are looked through when such a file is first asked for, and once each; what nobody has looked
 * at yet is never served.
 */
export class TreeTakedowns {
  readonly #parts: TreeTakedownParts;
  readonly #indexes = new Map<Digest, readonly TreeFile[]>();
  #closure: Closure | null = null;
  #work: Promise<unknown> = Promise.resolve();

  constructor(parts: TreeTakedownParts) {
    this.#parts = parts;
  }

  /**
   * Why content is served to nobody, and may have to be deleted; `null` for what may be served. A namespace's takedown does not
   * count: the address of a digest names no package (spec/governance.md 5.3). That of an index counts for the files that nothing
   * else names.
   */
  async takedownOf(digest: Digest): Promise<Takedown | null> {
    const own = await this.#parts.governance.read(REGISTRY_LOG_ID, (state) => takedownOf(state, digest));
    return own ?? this.#closing(digest);
  }

  /** The takedown of an index that closes a file; `null` for what is open. */
  async #closing(file: Digest): Promise<Takedown | null> {
    const current = await this.#parts.governance.read(REGISTRY_LOG_ID, (state) => state);
    const settled = this.#closure;
    if (settled !== null && settled.head === headOf(current) && !settled.files.has(file)) return null;
    return this.#inTurn(() => this.#judge(current, file));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }

  async #judge(state: GovernanceState, file: Digest): Promise<Takedown | null> {
    const closure = this.#closure?.head === headOf(state) ? this.#closure : await this.#closureOf(state);
    this.#closure = closure;
    const takedown = closure.files.get(file);
    if (takedown === undefined || closure.open.has(file)) return null;
    await this.#scan(closure);
    return closure.open.has(file) ? null : takedown;
  }

  async #closureOf(state: GovernanceState): Promise<Closure> {
    const files = new Map<Digest, Takedown>();
    for (const takedown of takedownsOf(state)) {
      if (takedown.reinstated !== null) continue;
      for (const { digest } of await this.#filesOf(takedown.digest)) files.set(digest, takedown);
    }
    const standing = (digest: Digest): boolean => takedownOf(state, digest) === null;
    return { head: headOf(state), standing, files, open: new Set(), scanned: 0 };
  }

  /** Content is for ever, so what an index says is remembered, and that content is none; only those of takedowns, which are few. */
  async #filesOf(index: Digest): Promise<readonly TreeFile[]> {
    const known = this.#indexes.get(index);
    if (known !== undefined) return known;
    try {
      const files = await readTreeIndex(this.#parts.content, index);
      this.#indexes.set(index, files);
      return files;
    } catch (failure) {
      if (isRegistryError(failure, 'content/tree')) this.#indexes.set(index, []);
      else if (!isRegistryError(failure, 'content/not-found', 'storage/damaged')) throw failure;
      return [];
    }
  }

  async #scan(closure: Closure): Promise<void> {
    const end = this.#parts.logLength();
    while (closure.scanned < end) {
      const page = await this.#parts.store.readRecords(closure.scanned, REPLAY_PAGE_RECORDS);
      if (page.length === 0) return;
      for (const record of page) {
        for (const named of namedBy(record)) await this.#open(closure, named);
        closure.scanned = record.registryIndex + 1;
      }
    }
  }

  async #open({ files, open, standing }: Closure, { digest, kind }: NamedContent): Promise<void> {
    if (!standing(digest)) return;
    if (files.has(digest)) open.add(digest);
    if (kind !== 'tree') return;
    for (const file of (await findTreeIndex(this.#parts.content, digest)) ?? []) {
      if (files.has(file.digest)) open.add(file.digest);
    }
  }
}

function headOf({ head }: GovernanceState): RecordId | null {
  return head?.id ?? null;
}

/** None of what is damaged: that keeps nothing open. */
function namedBy(record: StoredRecord): readonly NamedContent[] {
  if (recordKindOf(record) !== 'package') return [];
  try {
    return namedContents(decodeSignedRecord(PACKAGE_LOG, record.envelope));
  } catch (failure) {
    if (isRegistryError(failure)) return [];
    throw failure;
  }
}
