import { unsharedBytes } from '../bytes/byte-array.ts';
import { webCryptoParameters } from '../crypto/platform.ts';
import { messageOf, RegistryError } from '../errors.ts';
import { JOSE_ALGORITHM_NAMES, JOSE_ALGORITHMS, type JoseAlgorithm } from './algorithms.ts';
import { publicKeyOfJwk, type JwkMembers } from './public-key.ts';
import type { Signer } from './signer.ts';

/** Both halves of a key, each a `CryptoKey`: what is none is refused, so no caller needs the types of a browser. */
export interface WebCryptoKeyPair {
  readonly privateKey: object;
  readonly publicKey: object;
}

/**
 * Signs with a key that WebCrypto holds and need not give out: `extractable` may be `false`. The key states its algorithm.
 * Throws `jws/unsupported` for one that is none of spec/jose.md 1.1, `text/private-key` for what may not sign, `text/key`
 * for a public half that cannot be read or is of another algorithm.
 */
export async function webCryptoSigner({ privateKey, publicKey }: WebCryptoKeyPair): Promise<Signer> {
  if (!(privateKey instanceof CryptoKey) || privateKey.type !== 'private' || !privateKey.usages.includes('sign')) {
    throw new RegistryError('text/private-key', "not a private CryptoKey that may sign: make it with the usage 'sign'");
  }
  if (!(publicKey instanceof CryptoKey) || publicKey.type !== 'public' || !publicKey.extractable) {
    throw new RegistryError('text/key', 'not a public CryptoKey that can be read: import it with extractable: true');
  }
  const algorithm = algorithmOfKey(privateKey);
  const parameters = webCryptoParameters(JOSE_ALGORITHMS[algorithm].scheme);
  return {
    publicKey: publicKeyOfJwk(await publicMembers(publicKey), algorithm),
    async sign(message) {
      try {
        return new Uint8Array(await crypto.subtle.sign(parameters, privateKey, unsharedBytes(message)));
      } catch (cause) {
        throw new RegistryError('signer/failed', `the platform has not signed: ${messageOf(cause)}`, {}, { cause });
      }
    },
  };
}

function algorithmOfKey({ algorithm }: CryptoKey): JoseAlgorithm {
  const found = JOSE_ALGORITHM_NAMES.find((name) => {
    const { webcrypto } = JOSE_ALGORITHMS[name].scheme;
    // A key of ECDSA is of a curve and of no hash, one of RSA of a hash.
    const { name: family, namedCurve = null, hash = null } = webcrypto;
    return (
      algorithm.name === family &&
      curveOf(algorithm) === namedCurve &&
      (namedCurve !== null || hashOf(algorithm) === hash)
    );
  });
  if (found !== undefined) return found;
  throw new RegistryError('jws/unsupported', `nothing is signed with such keys of ${algorithm.name}`);
}

function curveOf(algorithm: object): unknown {
  return 'namedCurve' in algorithm ? algorithm.namedCurve : null;
}

function hashOf(algorithm: object): unknown {
  const hash = 'hash' in algorithm ? algorithm.hash : null;
  return typeof hash === 'object' && hash !== null && 'name' in hash ? hash.name : null;
}

async function publicMembers(key: CryptoKey): Promise<JwkMembers> {
  const members = Object.entries(await crypto.subtle.exportKey('jwk', key));
  return new Map(members.flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])));
}
