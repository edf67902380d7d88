import { RegistryError, type PackageName, type LogId, type RecordId } from '@waybill/protocol';
import type { CheckpointSigner } from './checkpoint-signer.ts';
import type { Holding, LastSigned, LogNotes, LogSigner, RegistryStore, StoredHead, StoredRecord } from './ports.ts';
import { growTree, loadTree, type RegistryTree } from './registry-tree.ts';
import { NOTHING_SIGNED, rollbackReason } from './signed-mark.ts';
import { TreeRecheck } from './tree-recheck.ts';

/** Records with their places, to become one head; none to sign the standing head afresh. */
export interface Batch {
  readonly records: readonly StoredRecord[];
  /** Names of the packages whose logs start here. */
  readonly names: readonly { readonly logId: LogId; readonly name: PackageName }[];
  /** Of the records. */
  readonly holdings: readonly Holding[];
  /** Pending records that this commit settles. */
  readonly settled: readonly RecordId[];
}

/** A new head, and what it took, in milliseconds. */
export interface Committed {
  readonly head: StoredHead;
  readonly growMs: number;
  readonly storeMs: number;
}

/** Turns batches into heads, one after another. */
export interface Committer {
  /** Resolves when the head is durable and may be served. What it throws is said in {@link TreeCommitter.commit}. */
  commit(batch: Batch): Promise<Committed>;
}

export interface CommitterParts {
  readonly store: RegistryStore;
  readonly signer: CheckpointSigner;
  readonly logSigners: { readonly records: LogSigner; readonly heads: LogSigner };
  readonly lastSigned: LastSigned;
  /** Instead of {@link growTree}, to be wrong as a flipped bit in memory is. */
  readonly grow?: typeof growTree;
}

/**
 * Grows log and map once for a batch, computes the roots a second time, signs the head and makes all of it durable, in this
 * order (SECURITY.md D1, L7).
 */
export class TreeCommitter implements Committer {
  readonly #parts: CommitterParts;
  #head: StoredHead | null;
  #tree: RegistryTree;
  #recheck: TreeRecheck;

  private constructor(parts: CommitterParts, head: StoredHead | null, tree: RegistryTree) {
    this.#parts = parts;
    this.#head = head;
    this.#tree = tree;
    this.#recheck = TreeRecheck.of(tree);
  }

  /**
   * Opens at the stored head, in time that does not grow with the log. Throws `head/rolled-back` when the store does not
   * hold what was last signed: going on would sign a second history.
   */
  static async open(parts: CommitterParts): Promise<TreeCommitter> {
    const head = await parts.store.readHead();
    await checkLastSigned(parts, head);
    return new TreeCommitter(parts, head, await loadTree(parts.store, head));
  }

  get head(): StoredHead | null {
    return this.#head;
  }

  /**
   * Throws `storage/full`, `storage/busy` and `head/clock`, after which nothing has changed and a later try may succeed;
   * after anything else the process must end. `head/conflict`: another process has written the store.
   */
  async commit({ records, names, holdings, settled }: Batch): Promise<Committed> {
    const startedMs = performance.now();
    const { store, signer, lastSigned, grow = growTree } = this.#parts;
    const previous = this.#head;
    const grown = await grow(store, this.#tree, records);
    const recheck = this.#recheck.after(records, grown);
    const checkpoint = await signer.sign(grown.checkpoint, previous?.checkpoint ?? null);
    const head = { checkpoint, mapVersion: grown.tree.map.version, headsLength: grown.tree.heads.size };
    const notes = this.#sign(recheck);
    const grownMs = performance.now();
    const { tiles, mapPages } = grown;
    await store.commit(previous?.checkpoint.contents.logLength ?? null, {
      records,
      names,
      holdings,
      tiles,
      mapPages,
      head,
      notes,
      settled,
    });
    // Committed, not served. A crash here leaves the mark behind the store, which the next start puts right.
    await lastSigned.write(checkpoint.contents).catch((cause: unknown) => {
      const message = 'the head is stored, but what was signed could not be noted: start again';
      throw new RegistryError('storage/failed', message, {}, { cause });
    });
    this.#tree = grown.tree;
    this.#recheck = recheck;
    this.#head = head;
    return { head, growMs: grownMs - startedMs, storeMs: performance.now() - grownMs };
  }

  #sign({ logs: { records, heads } }: TreeRecheck): LogNotes {
    const { logSigners } = this.#parts;
    return {
      records: logSigners.records.sign(records.size, records.root),
      heads: logSigners.heads.sign(heads.size, heads.root),
    };
  }
}

async function checkLastSigned({ store, lastSigned }: CommitterParts, head: StoredHead | null): Promise<void> {
  const mark = await lastSigned.read();
  const why = await rollbackReason(store, head, mark);
  if (why !== null) throw rolledBack(why, head);
  // Behind by the commit that a crash cut off from its mark.
  if (head !== null) await lastSigned.write(head.checkpoint.contents);
  else if (mark === null) await lastSigned.write(NOTHING_SIGNED);
}

function rolledBack(why: string, head: StoredHead | null): RegistryError {
  const length = head?.checkpoint.contents.logLength ?? 0;
  return new RegistryError(
    'head/rolled-back',
    `${why}, but the store ends at ${length}: it is an older copy, and signing on would fork the log. Put back the newest ` +
      'store; if it is lost, and you accept that clients will find the fork, see "waybill operator adopt --help"',
    { logLength: length },
  );
}
