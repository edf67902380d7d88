/* The part of node:crypto that platform-node.ts uses. Declared here so that no other Node type exists in this package. */
declare module 'node:crypto' {
  interface JsonWebKey {
    readonly [member: string]: string;
  }
  interface KeyObject {
    readonly type: string;
    export(options: { format: 'jwk' }): JsonWebKey;
  }
  interface Hmac {
    update(data: Uint8Array): Hmac;
    digest(): Uint8Array;
  }
  interface Hash {
    update(data: Uint8Array): Hash;
    digest(): Uint8Array;
  }
  interface EcdhInstance {
    setPrivateKey(key: Uint8Array): void;
    getPublicKey(): Uint8Array;
  }
  interface EcdhConstructor {
    convertKey(
      key: Uint8Array,
      curve: string,
      inputEncoding: undefined,
      outputEncoding: undefined,
      format: string,
    ): Uint8Array;
  }
  interface SigningKey {
    key: KeyObject;
    dsaEncoding: 'ieee-p1363' | 'der';
    padding?: number;
    saltLength?: number;
  }
  interface KeyPairOptions {
    namedCurve: string;
    modulusLength: number;
  }
  export const ECDH: EcdhConstructor;
  export function createECDH(curve: string): EcdhInstance;
  export function createHash(algorithm: string): Hash;
  export function hash(algorithm: string, data: Uint8Array, outputEncoding: 'binary'): string;
  export function createHmac(algorithm: string, secret: Uint8Array): Hmac;
  export function generateKeyPair(
    type: string,
    options: KeyPairOptions,
    callback: (error: Error | null, publicKey: KeyObject, privateKey: KeyObject) => void,
  ): void;
  export function createPublicKey(key: { key: JsonWebKey; format: 'jwk' }): KeyObject;
  export function createPrivateKey(key: { key: JsonWebKey; format: 'jwk' }): KeyObject;
  export function verify(
    algorithm: string | null,
    data: Uint8Array,
    key: SigningKey,
    signature: Uint8Array,
    callback: (error: Error | null, result: boolean) => void,
  ): void;
  export function sign(algorithm: string, data: Uint8Array, key: SigningKey): Uint8Array;
  export function sign(
    algorithm: string | null,
    data: Uint8Array,
    key: SigningKey,
    callback: (error: Error | null, signature: Uint8Array) => void,
  ): void;
}
