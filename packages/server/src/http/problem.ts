import { isRegistryError, type ErrorCode, type RegistryError } from '@waybill/protocol';

/** The one place where errors and HTTP status meet. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  'text/base64': 400,
  'text/hash': 400,
  'text/hex': 400,
  'text/key': 400,
  'text/namespace': 400,
  'text/package-name': 400,
  'text/private-key': 400,
  'text/signature': 400,
  'text/token': 400,
  'text/version': 400,
  'wire/json': 400,
  'wire/protobuf': 400,
  'wire/shape': 422,
  'wire/too-large': 413,
  'jws/algorithm': 400,
  'jws/header': 400,
  'jws/key': 401,
  'jws/malformed': 400,
  'jws/signature': 401,
  'jws/unsupported': 501,
  'signer/failed': 500,
  'record/abandon-again': 422,
  'record/abandon-registry': 422,
  'record/decode': 400,
  'record/depth': 400,
  'record/first-not-init': 422,
  'record/grant-revoked': 422,
  'record/grant-unknown': 422,
  'record/hash-algorithm': 422,
  'record/init-again': 422,
  'record/key-unknown': 422,
  'record/log': 422,
  'record/namespace-defined': 422,
  'record/namespace-invalid': 422,
  'record/no-init': 422,
  'record/origin': 422,
  'record/permission-not-held': 422,
  'record/prev-mismatch': 422,
  'record/prev-missing': 422,
  'record/prev-on-first': 422,
  'record/reinstate-standing': 422,
  'record/release-again': 422,
  'record/restore-unyanked': 422,
  'record/root-again': 422,
  'record/root-missing': 422,
  'record/signature': 401,
  'record/signers': 401,
  'record/takedown-again': 422,
  'record/time-backwards': 422,
  'record/unauthorized': 422,
  'record/version': 422,
  'record/version-backwards': 422,
  'record/yank-again': 422,
  'record/yank-unreleased': 422,
  'governance/starter': 422,
  'governance/unrooted': 422,
  'proof/malformed': 422,
  'proof/mismatch': 422,
  'proof/root': 422,
  'checkpoint/fork': 500,
  'checkpoint/rollback': 500,
  'checkpoint/signature': 422,
  'checkpoint/signer': 422,
  'checkpoint/stale': 500,
  'log/foreign': 500,
  'log/incomplete': 500,
  'log/invalid': 500,
  'log/not-found': 404,
  'operator/changed': 500,
  'operator/unpinned': 500,
  'compose/cycle': 422,
  'compose/mismatch': 422,
  'content/digest': 400,
  'content/malformed': 422,
  'content/not-analysed': 422,
  'content/not-found': 404,
  'content/policy': 422,
  'content/parts': 422,
  'content/size': 413,
  'content/taken-down': 451,
  'content/tree': 422,
  'content/wit': 422,
  'oci/blob-unknown': 404,
  'oci/denied': 403,
  'oci/digest': 400,
  'oci/digest-mismatch': 400,
  'oci/gateway': 403,
  'oci/immutable': 409,
  'oci/manifest': 400,
  'oci/manifest-blob': 404,
  'oci/manifest-unknown': 404,
  'oci/name': 400,
  'oci/range': 416,
  'oci/repository': 404,
  'oci/size': 413,
  'oci/tag': 400,
  'oci/unsupported': 405,
  'oci/upload': 400,
  'oci/upload-unknown': 404,
  'upstream/failed': 502,
  'upstream/refused': 502,
  'release/custodial': 422,
  'release/affected': 500,
  'release/not-found': 404,
  'release/step': 422,
  'lock/invalid': 500,
  'lock/outdated': 500,
  'resolution/conflict': 500,
  'resolution/limit': 500,
  'admission/denied': 401,
  'admission/not-canonical': 422,
  'admission/policy': 422,
  'admission/unknown-key': 401,
  'namespace/imported': 409,
  'namespace/undefined': 404,
  'publish/conflict': 409,
  'publish/not-sourcing': 405,
  'publish/not-wanted': 400,
  'request/cursor': 404,
  'request/invalid': 400,
  'request/leaf': 404,
  'request/log-length': 404,
  'request/media-type': 415,
  'request/not-head': 422,
  'request/proof': 422,
  'request/record': 404,
  'request/too-many': 429,
  'request/too-slow': 408,
  'request/unsupported': 501,
  'token/invalid': 401,
  'token/not-found': 404,
  'token/required': 401,
  'token/scope': 403,
  'head/clock': 503,
  'head/conflict': 503,
  'head/rolled-back': 503,
  'head/unconfirmed': 503,
  'storage/busy': 503,
  'storage/damaged': 500,
  'storage/failed': 500,
  'storage/full': 507,
  'registry/protocol': 500,
  'registry/refused': 500,
  'registry/unreachable': 502,
  'quorum/missing': 503,
  'key/not-found': 500,
  'usage/invalid': 500,
};

/** Statuses whose message may tell an outsider about the inside of the server. */
const OPAQUE_STATUS_MIN = 500;

/** What a client is told of tokens, in the words of RFC 6750 3. */
const CHALLENGES: Partial<Readonly<Record<ErrorCode, string>>> = {
  'token/required': 'Bearer realm="waybill"',
  'token/invalid': 'Bearer realm="waybill", error="invalid_token"',
  'token/scope': 'Bearer realm="waybill", error="insufficient_scope"',
};

/** An error on its way out. */
export interface Problem {
  readonly status: number;
  readonly message: string;
  /** What the error asks for besides its body. */
  readonly headers: Readonly<Record<string, string>>;
  readonly error: RegistryError | null;
}

/** An error as it is answered: what the client did wrong is told, what went wrong inside is not. */
export function problemOf(thrown: unknown): Problem {
  if (!isRegistryError(thrown)) return { status: 500, message: 'internal error', headers: {}, error: null };
  const status = STATUS[thrown.code];
  const challenge = CHALLENGES[thrown.code];
  const headers = { ...problemHeaders(status), ...(challenge === undefined ? {} : { 'www-authenticate': challenge }) };
  const opaque =
    status >= OPAQUE_STATUS_MIN && status !== STATUS['request/unsupported'] && status !== STATUS['storage/full'];
  return { status, message: opaque ? 'internal error' : thrown.message, headers, error: thrown };
}

/** Seconds after which a client that was told 429 or 503 may come again. */
const RETRY_AFTER_SECONDS = 1;

/** What a status asks for besides its body. */
export function problemHeaders(status: number): Readonly<Record<string, string>> {
  if (status === 429 || status === 503) return { 'retry-after': String(RETRY_AFTER_SECONDS) };
  // The rest of the request's body is not read, so the connection must not be used again.
  return status === 408 || status === 413 || status === 507 ? { connection: 'close' } : {};
}
