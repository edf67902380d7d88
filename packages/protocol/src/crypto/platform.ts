/**
 * What the platform must give. Two implementations stand behind the package import `#crypto`: Node's OpenSSL with
 * callbacks, and WebCrypto with noble where WebCrypto has nothing (a synchronous hash, compressed points).
 */
export interface CryptoPlatform {
  /** SHA-256 in one call, synchronous: a Merkle node must not cost a promise. */
  sha256(message: Uint8Array): Uint8Array;
  /** SHA-256 over chunks. */
  sha256Stream(): Sha256Stream;
  /** The 65-byte uncompressed form of a P-256 point given as SEC1 compressed or uncompressed; `null` if not on the curve. */
  p256Uncompress(point: Uint8Array): Uint8Array | null;
  /** The 65-byte public point of a 32-byte big-endian scalar in 1..n-1. */
  p256PublicPoint(scalar: Uint8Array): Uint8Array;
  /** ECDSA over SHA-256 of `message`; the signature as 64 bytes r || s. High s is accepted (spec/encodings.md 2). */
  p256Verify(point: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  /** ECDSA over SHA-256 of `message`; 64 bytes r || s. */
  p256Sign(scalar: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
}

/** An incremental SHA-256; `digest` ends it. */
export interface Sha256Stream {
  update(chunk: Uint8Array): void;
  digest(): Uint8Array;
}
