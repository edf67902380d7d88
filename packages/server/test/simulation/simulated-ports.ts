import { RegistryError, type Digest, type ErrorCode } from '@waybill/protocol';
import type { ContentStore, ContentUpload, LastSigned, RegistryStore, SignedMark } from '../../src/core/ports.ts';
import type { Owner, Scheduler } from './scheduler.ts';

/** What is asked of a disk, by what can go wrong with it. */
export type OperationKind = 'read' | 'commit' | 'write' | 'mark' | 'upload';

interface Fault {
  readonly code: ErrorCode;
  /** The write reached the disk although it is said to have failed. */
  readonly stored: boolean;
}

const NOT_STORED: readonly Fault[] = [
  { code: 'storage/full', stored: false },
  { code: 'storage/busy', stored: false },
];
const IN_DOUBT: readonly Fault[] = [
  { code: 'storage/failed', stored: false },
  { code: 'storage/failed', stored: true },
];
const FULL: Fault = { code: 'storage/full', stored: false };

/** What each kind of operation may fail with, by its contract in core/ports.ts. */
const FAULTS: Readonly<Record<OperationKind, readonly Fault[]>> = {
  read: [{ code: 'storage/busy', stored: false }],
  commit: [...NOT_STORED, ...IN_DOUBT, { code: 'head/conflict', stored: false }],
  write: [...NOT_STORED, ...IN_DOUBT],
  mark: [FULL, ...IN_DOUBT],
  upload: [FULL, ...IN_DOUBT],
};

/** How a disk fails in one history. */
export class Faults {
  /** One operation in so many fails; 0: none. */
  oneIn = 0;
  /** No write finds room. */
  full = false;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  draw(kind: OperationKind): Fault | null {
    const { random } = this.#scheduler;
    if (this.full && kind !== 'read' && !random.once(8)) return FULL;
    // Reads are the most of the operations, and fail the least.
    const oneIn = kind === 'read' ? this.oneIn * 10 : this.oneIn;
    return oneIn > 0 && random.once(oneIn) ? random.pick(FAULTS[kind]) : null;
  }
}

/** One process's way to the disk: what it asks happens some time later, and it hears of it later still, if it lives. */
export interface Wire {
  readonly owner: Owner;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
}

export function overWire<T>(
  { owner, scheduler, faults }: Wire,
  kind: OperationKind,
  effect: () => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const fault = faults.draw(kind);
    const answer = (reply: () => void): void => void scheduler.at({ owner, afterMs: scheduler.delayMs() }, reply);
    const fire = (): void => {
      if (fault === null) {
        effect().then(
          (result) => answer(() => resolve(result)),
          (failure: unknown) => answer(() => reject(failure)),
        );
        return;
      }
      // Stored or refused: either way it is told that it failed.
      if (fault.stored) effect().catch(() => undefined);
      answer(() => reject(new RegistryError(fault.code, 'a simulated fault')));
    };
    scheduler.at({ owner, afterMs: scheduler.delayMs(), isWrite: kind !== 'read' }, fire);
  });
}

/** `onCommit` hears of every commit that a process begins. */
export function storeOver(wire: Wire, store: RegistryStore, onCommit: () => void): RegistryStore {
  const read = <T>(effect: () => Promise<T>): Promise<T> => overWire(wire, 'read', effect);
  const write = <T>(effect: () => Promise<T>): Promise<T> => overWire(wire, 'write', effect);
  return {
    readHead: () => read(() => store.readHead()),
    readHeadAt: (logLength) => read(() => store.readHeadAt(logLength)),
    readHeadAsOf: (timestamp) => read(() => store.readHeadAsOf(timestamp)),
    readHeadCovering: (registryIndex) => read(() => store.readHeadCovering(registryIndex)),
    listNamePaths: (after, limit) => read(() => store.listNamePaths(after, limit)),
    readNotes: () => read(() => store.readNotes()),
    readRecord: (recordId) => read(() => store.readRecord(recordId)),
    readLog: (logId, range) => read(() => store.readLog(logId, range)),
    readRecords: (fromIndex, limit) => read(() => store.readRecords(fromIndex, limit)),
    readNames: (logIds) => read(() => store.readNames(logIds)),
    readTiles: (log, tiles) => read(() => store.readTiles(log, tiles)),
    readMapPages: (pages) => read(() => store.readMapPages(pages)),
    readMapFloor: () => read(() => store.readMapFloor()),
    readPending: (recordId) => read(() => store.readPending(recordId)),
    listPending: () => read(() => store.listPending()),
    readHoldings: (digest, range) => read(() => store.readHoldings(digest, range)),
    readHoldingsGap: () => read(() => store.readHoldingsGap()),
    fillHoldings: (range, holdings) => write(() => store.fillHoldings(range, holdings)),
    writePending: (puts, deletes) => write(() => store.writePending(puts, deletes)),
    putPending: (pending) => write(() => store.putPending(pending)),
    deletePending: (recordId) => write(() => store.deletePending(recordId)),
    pruneMap: (floor, after) => write(() => store.pruneMap(floor, after, wire.scheduler.random.between(1, 8))),
    commit(previousLength, commit) {
      onCommit();
      return overWire(wire, 'commit', () => store.commit(previousLength, commit));
    },
    close: () => store.close(),
  };
}

export function lastSignedOver(wire: Wire, lastSigned: LastSigned): LastSigned {
  return {
    read: () => overWire(wire, 'read', () => lastSigned.read()),
    write: (mark: SignedMark) => overWire(wire, 'mark', () => lastSigned.write(mark)),
  };
}

export function contentOver(wire: Wire, content: ContentStore): ContentStore {
  const read = <T>(effect: () => Promise<T>): Promise<T> => overWire(wire, 'read', effect);
  return {
    ...content,
    size: (digest) => read(() => content.size(digest)),
    keptAtMs: (digest) => read(() => content.keptAtMs(digest)),
    startUpload: async () => uploadOver(wire, await overWire(wire, 'upload', () => content.startUpload())),
    keepBytes: (digest, bytes) => overWire(wire, 'upload', () => content.keepBytes(digest, bytes)),
  };
}

function uploadOver(wire: Wire, upload: ContentUpload): ContentUpload {
  return {
    write: (chunk) => overWire(wire, 'upload', () => upload.write(chunk)),
    keep: (digest: Digest) => overWire(wire, 'upload', () => upload.keep(digest)),
    discard: () => upload.discard(),
  };
}
