import { decodeBase64url, encodeBase64url } from '../bytes/base64.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { asError, type JosePublicKey } from './public-key.ts';
import { verifySignature, type Signer } from './signer.ts';

/**
 * What a signature is for, as its `typ`: a signature for one context never verifies in another (spec/jose.md 3.2). What
 * people sign at the command line has a context of its own, so nobody can be talked into signing a record with it.
 */
export type JwsContext = 'vnd.waybill.file' | 'vnd.waybill.governance-record' | 'vnd.waybill.package-record';

/** Signs `payload` as a compact JWS without its payload (RFC 7515 appendix F). Throws `signer/failed`. */
export async function signDetached(signer: Signer, context: JwsContext, payload: Uint8Array): Promise<string> {
  const { header, signature } = await sign(signer, context, encodeBase64url(payload));
  return `${header}..${signature}`;
}

/** The same with its payload. */
export async function signCompact(signer: Signer, context: JwsContext, payload: Uint8Array): Promise<string> {
  const payloadText = encodeBase64url(payload);
  const { header, signature } = await sign(signer, context, payloadText);
  return `${header}.${payloadText}.${signature}`;
}

async function sign(
  signer: Signer,
  context: JwsContext,
  payloadText: string,
): Promise<{ readonly header: string; readonly signature: string }> {
  const header = headerOf(signer.publicKey, context);
  const input = signingInput(header, payloadText);
  const signature = await signer.sign(input);
  // A fault in a token or a program must not leave this machine as a signature.
  if (!(await verifySignature(signer.publicKey, input, signature))) {
    throw new RegistryError('signer/failed', 'the signer gave a signature that is not by its key');
  }
  return { header, signature: encodeBase64url(signature) };
}

/**
 * Checks a detached compact JWS of exactly one header: the one that {@link signDetached} writes. It is rebuilt and compared,
 * never parsed, so no member of it can mean anything. Throws `jws/malformed`, `jws/header`, `jws/signature`.
 */
export async function verifyDetached(
  text: string,
  { key, context, payload }: { key: JosePublicKey; context: JwsContext; payload: Uint8Array },
): Promise<void> {
  const [header, gap, encoded, ...rest] = text.split('.', 4);
  if (gap !== '' || encoded === undefined || rest.length > 0) {
    throw new RegistryError('jws/malformed', 'not a detached compact JWS');
  }
  if (header !== headerOf(key, context)) {
    throw new RegistryError('jws/header', 'the protected header is not the one of this key and context');
  }
  const signature = asError('jws/malformed', () => decodeBase64url(encoded));
  if (!(await verifySignature(key, signingInput(header, encodeBase64url(payload)), signature))) {
    throw new RegistryError('jws/signature', 'the signature is not by this key over these bytes');
  }
}

function headerOf(key: JosePublicKey, context: JwsContext): string {
  return encodeBase64url(utf8(JSON.stringify({ alg: key.algorithm, kid: key.id, typ: context })));
}

/** RFC 7515 5.1: what is signed, of the two parts as they are written. */
export function signingInput(header: string, payload: string): Uint8Array {
  return concatBytes(utf8(header), utf8('.'), utf8(payload));
}
