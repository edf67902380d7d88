import { isRegistryError, utf8 } from '@waybill/protocol';
import { parseOciDigest, parseRepository, parseTag, type OciDigest, type RepositoryName } from '@waybill/protocol/oci';
import type { BlobLink, KeptManifest, StoredManifest, StoredReferrer, StoredTag } from '../../core/oci-ports.ts';
import { bytesOf, damagedColumn, numberOf, textOf } from '../sqlite-columns.ts';
import type { SqliteRow, SqliteValue } from '../sqlite-module.ts';

/* Rows to values and back. A column that holds anything unexpected throws `storage/damaged`. */

export function manifestOfRow(row: SqliteRow): KeptManifest {
  return {
    ...referrerOfRow(row),
    repository: repositoryOfRow(row),
    subject: row['subject'] === null ? null : digestOfRow(row, 'subject'),
    pushedAtMs: numberOf(row, 'pushed_at_ms'),
  };
}

export function referrerOfRow(row: SqliteRow): StoredReferrer {
  return {
    digest: digestOfRow(row),
    mediaType: textOf(row, 'media_type'),
    artifactType: row['artifact_type'] === null ? null : textOf(row, 'artifact_type'),
    bytes: bytesOf(row, 'bytes'),
  };
}

/** repository, digest, media_type, subject, artifact_type, pushed_at_ms, bytes. */
export function manifestValues(manifest: StoredManifest): SqliteValue[] {
  const { repository, digest, mediaType, subject, artifactType, pushedAtMs, bytes } = manifest;
  const type = artifactType === null ? null : utf8(artifactType);
  return [repository, digest, utf8(mediaType), subject, type, pushedAtMs, bytes];
}

export function tagOfRow(row: SqliteRow): StoredTag {
  return { tag: parsed(row, 'tag', parseTag), digest: digestOfRow(row) };
}

export function linkOfRow(row: SqliteRow): BlobLink {
  return {
    repository: repositoryOfRow(row),
    digest: digestOfRow(row),
    size: numberOf(row, 'size'),
    linkedAtMs: numberOf(row, 'linked_at_ms'),
  };
}

export function repositoryOfRow(row: SqliteRow): RepositoryName {
  return parsed(row, 'repository', parseRepository);
}

export function digestOfRow(row: SqliteRow, column = 'digest'): OciDigest {
  return parsed(row, column, parseOciDigest);
}

function parsed<T>(row: SqliteRow, column: string, parse: (text: string) => T): T {
  const text = row[column];
  if (typeof text !== 'string') throw damagedColumn(column);
  try {
    return parse(text);
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    throw damagedColumn(column, failure);
  }
}
