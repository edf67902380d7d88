/* The client, for any platform: what it needs of one comes as arguments. Node's parts are in `@waybill/client/node`. */

export { encodeDraft } from './annotation-draft.ts';
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
export { fetchContent, type ContentFetchParts } from './content-fetch.ts';
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
  Clock,
  ContentCache,
  ContentWriter,
  LogCache,
  Random,
  RememberedRegistry,
  TrustRevision,
  TrustStore,
} from './ports.ts';
export { judgedAs } from './log-refusal.ts';
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
export { authorOf, type Author } from './record-author.ts';
export { findRecord, sendGovernanceRecord, sendOperatorRecord } from './record-sending.ts';
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
  resolveRelease,
  type AdvisoryPolicy,
  type PassedOver,
  type Requirement,
  type ResolvableLog,
  type ResolvedRelease,
  type Warnings,
} from './requirement.ts';
export {
  isLoopbackHost,
  parseRegistryUrl,
  Transport,
  TRANSPORT_LIMITS,
  type Exchange,
  type Fetch,
  type TransportLimits,
} from './transport.ts';
