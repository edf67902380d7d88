import { platform } from '#crypto';
import { concatBytes } from '../bytes/byte-array.ts';
import { decodeHex } from '../bytes/hex.ts';

/** The order n of the group, big-endian. */
const ORDER: Uint8Array = decodeHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551');
const SCALAR_BYTES = 32;
/** Rust zero-extends private keys of 24 to 31 bytes; shorter ones are refused. */
const SCALAR_BYTES_MIN = 24;
const COMPRESSED_BYTES = 33;
const UNCOMPRESSED_BYTES = 65;
const TAG_UNCOMPRESSED = 0x04;
const TAG_COMPACT = 0x05;

/**
 * A P-256 public key as the 65-byte uncompressed point; `null` when `sec1` is not a point: read as compressed (33),
 * uncompressed (65) or x-only compact with tag 05 (33), which means the point whose y is the lesser of the two.
 */
export function readP256Point(sec1: Uint8Array): Uint8Array | null {
  const tag = sec1[0];
  if (tag === TAG_UNCOMPRESSED && sec1.length === UNCOMPRESSED_BYTES) return platform.p256Uncompress(sec1);
  if (sec1.length !== COMPRESSED_BYTES) return null;
  if (tag === 0x02 || tag === 0x03) return platform.p256Uncompress(sec1);
  return tag === TAG_COMPACT ? readCompactPoint(sec1) : null;
}

function readCompactPoint(sec1: Uint8Array): Uint8Array | null {
  const candidates = [0x02, 0x03].map((tag) =>
    platform.p256Uncompress(concatBytes(Uint8Array.of(tag), sec1.subarray(1))),
  );
  const [even, odd] = candidates;
  if (!even || !odd) return null;
  return isBelow(even.subarray(33), odd.subarray(33)) ? even : odd;
}

/** The 33-byte compressed form of an uncompressed point. */
export function compressP256Point(point: Uint8Array): Uint8Array {
  const tag = ((point[UNCOMPRESSED_BYTES - 1] ?? 0) & 1) === 0 ? 0x02 : 0x03;
  return concatBytes(Uint8Array.of(tag), point.subarray(1, 33));
}

/** The 32-byte scalar of a private key written in 24 to 32 bytes; `null` when out of 1..n-1. */
export function readP256Scalar(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length < SCALAR_BYTES_MIN || bytes.length > SCALAR_BYTES) return null;
  const scalar = concatBytes(new Uint8Array(SCALAR_BYTES - bytes.length), bytes);
  return isP256Scalar(scalar) ? scalar : null;
}

/** True for 32 big-endian bytes of an integer in 1..n-1. */
export function isP256Scalar(bytes: Uint8Array): boolean {
  return bytes.some((byte) => byte !== 0) && isBelow(bytes, ORDER);
}

/** Compares big-endian integers of one length. */
function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

/** The uncompressed public point of a scalar from {@link readP256Scalar}. */
export function p256PublicPoint(scalar: Uint8Array): Uint8Array {
  return platform.p256PublicPoint(scalar);
}

/** Verifies ECDSA P-256 with SHA-256; `signature` is r || s, each in 1..n-1, high s accepted. */
export function verifyP256(point: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return platform.p256Verify(point, message, signature);
}

/** Signs with ECDSA P-256 and SHA-256; r || s. */
export function signP256(scalar: Uint8Array, message: Uint8Array): Promise<Uint8Array> {
  return platform.p256Sign(scalar, message);
}
