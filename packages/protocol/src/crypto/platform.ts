/** Members of a JSON Web Key, all of them text. Keys are held under the identity of this object once they are imported. */
export type KeyMembers = Readonly<Record<string, string>>;

/** One signature algorithm, as each platform wants it said. */
export interface SignatureScheme {
  readonly webcrypto: {
    readonly name: string;
    readonly namedCurve?: string;
    readonly hash?: string;
    readonly saltLength?: number;
  };
  readonly openssl: {
    /** Padding and salt of RSA, by the constants of OpenSSL; empty for the others. */
    readonly rsa: { readonly padding?: number; readonly saltLength?: number };
    /** Bytes of r, and of s, of ECDSA; 0 for the others. */
    readonly scalarBytes: number;
    readonly keyType: string;
  };
}

/**
 * What the platform must give. Two implementations stand behind the package import `#crypto`: Node's OpenSSL with
 * callbacks, and WebCrypto with noble where WebCrypto has nothing (a synchronous hash, compressed points).
 */
export interface CryptoPlatform {
  /**
   * Writes the SHA-256 of `message` at `offset` of `target`, which `message` may be a part of. In one call, synchronous: a
   * Merkle node must not cost a promise.
   */
  sha256Into(message: Uint8Array, target: Uint8Array, offset: number): void;
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
  /** Signatures in their JOSE form, ECDSA as r || s. Throws `jws/unsupported` where the platform lacks the algorithm. */
  verifyWith(scheme: SignatureScheme, key: KeyMembers, message: Uint8Array, signature: Uint8Array): Promise<boolean>;
  /** Signs with the private members of `key`. Throws as {@link verifyWith}. */
  signWith(scheme: SignatureScheme, key: KeyMembers, message: Uint8Array): Promise<Uint8Array>;
  /** A new private key. Throws as {@link verifyWith}. */
  generateKey(scheme: SignatureScheme): Promise<KeyMembers>;
  /** HMAC; `hash` as WebCrypto names it: `SHA-256`. */
  hmac(hash: string, secret: Uint8Array, message: Uint8Array): Promise<Uint8Array>;
}

/** Bits of the RSA keys that are made here. */
export const RSA_BITS = 3_072;

/** An incremental SHA-256; `digest` ends it. */
export interface Sha256Stream {
  update(chunk: Uint8Array): void;
  digest(): Uint8Array;
}

/** One object says everything that WebCrypto asks for when a key is made or imported, signs or verifies; each ignores the rest. */
export function webCryptoParameters({ webcrypto }: SignatureScheme) {
  return {
    hash: 'SHA-256',
    namedCurve: '',
    saltLength: 0,
    ...webcrypto,
    modulusLength: RSA_BITS,
    publicExponent: Uint8Array.of(1, 0, 1),
  };
}
