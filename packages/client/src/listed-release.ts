import {
  compareVersions,
  formatTimestamp,
  isDigest,
  policyInForce,
  recordIdOf,
  RegistryError,
  type Advisory,
  type AnyHash,
  type ContentClaim,
  type Deprecation,
  type Digest,
  type FetchableRelease,
  type PackageName,
  type Policy,
  type RecordId,
  type Release,
  type VerifiedCheckpoint,
  type VersionText,
} from '@waybill/protocol';
import { requireClaim } from './content-claim.ts';
import { custodialAccount } from './custody.ts';
import { requireRooted, requireStanding, takedownText, unrootedText } from './governance-refusal.ts';
import type { TakedownInForce, VerifiedPackage } from './governance-view.ts';
import type { VerifiedView } from './registry-client.ts';
import { advisoryText, warningsAbout, type ResolvedRelease } from './requirement.ts';

/** A release as the log of its package says under a verified head. Times are texts of ISO 8601 in UTC. */
export interface ListedRelease {
  readonly version: VersionText;
  readonly digest: AnyHash;
  /** What the release says of its content; `null` where it says nothing, as in a package of version 0. */
  readonly size: number | null;
  readonly mediaType: string | null;
  /** Key id or role of whoever signed it, and the time that the record says. */
  readonly releasedBy: string;
  /** The account for which the registry's gateway signed it, as its record says; `null` where its author did. */
  readonly onBehalfOf: string | null;
  readonly releasedAt: string;
  readonly recordId: RecordId;
  /** Where the record stands in the log of the whole registry. */
  readonly registryIndex: number;
  /** Whether that was proven: a package's newest record is, an older one has the index that the registry claims. */
  readonly isIndexProven: boolean;
  /** `null` while it is not yanked. */
  readonly yanked: { readonly by: string; readonly at: string; readonly reason: string } | null;
  /** `null` where nothing of the kind is said. */
  readonly deprecation: Deprecation | null;
  /** Those that affect it. */
  readonly advisories: readonly Advisory[];
  /** Its content is taken down, and given to nobody; `null` where it is not. */
  readonly takedown: TakedownInForce | null;
}

/** A package under a verified head. */
export interface ListedPackage {
  readonly name: PackageName;
  /** Why none of its releases is given: somebody started it who might not. `null` where that is not so. */
  readonly unrooted: string | null;
  /** Whether the policy in force asks of a version to be enough of a step for what changed in its interface. */
  readonly interfaceSteps: Policy['interfaceSteps'];
  /** The newest version first, yanked ones too. */
  readonly releases: readonly ListedRelease[];
  readonly checkpoint: VerifiedCheckpoint;
}

/** What whoever takes a release should be told. `text` is for a person; `version` is what it is about. */
export type ReleaseWarning = { readonly version: VersionText; readonly text: string } & (
  | { readonly kind: 'yanked'; readonly reason: string }
  | { readonly kind: 'deprecated'; readonly deprecation: Deprecation }
  | { readonly kind: 'advisory'; readonly advisory: Advisory }
  /** A newer one that matches, and was not taken. */
  | {
      readonly kind: 'passed over';
      readonly advisories: readonly Advisory[];
      readonly takedown: TakedownInForce | null;
    }
  /** Its content says that it is another package or version: told when it is got. */
  | { readonly kind: 'contradicted' }
);

/** A release that was chosen. */
export interface FoundRelease {
  readonly package: PackageName;
  readonly release: ListedRelease & { readonly digest: Digest };
  readonly warnings: readonly ReleaseWarning[];
  readonly checkpoint: VerifiedCheckpoint;
}

/** A release that was found by its content. It was not chosen: nothing says yet whether anybody may have it. */
export interface HoldingRelease {
  readonly package: PackageName;
  readonly release: ListedRelease;
  /** Why no release of the package is given; `null` where that is not so. */
  readonly unrooted: string | null;
}

/** The package under the head of a view. Throws `log/not-found`, saying whether that was proven. */
export function requirePackage({ packages, absent }: VerifiedView, name: PackageName): VerifiedPackage {
  const found = packages.get(name);
  if (found !== undefined) return found;
  const how = absent.get(name) === 'proven' ? 'proven by its map' : 'so it says; not proven';
  throw new RegistryError('log/not-found', `the registry has no package ${name} (${how})`, { proven: how });
}

export function listPackage(log: VerifiedPackage, checkpoint: VerifiedCheckpoint): ListedPackage {
  const { name, state } = log;
  const places = placesOf(log);
  const releases = [...state.bindings.values()].toSorted((a, b) => compareVersions(b.version, a.version));
  return {
    name,
    unrooted: unrootedOf(log),
    interfaceSteps: policyInForce(log.governance)?.interfaceSteps ?? 'free',
    releases: releases.map((release) => listRelease(log, release, places)),
    checkpoint,
  };
}

