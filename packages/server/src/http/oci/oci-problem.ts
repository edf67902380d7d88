import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { problemHeaders, problemOf, STATUS } from '../problem.ts';
import { CACHE, jsonAnswer, type OciAnswer, type OciHeaders } from './oci-answer.ts';

/** The closed list: with another one, clients drop the whole body (spec/oci.md 9). */
export type OciCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS';

/** `status` where it is another than the one that the rest of the server gives. */
interface Row {
  readonly code: OciCode;
  readonly status?: number;
}

/** Codes that clients of this view run into, each for itself. */
type OwnCode = Extract<ErrorCode, `oci/${string}` | `token/${string}` | `request/${string}` | `storage/${string}`>;

const OWN: Readonly<Record<OwnCode, Row>> = {
  'oci/blob-unknown': { code: 'BLOB_UNKNOWN' },
  'oci/denied': { code: 'DENIED' },
  'oci/digest': { code: 'DIGEST_INVALID' },
  'oci/digest-mismatch': { code: 'DIGEST_INVALID' },
  'oci/gateway': { code: 'DENIED' },
  'oci/immutable': { code: 'DENIED' },
  'oci/manifest': { code: 'MANIFEST_INVALID' },
  'oci/manifest-blob': { code: 'MANIFEST_BLOB_UNKNOWN' },
  'oci/manifest-unknown': { code: 'MANIFEST_UNKNOWN' },
  'oci/name': { code: 'NAME_INVALID' },
  'oci/range': { code: 'BLOB_UPLOAD_INVALID' },
  'oci/repository': { code: 'NAME_UNKNOWN' },
  'oci/size': { code: 'SIZE_INVALID' },
  'oci/tag': { code: 'MANIFEST_INVALID' },
  'oci/unsupported': { code: 'UNSUPPORTED' },
  'oci/upload': { code: 'BLOB_UPLOAD_INVALID' },
  'oci/upload-unknown': { code: 'BLOB_UPLOAD_UNKNOWN' },
  'token/invalid': { code: 'UNAUTHORIZED' },
  'token/not-found': { code: 'UNAUTHORIZED', status: 401 },
  'token/required': { code: 'UNAUTHORIZED' },
  'token/scope': { code: 'DENIED' },
  'request/cursor': { code: 'UNSUPPORTED' },
  'request/invalid': { code: 'UNSUPPORTED' },
  'request/leaf': { code: 'UNSUPPORTED' },
  'request/log-length': { code: 'UNSUPPORTED' },
  'request/media-type': { code: 'UNSUPPORTED' },
  'request/not-head': { code: 'UNSUPPORTED' },
  'request/proof': { code: 'UNSUPPORTED' },
  'request/record': { code: 'UNSUPPORTED' },
  'request/too-many': { code: 'TOOMANYREQUESTS' },
  'request/too-slow': { code: 'BLOB_UPLOAD_INVALID' },
  'request/unsupported': { code: 'UNSUPPORTED' },
  'storage/busy': { code: 'TOOMANYREQUESTS' },
  'storage/damaged': { code: 'UNSUPPORTED' },
  'storage/failed': { code: 'UNSUPPORTED' },
  'storage/full': { code: 'DENIED' },
};

type FamilyOf<C> = C extends `${infer Family}/${string}` ? Family : never;

/**
 * What the log and the rest of the registry say of a push, by the first word of their codes. None asks for credentials: a
 * 401 of theirs is about keys, which OCI clients have none of.
 */
const FAMILIES: Readonly<Record<FamilyOf<Exclude<ErrorCode, OwnCode>>, OciCode>> = {
  admission: 'DENIED',
  checkpoint: 'UNSUPPORTED',
  compose: 'MANIFEST_INVALID',
  content: 'MANIFEST_INVALID',
  governance: 'DENIED',
  head: 'TOOMANYREQUESTS',
  jws: 'DENIED',
  key: 'UNSUPPORTED',
  lock: 'UNSUPPORTED',
  log: 'NAME_UNKNOWN',
  namespace: 'NAME_UNKNOWN',
  operator: 'UNSUPPORTED',
  proof: 'MANIFEST_INVALID',
  publish: 'DENIED',
  quorum: 'UNSUPPORTED',
  record: 'DENIED',
  registry: 'UNSUPPORTED',
  release: 'MANIFEST_UNKNOWN',
  resolution: 'UNSUPPORTED',
  signer: 'UNSUPPORTED',
  text: 'NAME_INVALID',
  usage: 'UNSUPPORTED',
  wire: 'MANIFEST_INVALID',
  upstream: 'UNSUPPORTED',
};

const UNAUTHORIZED = 401;
const FORBIDDEN = 403;
const TOO_SLOW = 408;

/** The status and the code of an error on the wire. */
export function wireOf(code: ErrorCode): { readonly status: number; readonly code: OciCode } {
  if (isOwn(code)) return { status: STATUS[code], ...OWN[code] };
  if (code === 'content/taken-down') return { status: STATUS[code], code: 'DENIED' };
  const status = STATUS[code];
  return { status: status === UNAUTHORIZED ? FORBIDDEN : status, code: FAMILIES[familyOf(code)] };
}

/** The answer to anything that was thrown: exactly one error. What went wrong inside is not told. */
export function ociProblem(thrown: unknown, more: OciHeaders = {}): OciAnswer {
  if (!isRegistryError(thrown)) return errorAnswer(500, 'UNSUPPORTED', 'internal error', more);
  const { status, code } = wireOf(thrown.code);
  return errorAnswer(status, code, problemOf(thrown).message, more);
}

export function errorAnswer(status: number, code: OciCode, message: string, more: OciHeaders = {}): OciAnswer {
  const headers = { 'cache-control': CACHE.never, ...asked(status), ...more };
  return jsonAnswer(status, { errors: [{ code, message }] }, headers);
}

/** The rest of a refused body is let in for a while, or its sender is cut off before it has read why. */
function asked(status: number): OciHeaders {
  const { connection, ...rest } = problemHeaders(status);
  return status === TOO_SLOW && connection !== undefined ? { ...rest, connection } : rest;
}

function isOwn(code: ErrorCode): code is OwnCode {
  return Object.hasOwn(OWN, code);
}

function familyOf(code: Exclude<ErrorCode, OwnCode>): keyof typeof FAMILIES {
  const [family = ''] = code.split('/');
  return isFamily(family) ? family : 'usage';
}

function isFamily(text: string): text is keyof typeof FAMILIES {
  return Object.hasOwn(FAMILIES, text);
}
