import {
  namespaceOf,
  packageLogId,
  parseDigest,
  RegistryError,
  type Digest,
  type ImportNote,
  type PackageName,
  type PackageState,
} from '@waybill/protocol';
import {
  algorithmOf,
  ociDigestOf,
  packageOf,
  readManifest,
  referrerType,
  type OciDescriptor,
  type OciDigest,
  type OciReference,
  type ReadManifest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { accountOf, requireScope } from '../access.ts';
import type { ContentPolicy } from '../content.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { GovernanceGate } from '../governance-gate.ts';
import { PUSHED_CONFIG_BYTES_READ_MAX } from '../limits.ts';
import type { BlobStore, OciStore, StoredManifest } from '../oci-ports.ts';
import type { Clock, ContentStore } from '../ports.ts';
import type { StateCaches } from '../state-caches.ts';
import type { ManifestPush, OciCaller, OciPushing, PushedManifest } from './oci-registry.ts';
import { examineContent, refused, type PushedBytes } from './pushed-content.ts';
import { layersOf, requireLabelsAgree, type PushedLayers } from './pushed-layers.ts';
import {
  keptFirst,
  speechFor,
  versionsNamed,
  versionsToRelease,
  type ReleasePlan,
  type ReleaseSource,
} from './pushed-release.ts';