export function heldRelease(log: VerifiedPackage, release: Release): HoldingRelease {
  return { package: log.name, release: listRelease(log, release, placesOf(log)), unrooted: unrootedOf(log) };
}

function unrootedOf({ name, rootedness }: VerifiedPackage): string | null {
  return rootedness.verdict === 'unrooted' ? unrootedText(name, rootedness) : null;
}

export function foundRelease(
  log: VerifiedPackage,
  { release, content, passedOver }: Omit<ResolvedRelease, 'deprecation' | 'advisories'>,
  checkpoint: VerifiedCheckpoint,
): FoundRelease {
  const listed = { ...listRelease(log, release, placesOf(log)), digest: content };
  const warnings = [...warningsOf(log.name, listed), ...passedOver.map((one) => passedOverWarning(log.name, one))];
  return { package: log.name, release: listed, warnings, checkpoint };
}

/**
 * The newest release whose content has this digest, of those that are not yanked. Throws `content/digest`,
 * `content/taken-down`, `governance/unrooted`.
 */
export function releaseWithDigest(log: VerifiedPackage, digest: Digest): FetchableRelease {
  requireRooted(log);
  const releases = [...log.state.bindings.values()].filter(
    ({ state, content }) => state.status === 'released' && content === digest,
  );
  const [release] = releases.toSorted((a, b) => compareVersions(b.version, a.version));
  if (release === undefined) {
    const message = `no release of ${log.name} that is not yanked has these bytes (${digest})`;
    throw new RegistryError('content/digest', message, { found: digest });
  }
  requireStanding(log, digest, `${log.name}@${release.version}`);
  return { release, content: digest };
}

/** Throws as {@link requireClaim}. */
export async function requireListedClaim(
  name: PackageName,
  release: Pick<ListedRelease, 'version' | 'size' | 'mediaType'>,
  bytes: Uint8Array,
): Promise<void> {
  await requireClaim(name, { version: release.version, claim: claimOf(release) }, whole(bytes));
}

/** What a release says of its content. */
export function claimOf({ size, mediaType }: Pick<ListedRelease, 'size' | 'mediaType'>): ContentClaim | null {
  return size === null || mediaType === null ? null : { size, mediaType };
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

/** Record id → registry index. */
function placesOf({ records }: VerifiedPackage): ReadonlyMap<RecordId, number> {
  return new Map(
    records.map(({ envelope, registryIndex }) => [recordIdOf('package', envelope.contents), registryIndex]),
  );
}

function listRelease(log: VerifiedPackage, release: Release, places: ReadonlyMap<RecordId, number>): ListedRelease {
  const { version, content, claim, by, time, recordId, state } = release;
  const registryIndex = places.get(recordId);
  if (registryIndex === undefined) throw new TypeError('a release without its record');
  const { deprecation, advisories } = warningsAbout(log, version);
  return {
    version,
    digest: content,
    size: claim?.size ?? null,
    mediaType: claim?.mediaType ?? null,
    releasedBy: by,
    onBehalfOf: custodialAccount(log, release),
    releasedAt: formatTimestamp(time),
    recordId,
    registryIndex,
    isIndexProven: log.state.head?.id === recordId,
    yanked: state.status === 'yanked' ? { by: state.by, at: formatTimestamp(state.time), reason: state.reason } : null,
    deprecation: deprecation?.body ?? null,
    advisories: advisories.map(({ body }) => body),
    takedown: isDigest(content) ? log.takedownOf(content) : null,
  };
}

function warningsOf(name: PackageName, { version, yanked, deprecation, advisories }: ListedRelease): ReleaseWarning[] {
  const what = `${name}@${version}`;
  const warnings: ReleaseWarning[] = advisories.map((advisory) => {
    return { kind: 'advisory', version, advisory, text: `${what} is affected by ${advisoryText({ body: advisory })}` };
  });
  if (deprecation !== null) {
    warnings.unshift({ kind: 'deprecated', version, deprecation, text: `${what} is ${deprecationText(deprecation)}` });
  }
  if (yanked !== null) {
    const { reason } = yanked;
    warnings.unshift({ kind: 'yanked', version, reason, text: `${what} was yanked${reason && `: ${reason}`}` });
  }
  return warnings;
}

function deprecationText({ message, successor }: Deprecation): string {
  return `deprecated${message === null ? '' : `: ${message}`}${successor === null ? '' : `; use ${successor} instead`}`;
}

function passedOverWarning(
  name: PackageName,
  { version, advisories, takedown }: ResolvedRelease['passedOver'][number],
): ReleaseWarning {
  const bodies = advisories.map(({ body }) => body);
  const affected = advisories.map((advisory) => `affected by ${advisoryText(advisory)}`);
  const why = takedown === null ? affected.join(', ') : takedownText(name, takedown);
  const text = `${name}@${version}, which is newer, is ${why}`;
  return { kind: 'passed over', version, advisories: bodies, takedown, text };
}
