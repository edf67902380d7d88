/* The public surface of the protocol, listed by hand. */

export { isRegistryError, messageOf, RegistryError, type ErrorCode, type ErrorDetail } from './errors.ts';

export { decodeBase64, decodeBase64url, encodeBase64, encodeBase64url } from './bytes/base64.ts';
export { concatBytes, equalBytes, utf8, utf8Text } from './bytes/byte-array.ts';
export { decodeHex, encodeHex } from './bytes/hex.ts';
export { JSON_DEPTH_MAX, parseJson, type JsonValue } from './bytes/json.ts';

export {
  ACCESS_TOKEN_RANDOM_BYTES,
  accessTokenHash,
  accessTokenOf,
  equalSecretBytes,
  looksLikeAccessToken,
  parseAccessToken,
  parseTokenId,
  type AccessToken,
  type TokenId,
} from './access/access-token.ts';

export { HASH_BYTES, sha256, sha256Stream, type Sha256Stream } from './crypto/hash.ts';

export {
  digestBytes,
  digestHex,
  digestOf,
  formatDigest,
  isDigest,
  parseAnyHash,
  parseDigest,
  type AnyHash,
  type Digest,
} from './names/digest.ts';
export {
  formatPrivateKey,
  parsePrivateKey,
  parsePublicKey,
  parseSignature,
  privateKeyFromRandom,
  signBytes,
  verifyBytes,
  type PrivateKey,
  type PublicKey,
  type Signature,
  type SigningContext,
} from './names/key.ts';
export {
  governanceLogId,
  namespaceLogId,
  OPERATOR_LOG_ID,
  packageLogId,
  parseLogId,
  parseRecordId,
  recordIdOf,
  REGISTRY_LOG_ID,
  type LogId,
  type LogKind,
  type RecordId,
} from './names/log-id.ts';
export {
  isKebab,
  namespaceOf,
  parseNamespace,
  parsePackageName,
  type Namespace,
  type PackageName,
} from './names/package-name.ts';
export {
  compareTimestamps,
  formatTimestamp,
  timestampFromMs,
  timestampToMs,
  type Timestamp,
} from './names/timestamp.ts';
export { compareVersions, isPreRelease, parseVersion, withoutBuild, type VersionText } from './names/version.ts';

export {
  JOSE_ALGORITHM_NAMES,
  RECORD_ALGORITHM_NAMES,
  algorithmsNamed,
  type JoseAlgorithm,
} from './jose/algorithms.ts';
export { JWS_CHARACTERS_MAX, verifyJws, type JwsExpectation, type VerifiedJws } from './jose/jws.ts';
export {
  formatJosePrivateKey,
  isPrivateJwk,
  makePrivateKey,
  parseJosePrivateKey,
  privateKeyOfJwk,
  type JosePrivateKey,
} from './jose/private-key.ts';
export {
  jwkMembers,
  parseJosePublicKey,
  publicKeyOfJwk,
  type JosePublicKey,
  type JwkMembers,
} from './jose/public-key.ts';
export { localSigner, verifySignature, type Signer } from './jose/signer.ts';
export { signToken, TokenSecret, verifyToken, type TokenAlgorithm } from './jose/token.ts';
export { signCompact, signDetached, verifyDetached, type JwsContext } from './jose/typed-jws.ts';
export { webCryptoSigner, type WebCryptoKeyPair } from './jose/webcrypto-signer.ts';

