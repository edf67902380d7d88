/* The part of node:crypto that platform-node.ts uses. Declared here so that no other Node type exists in this package. */
declare module 'node:crypto' {
  interface JsonWebKey {
    kty: string;
    crv: string;
    x: string;
    y: string;
    d?: string;
  }
  interface KeyObject {
    readonly type: string;
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
  }
  export const ECDH: EcdhConstructor;
  export function createECDH(curve: string): EcdhInstance;
  export function createHash(algorithm: string): Hash;
  export function hash(algorithm: string, data: Uint8Array, outputEncoding: 'binary'): string;
  export function createPublicKey(key: { key: JsonWebKey; format: 'jwk' }): KeyObject;
  export function createPrivateKey(key: { key: JsonWebKey; format: 'jwk' }): KeyObject;
  export function verify(
    algorithm: string,
    data: Uint8Array,
    key: SigningKey,
    signature: Uint8Array,
    callback: (error: Error | null, result: boolean) => void,
  ): void;
  export function sign(
    algorithm: string,
    data: Uint8Array,
    key: SigningKey,
    callback: (error: Error | null, signature: Uint8Array) => void,
  ): void;
}
