import {
  encodeCheckpoint,
  encodeLogLeaf,
  equalBytes,
  formatDigest,
  hashLogLeaf,
  logRootOfStack,
  logStackOf,
  recheckLog,
  recheckMap,
  unconfirmed,
  type Digest,
  type LogCheckpoint,
  type LogStack,
} from '@waybill/protocol';
import { recordKindOf } from './log-kind.ts';
import type { LogName, StoredRecord } from './ports.ts';
import { mapUpdates, type GrownTree, type RegistryTree, type TreeLeaf } from './registry-tree.ts';

/** Computes each new head a second time, from the records, before it is signed (SECURITY.md L7). */
export class TreeRecheck {
  readonly #records: LogStack;
  readonly #heads: LogStack;
  readonly #mapRoot: Digest;

  private constructor(records: LogStack, heads: LogStack, mapRoot: Digest) {
    this.#records = records;
    this.#heads = heads;
    this.#mapRoot = mapRoot;
  }

  /** At a tree whose roots are known to be those that were signed. */
  static of({ records, heads, map }: RegistryTree): TreeRecheck {
    return new TreeRecheck(logStackOf(records), logStackOf(heads), formatDigest(map.hash));
  }

  /** Of both logs, to be signed. */
  get logs(): Readonly<Record<LogName, Pick<LogCheckpoint, 'size' | 'root'>>> {
    return { records: stateOf(this.#records), heads: stateOf(this.#heads) };
  }

  /** The recheck of the head after this one. Throws `head/unconfirmed`: `grown` must then be neither signed nor stored. */
  after(records: readonly StoredRecord[], grown: GrownTree): TreeRecheck {
    const leaves = records.map((record) => ({ logId: record.logId, recordId: ownId(record) }));
    const leafHashes = leaves.map((leaf) => hashLogLeaf(encodeLogLeaf(leaf)));
    const recordsStack = recheckLog(this.#records, leafHashes, partOf(grown, 'records'));
    const checkpoint = {
      logLength: recordsStack.size,
      logRoot: formatDigest(logRootOfStack(recordsStack)),
      mapRoot: this.#mapRootAfter(leaves, grown),
    };
    if (!equalBytes(encodeCheckpoint(grown.checkpoint), encodeCheckpoint(checkpoint)))
      throw unconfirmed('the checkpoint');
    const isNewHead = leaves.length > 0 || this.#heads.size === 0;
    const headLeaves = isNewHead ? [hashLogLeaf(encodeCheckpoint(checkpoint))] : [];
    const headsStack = recheckLog(this.#heads, headLeaves, partOf(grown, 'heads'));
    return new TreeRecheck(recordsStack, headsStack, checkpoint.mapRoot);
  }

  #mapRootAfter(leaves: readonly TreeLeaf[], { tree: { map }, mapPages, standingPages }: GrownTree): Digest {
    if (leaves.length === 0) return this.#mapRoot;
    recheckMap({ standing: standingPages, updates: mapUpdates(leaves), root: map, pages: mapPages });
    return formatDigest(map.hash);
  }
}

function stateOf(stack: LogStack): { readonly size: number; readonly root: Uint8Array } {
  return { size: stack.size, root: logRootOfStack(stack) };
}

function ownId(record: StoredRecord): StoredRecord['recordId'] {
  if (recordKindOf(record) === null) throw unconfirmed(`the id of record ${record.recordId}`);
  return record.recordId;
}

function partOf({ tree, tiles }: GrownTree, name: LogName): Parameters<typeof recheckLog>[2] {
  return { edge: tree[name], tiles: tiles.filter(({ log }) => log === name) };
}
