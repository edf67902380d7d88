import {
  checkGovernanceStart,
  decodeSignedRecord,
  emptyLogState,
  encodeCheckpoint,
  encodeLogLeaf,
  equalBytes,
  GOVERNANCE_LOG,
  HASH_BYTES,
  hashLogLeaf,
  isRegistryError,
  judgeRecord,
  messageOf,
  OPERATOR_LOG,
  recordIdOf,
  type Digest,
  type LogId,
  type OperatorState,
  type RecordId,
} from '@waybill/protocol';
import { LogKinds } from '../log-kind.ts';
import type { Inspected, InspectedRecord, StoredHead, StoreInspection } from '../ports.ts';
import { RegistryTakedowns } from '../registry-takedowns.ts';
import type { TreeLeaf } from '../registry-tree.ts';
import type { CheckQueue } from './check-queue.ts';
import { MISSING, type Findings } from './findings.ts';
import { HeadCheck } from './head-check.ts';
import { LogReplay } from './log-replay.ts';
import { MapReplay } from './map-replay.ts';
import type { RepairPlan } from './repair-plan.ts';
import { RowCursor } from './row-cursor.ts';

/** Records that may be missing in a row and are gone around; a wider gap is no gap, but an index that is wrong. */
const GAP_RECORDS_MAX = 100_000;

export interface RegistryReplayParts {
  readonly store: StoreInspection;
  readonly findings: Findings;
  readonly queue: CheckQueue;
  readonly repairs: RepairPlan;
  readonly mapFloor: number;
  readonly onProgress: (records: number) => void;
}

/** What a sound store leads to. */
export interface Replayed {
  /** Records that there are, read or not. */
  readonly rows: number;
  readonly records: LogReplay;
  readonly heads: LogReplay;
  readonly operator: OperatorState;
  readonly kinds: LogKinds;
  readonly takedowns: RegistryTakedowns;
  /** `null` when no head could be read. */
  readonly newest: StoredHead | null;
}

/** A record of the log since the last head. `ids` is `null` for one that is missing or cannot be read. */
interface Item {
  readonly index: number;
  readonly ids: { readonly logId: LogId; readonly own: RecordId; readonly stored: RecordId } | null;
}

/** A leaf, and what the map learns from it. */
interface Leaf {
  readonly hash: Uint8Array;
  readonly leaf: TreeLeaf | null;
}

/**
 * Goes through the records in the order of the registry log and grows both logs and the map from them alone, head by head.
 * What one damaged record leads to is not named again for all that stands on it: its leaf is then taken from the tiles,
 * if the signed root says that they are right.
 */
export async function replayRegistry(parts: RegistryReplayParts): Promise<Replayed> {
  const replay = new RegistryReplay(parts);
  for await (const page of parts.store.recordsInOrder()) {
    for (const row of page) await replay.add(row);
    parts.onProgress(replay.nextIndex);
  }
  return replay.finish();
}

class RegistryReplay {
  readonly #parts: RegistryReplayParts;
  readonly #records: LogReplay;
  readonly #heads: LogReplay;
  readonly #map: MapReplay;
  readonly #headCheck: HeadCheck;
  readonly #headRows: RowCursor<Inspected<StoredHead>>;
  readonly #kinds = new LogKinds();
  readonly #takedowns = new RegistryTakedowns();
  #operator: OperatorState = emptyLogState(null);
  #items: Item[] = [];
  #rows = 0;

  constructor(parts: RegistryReplayParts) {
    this.#parts = parts;
    const { store, findings, queue, repairs, mapFloor } = parts;
    this.#records = new LogReplay({ log: 'records', store, findings, repairs: repairs.recordTiles });
    this.#heads = new LogReplay({ log: 'heads', store, findings, repairs: repairs.headTiles });
    this.#map = new MapReplay({ store, findings, floor: mapFloor });
    this.#headCheck = new HeadCheck(findings, queue);
    this.#headRows = new RowCursor(store.heads());
  }

  /** Of the record that should come next. */
  get nextIndex(): number {
    return this.#records.size + this.#items.length;
  }

