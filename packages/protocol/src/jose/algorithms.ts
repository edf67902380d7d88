import type { SignatureScheme } from '../crypto/platform.ts';

/** What a signing key can be of. HMAC is not among them: a secret is no key that anybody else may hold (token.ts). */
export type JoseAlgorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'Ed25519'
  | 'Ed448'
  | 'ML-DSA-44'
  | 'ML-DSA-65';

export type KeyType = 'EC' | 'RSA' | 'OKP' | 'AKP';

export interface JoseRow {
  readonly kty: KeyType;
  /** Members of a JWK that are the same in every key of the algorithm: the curve, or the algorithm itself. */
  readonly fixed: Readonly<Record<string, string>>;
  /** Bytes of each coordinate, or of the public key of an algorithm that has no coordinates; 0 for RSA. */
  readonly publicBytes: number;
  /** Bytes of the private scalar or seed; 0 for RSA. */
  readonly privateBytes: number;
  /** 0: as many as the modulus of the key has. */
  readonly signatureBytes: number;
  /** Its keys have a text of version 0, which is then their only one (spec/jose.md 2.1). */
  readonly hasWargText: boolean;
  /** Every supported platform verifies it, so a record may be signed with it (spec/jose.md 1.3). */
  readonly isEverywhere: boolean;
  /** The name that RFC 9864 retired, where a reader still meets it. */
  readonly formerName: string | null;
  readonly scheme: SignatureScheme;
}

const OPENSSL_PKCS1_PADDING = 1;
const OPENSSL_PSS_PADDING = 6;

/** One row says everything about an algorithm. Look up with {@link algorithmsNamed} what somebody else wrote. */
export const JOSE_ALGORITHMS: Readonly<Record<JoseAlgorithm, JoseRow>> = {
  ES256: ecdsa('P-256', 'SHA-256', 32),
  ES384: ecdsa('P-384', 'SHA-384', 48),
  ES512: ecdsa('P-521', 'SHA-512', 66),
  PS256: pss('SHA-256', 32),
  PS384: pss('SHA-384', 48),
  PS512: pss('SHA-512', 64),
  RS256: pkcs1('SHA-256'),
  RS384: pkcs1('SHA-384'),
  RS512: pkcs1('SHA-512'),
  Ed25519: { ...edwards('Ed25519', 32, 64), isEverywhere: true },
  Ed448: edwards('Ed448', 57, 114),
  'ML-DSA-44': mlDsa('ML-DSA-44', 1_312, 2_420),
  'ML-DSA-65': mlDsa('ML-DSA-65', 1_952, 3_309),
};

function ecdsa(curve: string, hash: string, scalarBytes: number): JoseRow {
  return {
    kty: 'EC',
    fixed: { crv: curve },
    publicBytes: scalarBytes,
    privateBytes: scalarBytes,
    signatureBytes: 2 * scalarBytes,
    hasWargText: curve === 'P-256',
    isEverywhere: true,
    formerName: null,
    scheme: {
      webcrypto: { name: 'ECDSA', namedCurve: curve, hash },
      openssl: { rsa: {}, scalarBytes, keyType: 'ec' },
    },
  };
}

/** RFC 7518 3.5: the salt is as long as the hash. */
function pss(hash: string, saltLength: number): JoseRow {
  return rsa({ name: 'RSA-PSS', hash, saltLength }, { padding: OPENSSL_PSS_PADDING, saltLength });
}

function pkcs1(hash: string): JoseRow {
  return rsa({ name: 'RSASSA-PKCS1-v1_5', hash }, { padding: OPENSSL_PKCS1_PADDING });
}

function rsa(webcrypto: SignatureScheme['webcrypto'], padding: SignatureScheme['openssl']['rsa']): JoseRow {
  return {
    kty: 'RSA',
    fixed: { e: 'AQAB' },
    publicBytes: 0,
    privateBytes: 0,
    signatureBytes: 0,
    hasWargText: false,
    isEverywhere: true,
    formerName: null,
    scheme: {
      webcrypto,
      openssl: { rsa: padding, scalarBytes: 0, keyType: 'rsa' },
    },
  };
}

function edwards(curve: string, publicBytes: number, signatureBytes: number): JoseRow {
  return {
    kty: 'OKP',
    fixed: { crv: curve },
    publicBytes,
    privateBytes: publicBytes,
    signatureBytes,
    hasWargText: false,
    isEverywhere: false,
    formerName: 'EdDSA',
    scheme: unhashed(curve),
  };
}

function mlDsa(name: string, publicBytes: number, signatureBytes: number): JoseRow {
  return {
    kty: 'AKP',
    fixed: { alg: name },
    publicBytes,
    privateBytes: 32,
    signatureBytes,
    hasWargText: false,
    isEverywhere: false,
    formerName: null,
    scheme: unhashed(name),
  };
}

function unhashed(name: string): SignatureScheme {
  return {
    webcrypto: { name },
    openssl: { rsa: {}, scalarBytes: 0, keyType: name.toLowerCase() },
  };
}

const NAMES: ReadonlyMap<string, readonly JoseAlgorithm[]> = namesOf(JOSE_ALGORITHMS);

/** Every name a reader accepts, in a map, where the text of an attacker meets no prototype. */
function namesOf(table: Readonly<Record<string, JoseRow>>): ReadonlyMap<string, readonly JoseAlgorithm[]> {
  const names = new Map<string, JoseAlgorithm[]>();
  for (const [name, { formerName }] of Object.entries(table)) {
    if (!isAlgorithm(name)) continue;
    names.set(name, [name]);
    if (formerName !== null) names.set(formerName, [...(names.get(formerName) ?? []), name]);
  }
  return names;
}

function isAlgorithm(name: string): name is JoseAlgorithm {
  return Object.hasOwn(JOSE_ALGORITHMS, name);
}

/** The algorithms that a header or a JWK may mean by `name`: one, two for `EdDSA`, or none. Compared exactly. */
export function algorithmsNamed(name: string): readonly JoseAlgorithm[] {
  return NAMES.get(name) ?? [];
}

/** Every algorithm, in the order of the table. */
export const JOSE_ALGORITHM_NAMES: readonly JoseAlgorithm[] = Object.keys(JOSE_ALGORITHMS).filter(isAlgorithm);

/** Those that records are signed with: spec/version1.md 2.8. */
export const RECORD_ALGORITHM_NAMES: readonly JoseAlgorithm[] = JOSE_ALGORITHM_NAMES.filter(
  (name) => JOSE_ALGORITHMS[name].isEverywhere,
);
