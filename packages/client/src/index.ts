export { authorOf, encodeDraft, type Author } from '@waybill/protocol/author';
/* The client, for any platform: what it needs of one comes as arguments. Node's parts are in `@waybill/client/node`. */

export {
  CARRIED_BYTES_MAX,
  envelopeOf,
  formatCarried,
  isComplete,
  mergeCarried,
  missingSigners,
  parseCarried,
  readCarried,
  signCarried,
  verifyCarried,
  type CarriedEntries,
  type CarriedKind,
  type CarriedLogs,
  type CarriedRecord,
} from './carried-record.ts';
export { claimCheck, readCached, requireClaim, type ClaimCheck } from './content-claim.ts';
export { lookUpContent, LOOKUP_RELEASES_MAX, type ContentFound } from './content-lookup.ts';
export { fetchContent, fetchContentUpTo } from './content-fetch.ts';
export { writeVerified } from './verified-write.ts';
export type { ContentFetchParts } from './parts-fetch.ts';
export { governanceLogText, requireRooted, requireStanding, takedownText, unrootedText } from './governance-refusal.ts';
export type { TakedownInForce, VerifiedGovernance, VerifiedPackage } from './governance-view.ts';
export {
  checkGovernanceRecord,
  draftGovernanceRecord,
  requireDeciding,
  type GovernancePlace,
  type GovernanceSpeech,
} from './governance-author.ts';
export type {
  CachedContent,
  Clock,
  ContentCache,
  ContentWriter,
  LogCache,
  PartsCache,
  Random,
  RememberedRegistry,
  TrustRevision,
  TrustStore,
} from './ports.ts';
export { claimPackage, type ClaimedPackage, type ClaimParts } from './claim.ts';
export { custodialAccount, custodyText, requireAuthor } from './custody.ts';
export { InnerName } from './inner-name.ts';
export { judgedAs } from './log-refusal.ts';
export { ociManifestOf, type ReleaseForOci } from './oci-manifest.ts';
export {
  contentNamedBy,
  draftPublish,
  publish,
  publishSigned,
  type PublishedPlan,
  type PublishParts,
  type PublishPlan,
  type SignedPlan,
} from './publish.ts';
export {
  releaseWithDigest,
  requirePackage,
  type FoundRelease,
  type HoldingRelease,
  type ListedPackage,
  type ListedRelease,
  type ReleaseWarning,
} from './listed-release.ts';
export { MEMORY_LIMITS, openMemory, type MemoryLimits, type RegistryMemory, type ShortMemory } from './memory.ts';
export {
  open,
  Registry,
  type FetchedCode,
  type FetchedRelease,
  type FindOptions,
  type GetOptions,
  type OpenOptions,
  type ReleasesWithContent,
} from './open.ts';
export { findRecord, sendGovernanceRecord, sendOperatorRecord } from './record-sending.ts';
export { readCode, readContent, type ContentBytesParts } from './project/content-bytes.ts';
export { surveyContent } from './project/content-survey.ts';
export { formatLock, LOCK_FILE, parseLock, type LockedRelease, type ProjectLock } from './project/lock-file.ts';
export { MANIFEST_FILE, parseManifest, withDependency, type Manifest } from './project/manifest.ts';
export {
  chooseReleases,
  isUpToDate,
  lockChanges,
  requireAgreement,
  wayTo,
  type ChoiceParts,
  type LockChanges,
  type ProjectChoice,
} from './project/project-choice.ts';
export { verifyLock, type ProvenLock } from './project/project-lock.ts';
export { askedFor, projectNeeds, type ProjectWishes } from './project/project-needs.ts';
export {
  ProjectSource,
  type ContentReader,
  type ContentSurvey,
  type ProjectSourceParts,
} from './project/project-source.ts';
export {
  formatWkgLock,
  parseWkgLock,
  parseWkgManifest,
  WKG_LOCK_FILE,
  WKG_MANIFEST_FILE,
  type WkgLocked,
  type WkgOverride,
} from './project/wkg-files.ts';
export { wkgConfigWith, wkgHost, type WkgConfigChange, type WkgRegistry } from './project/wkg-config.ts';
export { wkgLockOf, type WkgLockParts, type WkgNeed } from './project/wkg-needs.ts';
export {
  needText,
  releaseText,
  type PackageNeed,
  type PackageReleases,
  type PackageSource,
  type ReleaseId,
} from './resolve/package-source.ts';
export { resolveProject, RESOLUTION_MS_MAX, type ChosenRelease, type Resolution } from './resolve/resolution.ts';
export { RESOLUTION_DEPTH_MAX, RESOLUTION_PACKAGES_MAX } from './resolve/slot-table.ts';
export { parseBearerToken, type BearerToken } from './bearer-token.ts';
export { RegistryApi, type TokenSource } from './registry-api.ts';
export {
  CHECKPOINT_AGE_SECONDS_MAX,
  originOf,
  RegistryClient,
  type GovernanceLook,
  type RegistryClientParts,
  type VerifiedView,
} from './registry-client.ts';
export {
  advisoryText,
  parseRequirement,
  releasesOf,
  parseTarget,
  resolveRelease,
  type AdvisoryPolicy,
  type PassedOver,
  type Requirement,
  type ResolvableLog,
  type ResolvablePackage,
  type ResolvedRelease,
  type Target,
  type Warnings,
} from './requirement.ts';
export {
  isLoopbackHost,
  parseRegistryUrl,
  Transport,
  TRANSPORT_LIMITS,
  type BodySource,
  type Exchange,
  type Fetch,
  type IncomingBody,
  type TransportLimits,
} from './transport.ts';
export { compareTrees, type FileDifference, type FileFate } from './tree-comparison.ts';
export {
  fetchTreeFiles,
  fetchTreeIndex,
  isTreeClaim,
  selectFiles,
  type TreeFetchParts,
  type TreeSelection,
} from './tree-fetch.ts';
