import { isRegistryError } from '@waybill/protocol';
import type {
  ContentSharing,
  ContentStore,
  ContentUpload,
  HoldingsWriter,
  PartsListStore,
  PendingWriter,
  RegistryStore,
  TokenUseWriter,
} from './core/ports.ts';

/** Hears of failures after which the process must end. */
export type OnFatal = (failure: unknown) => void;

/** The same writer; a write that leaves the disk in doubt ends the process (SECURITY.md D5). */
export function watchPending(writer: PendingWriter, onFatal: OnFatal): PendingWriter {
  return {
    putPending: (pending) => watched(writer.putPending(pending), onFatal),
    deletePending: (recordId) => watched(writer.deletePending(recordId), onFatal),
  };
}

/** The same writer; a write that leaves the disk in doubt ends the process. */
export function watchTokenUses(writer: TokenUseWriter, onFatal: OnFatal): TokenUseWriter {
  return { markTokensUsed: (uses) => watched(writer.markTokensUsed(uses), onFatal) };
}

/** The same pruning; a write that leaves the disk in doubt ends the process. */
export function watchPruning(store: Pick<RegistryStore, 'pruneMap'>, onFatal: OnFatal): typeof store {
  return { pruneMap: (floor, after, pages) => watched(store.pruneMap(floor, after, pages), onFatal) };
}

/** The same writer; a write that leaves the disk in doubt ends the process. */
export function watchHoldings(writer: HoldingsWriter, onFatal: OnFatal): HoldingsWriter {
  return { fillHoldings: (range, holdings) => watched(writer.fillHoldings(range, holdings), onFatal) };
}

/** The same content; a write that leaves the disk in doubt ends the process. */
export function watchContent(content: ContentStore, onFatal: OnFatal): ContentStore {
  return {
    size: (digest) => content.size(digest),
    keptAtMs: (digest) => content.keptAtMs(digest),
    read: (digest, range) => content.read(digest, range),
    readSlices: (digest, ranges) => content.readSlices(digest, ranges),
    list: () => content.list(),
    startUpload: async () => watchUpload(await content.startUpload(), onFatal),
    keepBytes: (digest, bytes) => watched(content.keepBytes(digest, bytes), onFatal),
  };
}

/** The same sharing; a write that leaves the disk in doubt ends the process. */
export function watchSharing(sharing: ContentSharing, onFatal: OnFatal): ContentSharing {
  return {
    baseOf: (digest) => sharing.baseOf(digest),
    share: (digest, base, slices) => watched(sharing.share(digest, base, slices), onFatal),
    unshare: (digest) => watched(sharing.unshare(digest), onFatal),
  };
}

/** The same lists; a write that leaves the disk in doubt ends the process, though these could be made anew. */
export function watchLists(lists: PartsListStore, onFatal: OnFatal): PartsListStore {
  return {
    readList: (digest) => lists.readList(digest),
    keepList: (digest, list) => watched(lists.keepList(digest, list), onFatal),
  };
}

function watchUpload(upload: ContentUpload, onFatal: OnFatal): ContentUpload {
  return {
    write: (chunk) => watched(upload.write(chunk), onFatal),
    keep: (digest) => watched(upload.keep(digest), onFatal),
    discard: () => upload.discard(),
  };
}

/** Waits for a write; one that leaves the disk in doubt ends the process. */
export async function watched<T>(work: Promise<T>, onFatal: OnFatal): Promise<T> {
  try {
    return await work;
  } catch (failure) {
    if (isRegistryError(failure, 'storage/failed')) onFatal(failure);
    throw failure;
  }
}
