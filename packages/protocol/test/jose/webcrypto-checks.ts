import { webCryptoParameters } from '../../src/crypto/platform.ts';
import { JOSE_ALGORITHMS, type JoseAlgorithm } from '../../src/jose/algorithms.ts';
import type { Protocol } from './vector-checks.ts';

/* Runs in Node and in the page of a browser: no module of Node here. */

export const PAYLOAD = 'signed with a key that nobody can read';

/** What a key that cannot be exported has signed; `null` where the platform has no such keys. */
export type PlatformSigned = { readonly publicKey: string; readonly jws: string } | null;

export async function signWithPlatformKey(protocol: Protocol, algorithm: JoseAlgorithm): Promise<PlatformSigned> {
  const pair = await platformKeyPair(algorithm);
  if (pair === null) return null;
  const exported = await crypto.subtle.exportKey('pkcs8', pair.privateKey).catch(() => null);
  if (exported !== null) throw new Error(`the private key of ${algorithm} can be read`);
  const signer = await protocol.webCryptoSigner(pair);
  if (signer.publicKey.algorithm !== algorithm)
    throw new Error(`${signer.publicKey.algorithm} instead of ${algorithm}`);
  const jws = await protocol.signDetached(signer, 'vnd.waybill.file', protocol.utf8(PAYLOAD));
  return { publicKey: signer.publicKey.text, jws };
}

/** A fresh pair whose private half cannot be exported. */
export async function platformKeyPair(algorithm: JoseAlgorithm) {
  // Smaller than those we make: a bigger one takes a second.
  const parameters = { ...webCryptoParameters(JOSE_ALGORITHMS[algorithm].scheme), modulusLength: 2_048 };
  const made = await crypto.subtle.generateKey(parameters, false, ['sign', 'verify']).catch(() => null);
  return made !== null && 'privateKey' in made ? made : null;
}
