import { equalBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { hashLogLeaf } from '../merkle/log-hash.ts';
import { lengthThatShows, provenLeafHash, verifyLogInclusion } from '../merkle/log-proof.ts';
import { hashMapLeaf } from '../merkle/map-hash.ts';
import { verifyMapAbsence, verifyMapInclusion } from '../merkle/map-proof.ts';
import { digestBytes } from '../names/digest.ts';
import type { LogId, RecordId } from '../names/log-id.ts';
import { encodeLogLeaf, encodeMapLeaf } from '../wire/log-leaf.ts';
import { decodeLogProofBundle } from '../wire/log-proof-bundle.ts';
import { decodeMapProofBundle } from '../wire/map-proof-bundle.ts';
import type { InclusionResponse } from '../wire/warg-api.ts';
import type { VerifiedCheckpoint } from './checkpoint.ts';

/** A record of a replayed log, and the index the registry says it has. */
export interface ClaimedPlace {
  readonly logId: LogId;
  readonly recordId: RecordId;
  readonly registryIndex: number;
}

/** The place of the newest record that a replayed log ends with. */
export type ClaimedHead = ClaimedPlace;

/**
 * Checks that each log, as replayed, is complete up to the checkpoint and part of it: its last record stands in the
 * registry log at its index, and is the record that the registry map names for the log. A truncated log ends with a record
 * the map does not name, and fails. Everything but hashes comes from `heads` and `checkpoint`.
 * Throws `proof/malformed`, `proof/mismatch`, `proof/root`, `log/incomplete`.
 */
export function checkHeads(
  checkpoint: VerifiedCheckpoint,
  heads: readonly ClaimedHead[],
  response: InclusionResponse,
): void {
  checkPlaces(checkpoint, heads, response.log);
  const entries = heads.map(({ logId, recordId }) => ({ logId, leafHash: hashMapLeaf(encodeMapLeaf(recordId)) }));
  const root = digestBytes(checkpoint.contents.mapRoot);
  verifyMapInclusion({ root, entries }, decodeMapProofBundle(response.map));
}

/**
 * Checks that records of any age stand in the registry log at their indexes: `bundle` is the encoded proof. Throws
 * `proof/malformed`, `proof/mismatch`, `proof/root`.
 */
export function checkPlaces(checkpoint: VerifiedCheckpoint, places: readonly ClaimedPlace[], bundle: Uint8Array): void {
  const { logLength, logRoot } = checkpoint.contents;
  if (places.length === 0) throw new TypeError('nothing to check');
  for (const { logId, registryIndex } of places) {
    if (registryIndex < logLength) continue;
    throw new RegistryError('proof/mismatch', `${logId}: record index ${registryIndex} is beyond the checkpoint`);
  }
  const leaves = places.map((place) => ({ index: place.registryIndex, hash: hashLogLeaf(encodeLogLeaf(place)) }));
  verifyLogInclusion({ size: logLength, root: digestBytes(logRoot), leaves }, decodeLogProofBundle(bundle));
}

/** The older length to ask a consistency proof of for {@link standsAt}. */
export function lengthThatTells({ registryIndex }: ClaimedPlace): number {
  return lengthThatShows(registryIndex);
}

/**
 * Whether a record stands at an index below the checkpoint's length, or another one does: either is proven. `bundle` is the
 * encoded consistency proof of {@link lengthThatTells}. Throws `proof/malformed`, `proof/mismatch`, `proof/root`.
 */
export function standsAt(checkpoint: VerifiedCheckpoint, place: ClaimedPlace, bundle: Uint8Array): boolean {
  const { logLength, logRoot } = checkpoint.contents;
  const tree = { size: logLength, root: digestBytes(logRoot) };
  const proven = provenLeafHash(tree, place.registryIndex, decodeLogProofBundle(bundle));
  return equalBytes(proven, hashLogLeaf(encodeLogLeaf(place)));
}

/** Checks that none of the logs has a record under the checkpoint. Throws as {@link checkHeads}. */
export function checkAbsence(checkpoint: VerifiedCheckpoint, logIds: readonly LogId[], map: Uint8Array): void {
  if (logIds.length === 0) throw new TypeError('nothing to check');
  const root = digestBytes(checkpoint.contents.mapRoot);
  verifyMapAbsence({ root, logIds }, decodeMapProofBundle(map));
}