export {
  encodeCheckpoint,
  encodeTimestampedCheckpoint,
  type Checkpoint,
  type SignedCheckpoint,
  type TimestampedCheckpoint,
} from './wire/checkpoint.ts';
export {
  decodeCosignatures,
  decodeEnvelope,
  encodeCosignatures,
  encodeEnvelope,
  logFileRecord,
  NO_COSIGNATURES,
  readLogFile,
  type Envelope,
  type EnvelopeSignature,
} from './wire/envelope.ts';
export {
  encodeLogCheckpoint,
  formatNoteVerifierKey,
  formatSignedNote,
  NOTE_ED25519,
  noteKeyId,
  type LogCheckpoint,
} from './wire/log-checkpoint.ts';
export { encodeLogLeaf, encodeMapLeaf } from './wire/log-leaf.ts';
export { decodeLogProofBundle, encodeLogProofBundle, type LogProofBundle } from './wire/log-proof-bundle.ts';
export { decodeMapProofBundle, encodeMapProofBundle, type MapProofBundle } from './wire/map-proof-bundle.ts';
export {
  entryCountOf,
  isOrigin,
  RECORD_BYTES_MAX,
  RECORD_VERSION,
  RECORD_VERSION_1,
  recordVersionOf,
  SIGNERS_MAX,
  type RecordBinding,
} from './wire/record.ts';
export * as wargApi from './wire/warg-api.ts';

export { WasmScanner, type WasmKind } from './content/wasm.ts';

export { HOLDER_KEYS_MAX, holderOf, holderOfKey, isSignedFor, type Holder } from './record-log/authority/holder.ts';
export { isMediaType, type ContentClaim } from './record-log/authority/media-type.ts';
export {
  annotatePermission,
  includesPermission,
  isAnnotationType,
  isPermission,
  PLAIN_PERMISSIONS,
  type Permission,
} from './record-log/authority/permission.ts';
export { canNeverHold, NO_PREDICATES, type Predicates } from './record-log/authority/predicates.ts';
export { GRANT_DEPTH_MAX, parseGrantId, type Grant, type GrantId } from './record-log/authority/grant.ts';
export type { Act } from './record-log/authority/act.ts';
export {
  chainOf,
  findRefusal,
  REFUSAL_WORDS,
  type Actor,
  type Authority,
  type Refusal,
  type RefusalReason,
} from './record-log/authority/verdict.ts';
export {
  ANNOTATION_BODY_BYTES_MAX,
  ANNOTATION_BYTES_MAX,
  annotationIdOf,
  decodeAnnotation,
  encodeAnnotation,
  parseAnnotationId,
  type Annotation,
  type AnnotationDraft,
  type AnnotationId,
  type ContentReference,
} from './record-log/annotations/annotation.ts';
export { AnnotationBook, type ListedAnnotation, type Statement } from './record-log/annotations/annotation-book.ts';
export {
  ANNOTATIONS_JUDGED_MAX,
  judgeAnnotations,
  readAnnotations,
  type AnnotationRefusal,
  type FindTarget,
  type JudgedAnnotation,
  type ReadAnnotation,
  type WithdrawalTarget,
} from './record-log/annotations/annotation-judge.ts';
export {
  ADVISORY_SEVERITIES,
  annotationBody,
  checkAnnotation,
  isAnnotationTypeKnown,
  isFreeAnnotationType,
  readAnnotationBody,
  type Advisory,
  type AnnotationBodies,
  type AnnotationType,
  type Audit,
  type Deprecation,
  type Licence,
  type ImportNote,
  type OciManifestNote,
  type OnBehalf,
  type Rebuild,
} from './record-log/annotations/annotation-types.ts';
export { emptyLogState, LogDraft, type LogHead, type LogHome, type LogState } from './record-log/log-state.ts';
export type { LogDialect } from './record-log/dialect.ts';
export type { DelegateEntry, RevokeGrantEntry } from './record-log/kinds/authority/grant.ts';
export type { RootEntry, TransferEntry } from './record-log/kinds/authority/root.ts';
export type { GrantEntry, RevokeEntry } from './record-log/kinds/shared/grant.ts';
export type { InitEntry } from './record-log/kinds/shared/init.ts';
export type { PackagePermission, Release, ReleaseEntry } from './record-log/kinds/package/release.ts';
export type { RestoreEntry, YankEntry } from './record-log/kinds/package/yank.ts';
export type {
  DefineNamespaceEntry,
  ImportNamespaceEntry,
  NamespaceBinding,
  OperatorPermission,
} from './record-log/kinds/operator/namespace.ts';
export type { AbandonEntry } from './record-log/kinds/governance/abandon.ts';
export type {
  Abandonment,
  GovernanceBinding,
  Policy,
  Starters,
  Takedown,
} from './record-log/kinds/governance/binding.ts';
export { POLICY_KEYS_MAX, startersOf, type PolicyEntry } from './record-log/kinds/governance/policy.ts';
export { TAKEDOWN_CODES, type ReinstateEntry, type TakedownEntry } from './record-log/kinds/governance/takedown.ts';
export {
  abandonmentOf,
  GOVERNANCE_LOG,
  policyOf,
  takedownOf,
  takedownsOf,
  type GovernanceEntry,
  type GovernanceState,
} from './record-log/governance-log.ts';
export {
  applyRecord,
  judgeRecord,
  verifyRecordSignatures,
  type Judged,
  type OwedSignature,
} from './record-log/machine.ts';
export {
  derivedOrigin,
  OPERATOR_LOG,
  OPERATOR_PERMISSIONS,
  registryOrigin,
  type OperatorEntry,
  type OperatorState,
} from './record-log/operator-log.ts';
export { PACKAGE_LOG, PACKAGE_PERMISSIONS, type PackageEntry, type PackageState } from './record-log/package-log.ts';
export { tryEntry } from './record-log/entry-trial.ts';
export { timeAfter } from './record-log/record-time.ts';
export { replayLog, type ReplayStep } from './record-log/replay.ts';
export {
  cosignContents,
  decodeSignedRecord,
  decodeUnsignedRecord,
  draftRecordJointly,
  encodeRecordContents,
  jointEnvelope,
  keyCountOf,
  signContents,
  signRecord,
  signRecordJointly,
  type JointDraft,
  type RecordDraft,
  type RecordSignature,
  type SignedRecord,
} from './record-log/signed-record.ts';

