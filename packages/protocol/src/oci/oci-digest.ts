import { sha512 } from '@noble/hashes/sha2.js';
import { encodeHex } from '../bytes/hex.ts';
import { sha256 } from '../crypto/hash.ts';
import { parseOciDigest, type OciAlgorithm, type OciDigest } from './oci-names.ts';

const HASHES: Readonly<Record<OciAlgorithm, (bytes: Uint8Array) => Uint8Array>> = { sha256, sha512 };

/** The digest of whole bytes: of what may be large, a driver computes it while the bytes pass. */
export function ociDigestOf(algorithm: OciAlgorithm, bytes: Uint8Array): OciDigest {
  return parseOciDigest(`${algorithm}:${encodeHex(HASHES[algorithm](bytes))}`);
}
