import {
  RegistryError,
  type Digest,
  type PackageName,
  type RecordId,
  type Release,
  type VerifiedCheckpoint,
  type VersionText,
} from '@waybill/protocol';
import type { ClaimedReleases } from '@waybill/protocol/content';
import type { VerifiedPackage } from './governance-view.ts';
import type { RegistryClient, VerifiedView } from './registry-client.ts';

/** Releases that are looked at; of one content there are seldom more, and each may be of another log. */
export const LOOKUP_RELEASES_MAX = 200;

/** The releases that hold a content, each read from a log that was proven under one head. */
export interface ContentFound {
  readonly found: readonly { readonly log: VerifiedPackage; readonly release: Release }[];
  /** False where the registry names more than {@link LOOKUP_RELEASES_MAX}. */
  readonly isWhole: boolean;
  readonly checkpoint: VerifiedCheckpoint;
}

type Claim = ClaimedReleases['releases'][number];

/**
 * Asks the registry who holds a content, and believes it in nothing: each release that it names is read from its log. Throws
 * `registry/protocol` for one that is not there, is of another record, or holds something else; `request/unsupported` of a registry
 * that does not look up; and as {@link RegistryClient.view}.
 */
export async function lookUpContent(client: RegistryClient, digest: Digest): Promise<ContentFound> {
  const { claims, isWhole } = await client.reading(() => claimsOf(client, digest));
  const names = new Set(claims.map(({ package: name }) => name));
  const view = await client.view([...names]);
  const found = await client.reading(async () => claims.map((claim) => provenRelease(view, claim, digest)));
  return { found, isWhole, checkpoint: view.checkpoint };
}

async function claimsOf(
  client: RegistryClient,
  digest: Digest,
): Promise<{ readonly claims: readonly Claim[]; readonly isWhole: boolean }> {
  const claims = new Map<string, Claim>();
  for (let after: string | null = null; ;) {
    const page: ClaimedReleases | null = await client.api.heldReleases(digest, after);
    if (page === null) throw unsupported();
    for (const claim of page.releases) {
      if (claims.size === LOOKUP_RELEASES_MAX) return { claims: [...claims.values()], isWhole: false };
      const key = `${claim.package}@${claim.version}`;
      if (claims.has(key)) throw lie(`the registry names ${key} twice for one content`);
      claims.set(key, claim);
    }
    if (page.next === null) return { claims: [...claims.values()], isWhole: true };
    if (page.releases.length === 0) throw lie('the registry promises more releases, and names none');
    after = page.next;
  }
}

function provenRelease(
  { packages }: VerifiedView,
  { package: name, version, recordId }: Claim,
  digest: Digest,
): ContentFound['found'][number] {
  const what = `the registry says that ${name}@${version} holds ${digest}`;
  const log = packages.get(name);
  if (log === undefined) throw lie(`${what}, but has no package ${name}`, { package: name });
  const release = releaseOf(log, version);
  if (release === null) throw lie(`${what}, but the log of ${name} has no such release`, { package: name });
  if (release.content !== digest)
    throw lie(`${what}, but the log of ${name} says ${release.content}`, { package: name });
  if (release.recordId !== recordId) throw lie(`${what} by record ${recordId}, but it is by ${release.recordId}`);
  return { log, release };
}

/** By the text of its version: two that differ in build metadata alone are two releases. */
function releaseOf({ state }: VerifiedPackage, version: VersionText): Release | null {
  return state.bindings.get(version) ?? null;
}

function lie(
  message: string,
  detail: { readonly package?: PackageName; readonly recordId?: RecordId } = {},
): RegistryError {
  return new RegistryError('registry/protocol', message, detail);
}

function unsupported(): RegistryError {
  const message =
    'this registry does not look up releases by their content: name the package, as in waybill verify FILE --package ns:name';
  return new RegistryError('request/unsupported', message);
}
