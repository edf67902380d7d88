/**
 * Every way in which a rule, an encoding, a proof or a registry can fail. The set is closed: each edge (HTTP status,
 * exit code) maps it with a `Record<ErrorCode, …>`, so a new code does not compile until every edge has answered for it.
 */
export type ErrorCode =
  // Text and byte forms (spec/encodings.md).
  | 'text/base64'
  | 'text/hash'
  | 'text/hex'
  | 'text/key'
  | 'text/namespace'
  | 'text/package-name'
  | 'text/private-key'
  | 'text/signature'
  | 'text/token'
  | 'text/version'
  | 'wire/json'
  | 'wire/protobuf'
  | 'wire/shape'
  | 'wire/too-large'
  // The OCI view (spec/oci.md 9): its codes on the wire are fewer.
  | 'oci/blob-unknown'
  | 'oci/denied'
  | 'oci/digest'
  | 'oci/digest-mismatch'
  | 'oci/gateway'
  | 'oci/immutable'
  | 'oci/manifest'
  | 'oci/manifest-blob'
  | 'oci/manifest-unknown'
  | 'oci/name'
  | 'oci/range'
  | 'oci/repository'
  | 'oci/size'
  | 'oci/tag'
  | 'oci/unsupported'
  | 'oci/upload'
  | 'oci/upload-unknown'
  // Another registry from which this one takes releases.
  | 'upstream/failed'
  | 'upstream/refused'
  // Signatures in JOSE forms (spec/jose.md).
  | 'jws/algorithm'
  | 'jws/header'
  | 'jws/key'
  | 'jws/malformed'
  | 'jws/signature'
  | 'jws/unsupported'
  | 'signer/failed'
  // Validity of a log (spec/record-log.md, spec/version1.md, spec/governance.md): among them one code for each kind of Warg's ValidationError.
  | 'record/abandon-again'
  | 'record/abandon-registry'
  | 'record/decode'
  | 'record/depth'
  | 'record/first-not-init'
  | 'record/grant-revoked'
  | 'record/grant-unknown'
  | 'record/hash-algorithm'
  | 'record/init-again'
  | 'record/key-unknown'
  | 'record/log'
  | 'record/namespace-defined'
  | 'record/namespace-invalid'
  | 'record/no-init'
  | 'record/origin'
  | 'record/permission-not-held'
  | 'record/prev-mismatch'
  | 'record/prev-missing'
  | 'record/prev-on-first'
  | 'record/reinstate-standing'
  | 'record/release-again'
  | 'record/restore-unyanked'
  | 'record/root-again'
  | 'record/root-missing'
  | 'record/signature'
  | 'record/signers'
  | 'record/takedown-again'
  | 'record/time-backwards'
  | 'record/unauthorized'
  | 'record/version'
  | 'record/version-backwards'
  | 'record/yank-again'
  | 'record/yank-unreleased'
  | 'governance/starter'
  | 'governance/unrooted'
  // Proofs and checkpoints (spec/merkle.md, spec/verification.md).
  | 'proof/malformed'
  | 'proof/mismatch'
  | 'proof/root'
  | 'checkpoint/fork'
  | 'checkpoint/rollback'
  | 'checkpoint/signature'
  | 'checkpoint/signer'
  | 'checkpoint/stale'
  | 'log/foreign'
  | 'log/incomplete'
  | 'log/invalid'
  | 'log/not-found'
  | 'operator/changed'
  | 'operator/unpinned'
  // Content.
  | 'compose/cycle'
  | 'compose/mismatch'
  | 'content/digest'
  | 'content/malformed'
  | 'content/not-analysed'
  | 'content/not-found'
  | 'content/parts'
  | 'content/policy'
  | 'content/size'
  | 'content/taken-down'
  | 'content/tree'
  | 'content/wit'
  | 'release/affected'
  | 'release/custodial'
  | 'release/not-found'
  | 'release/step'
  // What a project depends on, and the file that holds it fast.
  | 'lock/invalid'
  | 'lock/outdated'
  | 'resolution/conflict'
  | 'resolution/limit'
  // Admission: what our server refuses although a log could hold it (spec/admission.md).
  | 'admission/denied'
  | 'admission/not-canonical'
  | 'admission/policy'
  | 'admission/unknown-key'
  | 'namespace/imported'
  | 'namespace/undefined'
  | 'publish/conflict'
  | 'publish/not-sourcing'
  | 'publish/not-wanted'
  | 'request/cursor'
  | 'request/invalid'
  | 'request/leaf'
  | 'request/log-length'
  | 'request/media-type'
  | 'request/not-head'
  | 'request/proof'
  | 'request/record'
  | 'request/too-many'
  | 'request/too-slow'
  | 'request/unsupported'
  // Access tokens: who may ask (spec/http.md 6).
  | 'token/invalid'
  | 'token/not-found'
  | 'token/required'
  | 'token/scope'
  // Storage and network.
  | 'head/clock'
  | 'head/conflict'
  | 'head/rolled-back'
  | 'head/unconfirmed'
  | 'storage/busy'
  | 'storage/damaged'
  | 'storage/failed'
  | 'storage/full'
  | 'registry/protocol'
  | 'registry/refused'
  | 'registry/unreachable'
  | 'quorum/missing'
  // A person's mistake at the command line or in a configuration.
  | 'key/not-found'
  | 'usage/invalid';

/** Facts that belong to a failure and that an edge may show: ids, indexes, sizes. Never secrets. */
export type ErrorDetail = Readonly<Record<string, string | number>>;

/** The one error class. Callers switch on {@link RegistryError.code}, never on the message. */
export class RegistryError extends Error {
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RegistryError';
    this.code = code;
    this.detail = detail;
  }
}

/** The message of anything that was thrown, for showing to a person. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** True when `thrown` is a {@link RegistryError} with one of `codes`; without `codes`, any. */
export function isRegistryError(thrown: unknown, ...codes: ErrorCode[]): thrown is RegistryError {
  return thrown instanceof RegistryError && (codes.length === 0 || codes.includes(thrown.code));
}