  async add(row: Inspected<InspectedRecord>): Promise<void> {
    this.#rows++;
    if (row.key - this.nextIndex > GAP_RECORDS_MAX) {
      this.#parts.findings.add('record', `record ${row.key}`, 'there is no place of this number in the log');
      return;
    }
    while (this.nextIndex < row.key) await this.#addMissing();
    if ('problem' in row) {
      this.#parts.findings.add('record', `record ${row.key}`, row.problem);
      await this.#push({ index: row.key, ids: null });
      return;
    }
    const { logId, recordId, envelope } = row.value;
    const kind = this.#kinds.kindOf(logId);
    const own = recordIdOf(kind, envelope.contents);
    if (kind === 'operator') this.#followOperator(row.value);
    this.#takedowns.follow(row.value);
    if (kind === 'governance' && row.value.logPosition === 0) this.#checkStart(row.value);
    await this.#push({ index: row.key, ids: { logId, own, stored: recordId } });
  }

  async finish(): Promise<Replayed> {
    const { findings, queue, repairs } = this.#parts;
    for (let head = await this.#headRows.peek(); head !== null; head = await this.#headRows.peek()) {
      if (head.key - this.nextIndex > GAP_RECORDS_MAX) {
        findings.add('head', `head ${head.key}`, 'the records end long before it');
        await this.#headRows.next();
      } else await this.#addMissing();
    }
    if (this.#items.length > 0) {
      const [first, last] = [this.#items[0], this.#items.at(-1)];
      findings.add('head', `records ${first?.index} to ${last?.index}`, 'they stand under no head');
    }
    await this.#records.finish();
    await this.#heads.finish();
    await this.#map.finish();
    await this.#nameSurplusTiles();
    await queue.drain();
    const { log, map } = this.#headCheck.standing;
    repairs.stands = { log, map, heads: log && findings.count('head') === 0 };
    if (findings.count('map') > 0) repairs.map = { floor: this.#map.version, pages: this.#map.pages };
    const [records, heads] = [this.#records, this.#heads];
    const [operator, kinds, takedowns] = [this.#operator, this.#kinds, this.#takedowns];
    return { rows: this.#rows, records, heads, operator, kinds, takedowns, newest: this.#headCheck.newest };
  }

  async #addMissing(): Promise<void> {
    const index = this.nextIndex;
    this.#parts.findings.addToRun('record', 'record', { key: index, ordinal: index }, MISSING);
    await this.#push({ index, ids: null });
  }

  /** Rules and signatures are judged log by log; here the operator's records only say who may sign heads. */
  #followOperator({ envelope }: InspectedRecord): void {
    try {
      const record = decodeSignedRecord(OPERATOR_LOG, envelope);
      this.#kinds.follow(record.entries);
      this.#operator = judgeRecord(OPERATOR_LOG, this.#operator, record).draft.accept();
    } catch (failure) {
      // It is named where logs are judged; later heads are judged by what is known.
      if (!isRegistryError(failure)) throw failure;
    }
  }

  /** Who may begin a governance log is judged by the operator log as it is here: spec/governance.md 4.1. */
  #checkStart({ envelope, registryIndex }: InspectedRecord): void {
    try {
      const record = decodeSignedRecord(GOVERNANCE_LOG, envelope);
      // What begins no log is named where logs are judged.
      if (record.prev === null && record.binding !== null) checkGovernanceStart(this.#operator, record);
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      if (isRegistryError(failure, 'governance/starter')) {
        this.#parts.findings.add('record', `record ${registryIndex}`, `its log is void: ${messageOf(failure)}`);
      }
    }
  }

  async #push(item: Item): Promise<void> {
    this.#items.push(item);
    for (let head = await this.#headRows.peek(); head?.key === this.nextIndex; head = await this.#headRows.peek()) {
      await this.#headRows.next();
      await this.#settle(head);
    }
  }

  /** The records since the last head become part of the log, and the head is compared with what that gives. */
  async #settle(row: Inspected<StoredHead>): Promise<void> {
    const head = 'value' in row ? row.value : null;
    const leaves = await this.#resolve(this.#items, head?.checkpoint.contents.logRoot ?? null);
    this.#items = [];
    await this.#records.append(leaves.map(({ hash }) => hash));
    await this.#map.apply(
      leaves.flatMap(({ leaf }) => leaf ?? []),
      row.key,
    );
    const logRoot = this.#records.rootDigest;
    const mapRoot = this.#map.rootDigest;
    const known = mapRoot ?? head?.checkpoint.contents.mapRoot ?? logRoot;
    await this.#heads.append([hashLogLeaf(encodeCheckpoint({ logLength: row.key, logRoot, mapRoot: known }))]);
    if ('problem' in row) this.#headCheck.passOver(row.key, row.problem);
    else await this.#headCheck.check(row.value, { logRoot, mapRoot, operator: this.#operator });
  }

