import crypto, { createHash, type ECDH, type KeyObject } from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import type { Scheduler } from './scheduler.ts';

/*
 * Node's signatures and timers replaced by ones of the simulation. The real ones are answered by threads and by the clock,
 * which no seed decides, and cost more than the rest of a history. A simulated signature is a hash of key and message: whoever
 * changes either still finds that it does not verify. Hashes stay real.
 */

type Callback<T> = (error: Error | null, result: T) => void;

const privateKeys = new Map<string, KeyObject>();
const points = new Map<string, unknown>();
const keyNames = new WeakMap<KeyObject, string>();

/** Until the returned function is called, whatever signs, verifies or sets a timer waits in the scheduler of `current`. */
export function installSimulation(current: () => Scheduler | null): () => void {
  const { createECDH, createPrivateKey, ECDH, sign, verify } = crypto;
  const convertKey = ECDH.convertKey.bind(ECDH);
  const { setTimeout, clearTimeout } = globalThis;
  const later = (afterMs: number, fire: () => void): (() => void) =>
    current()?.at({ owner: null, afterMs }, fire) ?? (() => undefined);
  const shortly = (fire: () => void): void => void later(current()?.random.below(4) ?? 0, fire);
  Object.assign(ECDH, {
    convertKey: (point: Uint8Array, curve: string, _in: undefined, _out: undefined, format: 'uncompressed') =>
      remembered(points, `${format} ${Buffer.from(point).toString('hex')}`, () =>
        convertKey(point, curve, undefined, undefined, format),
      ),
  });
  Object.assign(crypto, {
    createECDH: (curve: string) => simulatedEcdh(() => createECDH(curve)),
    createPrivateKey: (from: { key: { d: string } }) =>
      remembered(privateKeys, from.key.d, () => createPrivateKey({ key: from.key, format: 'jwk' })),
    sign: (_: string, message: Uint8Array, from: { key: KeyObject }, done?: Callback<Uint8Array>) =>
      done === undefined ? signatureOf(from.key, message) : shortly(() => done(null, signatureOf(from.key, message))),
    verify: (...[, message, from, signature, done]: VerifyArguments) => {
      const valid = Buffer.compare(signatureOf(from.key, message), signature) === 0;
      shortly(() => done(null, valid));
    },
  });
  syncBuiltinESMExports();
  Object.assign(globalThis, {
    setTimeout: (fire: () => void, ms: number) => later(ms, fire),
    clearTimeout: (cancel?: () => void) => cancel?.(),
  });
  return () => {
    Object.assign(globalThis, { setTimeout, clearTimeout });
    Object.assign(ECDH, { convertKey });
    Object.assign(crypto, { createECDH, createPrivateKey, sign, verify });
    syncBuiltinESMExports();
  };
}

/** The same few keys are read again and again. */
function remembered<T>(known: Map<string, T>, name: string, make: () => T): T {
  const value = known.get(name) ?? make();
  known.set(name, value);
  return value;
}

function simulatedEcdh(make: () => ECDH): unknown {
  let point: unknown;
  return {
    setPrivateKey(scalar: Uint8Array) {
      point = remembered(points, Buffer.from(scalar).toString('hex'), () => {
        const ecdh = make();
        ecdh.setPrivateKey(scalar);
        return ecdh.getPublicKey();
      });
    },
    getPublicKey: () => point,
  };
}

type VerifyArguments = [string, Uint8Array, { key: KeyObject }, Uint8Array, Callback<boolean>];

/** In strict DER; both numbers are below the order of P-256 and have the full length. */
function signatureOf(key: KeyObject, message: Uint8Array): Uint8Array {
  const number = (which: string): Buffer => {
    const hash = createHash('sha256').update(which).update(nameOf(key)).update(message).digest();
    hash[0] = 0x11;
    return hash;
  };
  return Buffer.concat([Buffer.from([0x30, 0x44, 0x02, 0x20]), number('r'), Buffer.from([0x02, 0x20]), number('s')]);
}

function nameOf(key: KeyObject): string {
  const known = keyNames.get(key);
  if (known !== undefined) return known;
  const name = key.export({ format: 'jwk' }).x ?? '';
  keyNames.set(key, name);
  return name;
}
