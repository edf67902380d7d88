import {
  annotationBody,
  digestOf,
  findRefusal,
  RegistryError,
  timestampFromMs,
  type AnnotationDraft,
  type ContentClaim,
  type Digest,
  type ImportNote,
  type JosePrivateKey,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type VersionText,
} from '@waybill/protocol';
import type { RecordSpeech } from '@waybill/protocol/author';
import { tagOf } from '@waybill/protocol/oci';
import { IMPORT_ACCOUNT } from '../access.ts';
import { gatewayRefusal } from '../gateway/gateway-standing.ts';
import { latestVersion } from './latest-version.ts';
import { TREE_MEDIA_TYPE } from './pushed-layers.ts';
import type { PushedTags } from './pushed-tags.ts';

/** Which versions of a package are to have a content. */
export interface ReleasePlan {
  readonly name: PackageName;
  readonly tags: PushedTags;
  readonly content: Digest;
}

/** Those that are not released yet; none when all is as the push wants it. Throws `oci/immutable`: SECURITY.md O1. */
export function versionsToRelease(
  { bindings }: PackageState,
  { name, tags, content }: ReleasePlan,
): readonly VersionText[] {
  const open = tags.versions.filter((version) => {
    const release = bindings.get(version);
    if (release === undefined) return true;
    if (release.content === content) return false;
    throw immutable(
      `${name}@${version} is released with other content, and a version never changes: push a new version`,
    );
  });
  if (!tags.latest) return open;
  const latest = latestVersion([...standingVersions(bindings), ...open]);
  const isThis = latest !== null && (open.includes(latest) || bindings.get(latest)?.content === content);
  if (isThis) return open;
  const what = latest === null ? 'nothing is released yet' : `it stands for ${latest}`;
  throw immutable(`latest of ${name} is computed, and ${what}: push a version, and latest moves by itself`);
}

/** Whose release it is, where it is not its signer's. */
export type ReleaseSource = { readonly account: string } | { readonly origin: ImportNote };

/** The versions that a push is about: where it has the tag `latest` alone, the one that this stands for. */
export function versionsNamed({ bindings }: PackageState, { tags }: ReleasePlan): readonly VersionText[] {
  if (tags.versions.length > 0) return tags.versions;
  const latest = latestVersion(standingVersions(bindings));
  return latest === null ? [] : [latest];
}

function standingVersions(bindings: PackageState['bindings']): VersionText[] {
  return [...bindings.values()].filter(({ state }) => state.status === 'released').map(({ version }) => version);
}

/** All that a record of the gateway says of a push. */
export interface PushedRelease extends ReleasePlan {
  readonly key: JosePrivateKey;
  /** That may be claimed, the most particular one first. */
  readonly mediaTypes: readonly string[];
  /** Of the content. */
  readonly size: number;
  readonly source: ReleaseSource;
  /** The bytes that the tags are to show. */
  readonly manifest: Uint8Array;
}

/** What to say next in the log; `null` where another push has said it. Throws `oci/immutable`, `oci/gateway`. */
export function speechFor(state: PackageState, release: PushedRelease): RecordSpeech | null {
  const { content, source, manifest } = release;
  const versions = versionsToRelease(state, release);
  if (versions.length === 0) return null;
  const entries = versions.map((version): PackageEntry => {
    const claim = claimFor(state, version, release);
    return claim === null ? { type: 'release', version, content } : { type: 'release', version, content, claim };
  });
  const pushed = annotationBody({ digest: digestOf(manifest), size: manifest.length });
  return {
    entries,
    annotations: [
      ...sourceAnnotations(source, versions),
      ...versions.map((version) => ({ type: 'oci-manifest', version, body: pushed })),
    ],
  };
}

/** What is imported is signed for nobody here, and no author's either. */
function sourceAnnotations(source: ReleaseSource, versions: readonly VersionText[]): readonly AnnotationDraft[] {
  const account = 'account' in source ? source.account : IMPORT_ACCOUNT;
  const onBehalf = { type: 'on-behalf', body: annotationBody({ account }) };
  if ('account' in source) return [onBehalf];
  const { tag, ...origin } = source.origin;
  const body = annotationBody(tag === null ? origin : { ...origin, tag });
  return [onBehalf, ...versions.map((version) => ({ type: 'imported-from', version, body }))];
}

/** `null` in version 0, which says nothing of content. */
function claimFor(
  state: PackageState,
  version: VersionText,
  { name, mediaTypes, size, key }: PushedRelease,
): ContentClaim | null {
  const [first = 'application/wasm'] = mediaTypes;
  const isTree = first === TREE_MEDIA_TYPE;
  if (state.root === null) {
    if (!isTree) return null;
    if (state.length === 0) return { mediaType: first, size };
    throw gatewayRefusal(
      name,
      `${name} is of version 0, whose releases cannot be trees`,
      ' after waybill claim and waybill upgrade',
    );
  }
  const signers = new Set([key.publicKey.id]);
  const time = state.head?.time ?? timestampFromMs(0);
  const allowed = mediaTypes.find((mediaType) => {
    const act = { permission: 'release', time, version, claim: { mediaType, size } } as const;
    return [null, ...state.grants.keys()].some((under) => findRefusal(state, { signers, under }, act) === null);
  });
  // Where none is allowed, what refuses the first tells why.
  return { mediaType: allowed ?? first, size };
}

/** A push that changes nothing shows another manifest than its tags do. */
export function keptFirst(name: PackageName, { versions }: PushedTags): string | null {
  const [version] = versions;
  return version === undefined
    ? null
    : `${name} has this version already: ${tagOf(version)} shows the manifest that came first`;
}

function immutable(message: string): RegistryError {
  return new RegistryError('oci/immutable', message);
}