  async #resolve(items: readonly Item[], signedRoot: Digest | null): Promise<Leaf[]> {
    const own = items.map(ownLeaf);
    const isKnown = items.every(({ ids }) => ids !== null);
    if (isKnown && (signedRoot === null || this.#rootWith(own) === signedRoot)) {
      for (const item of items) this.#nameDamagedId(item);
      return own;
    }
    const stored = await Promise.all(items.map((item) => this.#storedLeaf(item)));
    const isProven = signedRoot !== null && this.#rootWith(stored) === signedRoot;
    const chosen = isProven || !isKnown ? stored : own;
    for (const [i, item] of items.entries()) {
      const isOwn = equalBytes(chosen[i]?.hash ?? new Uint8Array(), own[i]?.hash ?? new Uint8Array());
      if (!isOwn && item.ids !== null) this.#nameForeign(item, chosen[i]?.leaf ?? null);
      if (isOwn) this.#nameDamagedId(item);
      if (chosen[i]?.leaf === null) this.#map.stop(`record ${item.index}`);
    }
    return chosen;
  }

  #rootWith(leaves: readonly Leaf[]): Digest {
    return this.#records.rootWith(leaves.map(({ hash }) => hash));
  }

  async #storedLeaf({ index, ids }: Item): Promise<Leaf> {
    const hash = (await this.#records.storedLeaf(index)) ?? new Uint8Array(HASH_BYTES);
    if (ids === null) return { hash, leaf: null };
    for (const recordId of [ids.own, ids.stored]) {
      const leaf = { logId: ids.logId, recordId };
      if (equalBytes(hashLogLeaf(encodeLogLeaf(leaf)), hash)) return { hash, leaf };
    }
    return { hash, leaf: null };
  }

  #nameForeign({ index }: Item, leaf: TreeLeaf | null): void {
    const problem = leaf === null ? 'it is not the record that the log has there' : 'its contents do not have its id';
    this.#parts.findings.add('record', `record ${index}`, problem);
  }

  #nameDamagedId({ index, ids }: Item): void {
    if (ids === null || ids.own === ids.stored) return;
    this.#parts.findings.add('record', `record ${index}`, 'its id is not that of its contents', true);
    this.#parts.repairs.recordIds.push({ registryIndex: index, recordId: ids.own });
  }

  async #nameSurplusTiles(): Promise<void> {
    const { store, findings, repairs } = this.#parts;
    const logs: ReadonlyMap<string, LogReplay> = new Map([
      ['records', this.#records],
      ['heads', this.#heads],
    ]);
    for (const tile of await store.listTiles()) {
      if (logs.get(tile.log)?.hasTile(tile) === true) continue;
      findings.add('tile', `tile ${tile.level}/${tile.index} of the log of ${tile.log}`, 'no log has it', true);
      repairs.surplusTiles.push(tile);
    }
  }
}

function ownLeaf({ ids }: Item): Leaf {
  if (ids === null) return { hash: new Uint8Array(HASH_BYTES), leaf: null };
  const leaf = { logId: ids.logId, recordId: ids.own };
  return { hash: hashLogLeaf(encodeLogLeaf(leaf)), leaf };
}
