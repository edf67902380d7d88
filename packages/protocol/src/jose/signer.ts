import { platform } from '#crypto';
import { decodeBase64url } from '../bytes/base64.ts';
import { edwardsCurve, isWeakEdwardsPoint } from '../crypto/curve-point.ts';
import type { KeyMembers } from '../crypto/platform.ts';
import { JOSE_ALGORITHMS } from './algorithms.ts';
import type { JosePrivateKey } from './private-key.ts';
import type { JosePublicKey } from './public-key.ts';

/** Whoever can sign: a key at hand, a program, a token, a service. docs/decisions/0011 maps it to wasi-crypto. */
export interface Signer {
  readonly publicKey: JosePublicKey;
  /** The signature over `message` in the form of its algorithm; ECDSA as r || s. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Signs with a key at hand. Fails with `text/private-key` when the platform refuses the key. */
export function localSigner({ publicKey, members }: JosePrivateKey): Signer {
  const { scheme } = JOSE_ALGORITHMS[publicKey.algorithm];
  return { publicKey, sign: (message) => platform.signWith(scheme, members, message) };
}

/** True when `signature` over `message` is by `key`. Throws `jws/unsupported` where the platform lacks the algorithm. */
export async function verifySignature(
  key: JosePublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  const { scheme, signatureBytes } = JOSE_ALGORITHMS[key.algorithm];
  const length = signatureBytes || decodeBase64url(key.members['n'] ?? '').length;
  if (signature.length !== length || hasWeakR(key.members, signature)) return false;
  return platform.verifyWith(scheme, key.members, message, signature);
}

/** spec/jose.md 1.6: some platforms refuse an R of small order and others do not, so all do. */
function hasWeakR({ crv = '' }: KeyMembers, signature: Uint8Array): boolean {
  const curve = edwardsCurve(crv);
  return curve !== null && isWeakEdwardsPoint(curve, signature.subarray(0, signature.length / 2));
}
