import { equalBytes } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import type { LogId } from '../names/log-id.ts';
import { MAP_HEIGHT, type MapProof, type MapProofBundle } from '../wire/map-proof-bundle.ts';
import { climbMap, emptySubtree, mapPath } from './map-hash.ts';

/** The root that a proof leads to from a leaf hash at `path`. Throws `proof/malformed` for more than 256 siblings. */
export function foldMapProof(path: Uint8Array, leafHash: Uint8Array, proof: MapProof): Uint8Array {
  const missing = MAP_HEIGHT - proof.length;
  if (missing < 0) throw new RegistryError('proof/malformed', `more than ${MAP_HEIGHT} siblings`);
  return climbMap(
    path,
    leafHash,
    { from: 0, to: MAP_HEIGHT },
    (height) => proof[height - missing] ?? emptySubtree(height),
  );
}

/**
 * Checks that the map names each entry's leaf for its log. Exactly one proof an entry, in order.
 * Throws `proof/malformed`, `proof/mismatch`, `proof/root`.
 */
export function verifyMapInclusion(
  map: {
    readonly root: Uint8Array;
    readonly entries: readonly { readonly logId: LogId; readonly leafHash: Uint8Array }[];
  },
  bundle: MapProofBundle,
): void {
  if (bundle.proofs.length !== map.entries.length) {
    throw new RegistryError('proof/mismatch', `${bundle.proofs.length} map proofs for ${map.entries.length} logs`);
  }
  for (const [i, { logId, leafHash }] of map.entries.entries()) {
    const root = foldMapProof(mapPath(logId), leafHash, bundle.proofs[i] ?? []);
    if (equalBytes(root, map.root)) continue;
    throw new RegistryError('proof/root', `the map does not name that record as the newest of ${logId}`, { logId });
  }
}

/** Checks that the map has nothing for each log: the proof leads up from the empty leaf. Throws as above. */
export function verifyMapAbsence(
  map: { readonly root: Uint8Array; readonly logIds: readonly LogId[] },
  bundle: MapProofBundle,
): void {
  const leafHash = emptySubtree(0);
  verifyMapInclusion({ root: map.root, entries: map.logIds.map((logId) => ({ logId, leafHash })) }, bundle);
}