export { EMPTY_LOG_ROOT, hashLogLeaf } from './merkle/log-hash.ts';
export {
  appendToLog,
  edgeTileCoordinates,
  emptyLogEdge,
  logEdgeFromTiles,
  logRootOfEdge,
  type LogEdge,
  type TileCoordinates,
} from './merkle/log-tile.ts';
export { logRootOfStack, logStackOf, recheckLog, unconfirmed, type LogStack } from './merkle/log-recheck.ts';
export { proveLog, type LogProofRequest } from './merkle/log-proof.ts';
export { hashMapLeaf, mapPath } from './merkle/map-hash.ts';
export { recheckMap } from './merkle/map-recheck.ts';
export { foldMapProof } from './merkle/map-proof.ts';
export { emptyMapRoot, proveMap, updateMap, type MapPageRef, type MapRoot } from './merkle/map-tree.ts';

export {
  CHECKPOINT_AHEAD_SECONDS_MAX,
  checkContinuation,
  checkFreshness,
  checkOperatorPin,
  needsConsistencyProof,
  openCheckpoint,
  operatorInitKey,
  reopenCheckpoint,
  type VerifiedCheckpoint,
} from './verify/checkpoint.ts';
export { checkGovernanceStart } from './verify/governance-start.ts';
export {
  isVoid,
  placesOfRootedness,
  placesOfStart,
  servedRootedness,
  type GovernanceLogs,
  type ServedGovernanceLog,
} from './verify/governance-order.ts';
export {
  checkAbsence,
  checkHeads,
  checkPlaces,
  lengthThatTells,
  standsAt,
  type ClaimedHead,
  type ClaimedPlace,
} from './verify/inclusion.ts';
export type { ServedLog, ServedRecord } from './verify/log-order.ts';
export { isStable, releaseOf, type FetchableRelease } from './verify/release.ts';
export {
  policyInForce,
  rootednessOf,
  rootednessOfStarters,
  takedownInForce,
  type GovernanceStates,
  type Governor,
  type Rootedness,
} from './verify/rootedness.ts';
export type { Verified } from './verify/verified.ts';
