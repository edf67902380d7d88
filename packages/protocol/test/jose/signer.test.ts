import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import {
  algorithmsNamed,
  JOSE_ALGORITHM_NAMES,
  JOSE_ALGORITHMS,
  type JoseAlgorithm,
} from '../../src/jose/algorithms.ts';
import { formatJosePrivateKey, makePrivateKey, parseJosePrivateKey } from '../../src/jose/private-key.ts';
import { localSigner, verifySignature, type Signer } from '../../src/jose/signer.ts';
import { signCompact, signDetached, signingInput } from '../../src/jose/typed-jws.ts';
import { parsePrivateKey, parseSignature, signBytes, verifyBytes, type SigningContext } from '../../src/names/key.ts';
import { derFromSignature } from '../../src/crypto/der.ts';
import { encodeBase64, encodeBase64url } from '../../src/bytes/base64.ts';
import { PLATFORMS } from './browser-build.ts';
import type { Protocol } from './vector-checks.ts';

const MESSAGE = utf8('the same bytes on every platform');
/** RSA by one of its six: making such a key takes a second. */
const ALGORITHMS: readonly JoseAlgorithm[] = JOSE_ALGORITHM_NAMES.filter((name) => {
  const { isEverywhere, kty } = JOSE_ALGORITHMS[name];
  return isEverywhere && (kty !== 'RSA' || name === 'PS384');
});
const SCARCE: readonly JoseAlgorithm[] = JOSE_ALGORITHM_NAMES.filter((name) => !JOSE_ALGORITHMS[name].isEverywhere);

function refusal(code: ErrorCode) {
  return (failure: unknown): boolean => isRegistryError(failure, code);
}

/** Made on one platform, kept as text, signing on the other, verified on the first. */
async function crossSign(maker: Protocol, signer: Protocol, algorithm: JoseAlgorithm): Promise<void> {
  const text = maker.formatJosePrivateKey(await maker.makePrivateKey(algorithm));
  const key = signer.parseJosePrivateKey(text);
  const payload = utf8(algorithm);
  const jws = await signer.signDetached(signer.localSigner(key), 'vnd.waybill.file', payload);
  const publicKey = maker.parseJosePublicKey(key.publicKey.text);
  await maker.verifyDetached(jws, { key: publicKey, context: 'vnd.waybill.file', payload });
  await maker.verifyJws(jws, { keys: [publicKey], typ: 'vnd.waybill.file', payload });
}

for (const [makerName, maker] of PLATFORMS) {
  for (const [signerName, signer] of PLATFORMS) {
    test(`jose 1.3: keys of ${makerName} sign on ${signerName}`, async () => {
      for (const algorithm of ALGORITHMS) await crossSign(maker, signer, algorithm);
    });
    test(`jose 1.3: what is not everywhere works, or says that it is missing: ${makerName}, ${signerName}`, async () => {
      for (const algorithm of SCARCE) {
        const failure: unknown = await crossSign(maker, signer, algorithm).catch((thrown: unknown) => thrown);
        const isClear = maker.isRegistryError(failure, 'jws/unsupported');
        assert.ok(failure === undefined || isClear || signer.isRegistryError(failure, 'jws/unsupported'), algorithm);
      }
    });
  }
}

test('jose 1.2: names are looked up in the table alone', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'none', '', 'es256', 'HS256']) {
    assert.deepEqual(algorithmsNamed(name), []);
  }
  for (const name of JOSE_ALGORITHM_NAMES) assert.deepEqual(algorithmsNamed(name), [name]);
  assert.deepEqual(algorithmsNamed('EdDSA'), ['Ed25519', 'Ed448']);
});

test('jose 2.7: a private key of halves that do not belong together does not sign in the name of either', async () => {
  const [one, other] = [await makePrivateKey('Ed25519'), await makePrivateKey('Ed25519')];
  const mixed = { publicKey: one.publicKey, members: { ...one.members, d: other.members['d'] ?? '' } };
  const key = parseJosePrivateKey(formatJosePrivateKey(mixed));
  await assert.rejects(signDetached(localSigner(key), 'vnd.waybill.file', MESSAGE), (failure) =>
    isRegistryError(failure, 'signer/failed', 'text/private-key'),
  );
});

for (const [platform, protocol] of PLATFORMS) {
  test(`jose 2.7: numbers that are no RSA key sign nothing (${platform})`, async () => {
    const { publicKey, members } = await protocol.makePrivateKey('PS256');
    const faults = [{ p: members['q'] ?? '' }, { d: members['qi'] ?? '' }, { qi: members['p'] ?? '' }, { dp: 'AQ' }];
    for (const fault of faults) {
      const signer = protocol.localSigner({ publicKey, members: { ...members, ...fault } });
      // A platform may mend what follows from the other numbers; what it signs is then by the very key.
      const failure: unknown = await protocol
        .signDetached(signer, 'vnd.waybill.file', MESSAGE)
        .catch((thrown) => thrown);
      const isRefused = protocol.isRegistryError(failure, 'text/private-key', 'signer/failed');
      assert.ok(isRefused || typeof failure === 'string', String(failure));
    }
  });
}

test('jose 3.5: a signature that is not by the signer’s key is not handed out', async () => {
  const honest = localSigner(await makePrivateKey('ES384'));
  const faults: readonly ((message: Uint8Array) => Promise<Uint8Array>)[] = [
    async () => new Uint8Array(),
    async () => new Uint8Array(96),
    async (message) => (await honest.sign(message)).with(0, 1).with(95, 1),
    (message) => honest.sign(message.subarray(1)),
  ];
  for (const sign of faults) {
    const faulty: Signer = { publicKey: honest.publicKey, sign };
    await assert.rejects(signDetached(faulty, 'vnd.waybill.file', MESSAGE), refusal('signer/failed'));
    await assert.rejects(signCompact(faulty, 'vnd.waybill.file', MESSAGE), refusal('signer/failed'));
  }
});

test('jose 3.4: no signature of one context verifies in another', async () => {
  const key = await makePrivateKey('ES256');
  const p256 = parsePrivateKey(formatJosePrivateKey(key));
  const jws = (await signDetached(localSigner(key), 'vnd.waybill.file', MESSAGE)).split('.');
  const raw = new Uint8Array(Buffer.from(jws[2] ?? '', 'base64url'));
  const asWarg = parseSignature(`ecdsa-p256:${encodeBase64(derFromSignature(raw))}`);
  const input = signingInput(jws[0] ?? '', encodeBase64url(MESSAGE));
  assert.ok(await verifySignature(key.publicKey, input, raw));
  const contexts: readonly SigningContext[] = ['package-record', 'operator-record', 'checkpoint'];
  for (const context of contexts) {
    for (const bytes of [MESSAGE, input]) {
      assert.ok(!(await verifyBytes(context, bytes, p256.publicKey, asWarg)));
      const signature = await signBytes(context, bytes, p256);
      assert.ok(!(await verifySignature(key.publicKey, input, signature.raw)));
      for (const other of contexts) {
        assert.equal(await verifyBytes(other, bytes, p256.publicKey, signature), other === context);
      }
    }
  }
});
