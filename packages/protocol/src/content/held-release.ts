import { parseJson, type JsonValue } from '../bytes/json.ts';
import { RegistryError } from '../errors.ts';
import { parseRecordId, type RecordId } from '../names/log-id.ts';
import { parsePackageName, type PackageName } from '../names/package-name.ts';
import { parseVersion, type VersionText } from '../names/version.ts';
import type { ClaimedKind } from './kind.ts';

/** A release whose content is the one that was asked for, as a registry says. */
export interface HeldRelease {
  readonly package: PackageName;
  readonly version: VersionText;
  readonly recordId: RecordId;
  readonly registryIndex: number;
  readonly kind: ClaimedKind;
  /** Where the release says them. */
  readonly mediaType?: string;
  readonly size?: number;
}

/** One page of them (spec/http.md 4.22). */
export interface HeldReleases {
  readonly logLength: number;
  readonly releases: readonly HeldRelease[];
  /** Where to go on; `null` at the end. */
  readonly next: string | null;
}

/** What is used of a page: the rest is read from the logs, which prove it. */
export interface ClaimedReleases {
  readonly releases: readonly Pick<HeldRelease, 'package' | 'version' | 'recordId'>[];
  readonly next: string | null;
}

/** Releases in one answer that are read. */
export const HELD_RELEASES_READ_MAX = 1_000;

export function heldReleasesBody({ logLength, releases, next }: HeldReleases): JsonValue {
  return { logLength, releases: releases.map((release) => ({ ...release })), next };
}

/** Throws `wire/json`, `wire/shape`. */
export function decodeHeldReleases(source: Uint8Array): ClaimedReleases {
  const { releases, next } = objectOf(parseJson(source));
  if (!Array.isArray(releases) || releases.length > HELD_RELEASES_READ_MAX) {
    throw refused(`a list of at most ${HELD_RELEASES_READ_MAX} releases is expected`);
  }
  if (next !== null && typeof next !== 'string') throw refused('`next` is a text or null');
  return { releases: releases.map(releaseOf), next };
}

function releaseOf(value: JsonValue): ClaimedReleases['releases'][number] {
  const { package: name, version, recordId } = objectOf(value);
  if (typeof name !== 'string' || typeof version !== 'string' || typeof recordId !== 'string') {
    throw refused('a release has the texts `package`, `version` and `recordId`');
  }
  try {
    return { package: parsePackageName(name), version: parseVersion(version), recordId: parseRecordId(recordId) };
  } catch (cause) {
    throw refused('a release has a package, a version or a record id that is none', cause);
  }
}

function objectOf(value: JsonValue): { readonly [key: string]: JsonValue | undefined } {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw refused('an object is expected');
}

function refused(why: string, cause?: unknown): RegistryError {
  return new RegistryError('wire/shape', `unexpected JSON: ${why}`, {}, { cause });
}
