export { ociDigestOf } from './oci-digest.ts';
export {
  algorithmOf,
  isOciAlgorithm,
  packageOf,
  parseOciDigest,
  parseReference,
  parseRepository,
  parseTag,
  REPOSITORY_LENGTH_MAX,
  repositoryOf,
  tagOf,
  versionOf,
  type OciAlgorithm,
  type OciDigest,
  type OciReference,
  type RepositoryName,
  type TagName,
} from './oci-names.ts';
export {
  MANIFEST_ANNOTATIONS_MAX,
  MANIFEST_BYTES_MAX,
  MANIFEST_DESCRIPTORS_MAX,
  readManifest,
  referrerType,
  type OciDescriptor,
  type ReadManifest,
} from './manifest.ts';
export { MANIFEST_MEDIA_TYPES, manifestSortOf, OCI_MEDIA_TYPE, type ManifestSort } from './media-types.ts';
export { referrersIndex, type ListedManifest } from './referrers.ts';
export { formatScopes, parseScope, parseScopes, SCOPES_MAX, type OciScope, type OciScopeAction } from './scopes.ts';
export {
  EMPTY_CONFIG,
  releaseManifest,
  type ReleaseContent,
  type ReleaseFacts,
  type ReleaseFile,
  type ReleaseManifest,
} from './release-manifest.ts';
export { ReleaseOutlineReader, type ReleaseOutline } from './release-outline.ts';
export {
  annotationReferrer,
  logProofReferrer,
  type ReferredManifest,
  type ReferrerManifest,
  type ReleaseAnnotation,
  type ReleaseProof,
} from './release-referrers.ts';
export { isTreeRelease, ReleaseContentReader } from './release-content.ts';
export { LOG_PROOF_BYTES_MAX, readLogProofUnverified } from './log-proof.ts';
