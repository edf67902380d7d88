import { EMPTY_LOG_ROOT, emptyMapRoot, formatDigest } from '@waybill/protocol';
import type { RegistryReader, SignedMark, StoredHead } from './ports.ts';

const NOT_KNOWN = 'it is not known what was last signed';

/** Noted before the first commit: a crash right after that one must not look like a mark that was lost. */
export const NOTHING_SIGNED: SignedMark = {
  logLength: 0,
  logRoot: formatDigest(EMPTY_LOG_ROOT),
  mapRoot: formatDigest(emptyMapRoot().hash),
  timestamp: 0,
};

/**
 * Why a store whose newest head is `head` must not be signed on, given what was last signed; `null` when it may be. A mark
 * behind the store is right: a crash cut the commit off from its mark.
 */
export async function rollbackReason(
  store: Pick<RegistryReader, 'readHeadAt'>,
  head: StoredHead | null,
  mark: SignedMark | null,
): Promise<string | null> {
  if (mark === null) return head === null ? null : NOT_KNOWN;
  if (mark.logLength === 0) return head === null || head.headsLength === 1 ? null : NOT_KNOWN;
  const { logLength, logRoot, mapRoot, timestamp } = mark;
  if (head === null || head.checkpoint.contents.logLength < logLength) {
    return `this registry has signed a head of ${logLength} records`;
  }
  const { contents } = (await store.readHeadAt(logLength))?.checkpoint ?? {};
  if (contents?.logRoot !== logRoot || contents.mapRoot !== mapRoot) {
    return `this registry has signed another head of ${logLength} records`;
  }
  if (head.checkpoint.contents.timestamp < timestamp) {
    return `this registry has signed its head of ${logLength} records at a later time`;
  }
  return null;
}
