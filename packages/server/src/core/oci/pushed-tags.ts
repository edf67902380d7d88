import { RegistryError, type PackageName, type VersionText } from '@waybill/protocol';
import { versionOf, type TagName } from '@waybill/protocol/oci';
import { PUSHED_TAGS_MAX } from '../limits.ts';
import type { ManifestPush } from './oci-registry.ts';

/** What the tags of a push ask for. */
export interface PushedTags {
  readonly all: readonly TagName[];
  readonly versions: readonly VersionText[];
  readonly latest: boolean;
  /** Of clients that know no referrers: `sha256-…`. They are kept beside the log. */
  readonly beside: readonly TagName[];
  /** Whether a release is asked for. */
  readonly isRelease: boolean;
}

const LATEST = 'latest';
const REFERRERS_TAG = /^sha256-[0-9a-f]{64}(?:$|[._-])/;

/** Throws `oci/denied` for tags that a package does not have, `oci/tag` for too many. */
export function pushedTags(
  name: PackageName,
  { reference, tags }: Pick<ManifestPush, 'reference' | 'tags'>,
): PushedTags {
  const all = [...new Set([...('tag' in reference ? [reference.tag] : []), ...tags])];
  if (all.length > PUSHED_TAGS_MAX) throw new RegistryError('oci/tag', `more than ${PUSHED_TAGS_MAX} tags in one push`);
  const versions: VersionText[] = [];
  const beside: TagName[] = [];
  for (const tag of all) {
    const version = versionOf(tag);
    if (version !== null) versions.push(version);
    else if (REFERRERS_TAG.test(tag)) beside.push(tag);
    else if (tag !== LATEST) throw noVersion(name, tag);
  }
  const latest = all.some((tag) => tag === LATEST);
  const isRelease = latest || versions.length > 0;
  if (isRelease && beside.length > 0) {
    throw new RegistryError('oci/denied', `one push to ${name} is a release or an attachment, not both`);
  }
  return { all, versions, latest, beside, isRelease };
}

function noVersion(name: PackageName, tag: TagName): RegistryError {
  const message = `${name} is a package, whose tags are its versions, and ${tag} is none: push it as 1.2.3, or to a repository that is no package`;
  return new RegistryError('oci/denied', message, { tag });
}
