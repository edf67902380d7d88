import { utf8 } from '@waybill/protocol';
import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import type { BlobRows, NamePage, OciReader, OciSweepReader } from '../../core/oci-ports.ts';
import { bytesOf, numberOf } from '../sqlite-columns.ts';
import type { SqliteValue } from '../sqlite-module.ts';
import type { OciConnection } from './oci-connection.ts';
import { digestOfRow, linkOfRow, manifestOfRow, referrerOfRow, repositoryOfRow, tagOfRow } from './oci-rows.ts';

const REFERRER =
  'SELECT digest, media_type, artifact_type, bytes FROM manifests WHERE repository = ?1 AND subject = ?2';

const SQL = {
  manifest: 'SELECT * FROM manifests WHERE repository = ? AND digest = ?',
  hasManifest: 'SELECT 1 FROM manifests WHERE repository = ? AND digest = ?',
  tag: 'SELECT digest FROM tags WHERE repository = ? AND tag = ?',
  tags: 'SELECT tag, digest FROM tags WHERE repository = ? AND tag > ? ORDER BY tag LIMIT ?',
  referrers: `${REFERRER} AND digest > ?3 ORDER BY digest LIMIT ?4`,
  referrersOfType: `${REFERRER} AND artifact_type = ?5 AND digest > ?3 ORDER BY digest LIMIT ?4`,
  link: 'SELECT * FROM links WHERE repository = ? AND digest = ?',
  linked: 'SELECT repository FROM links WHERE digest = ? AND repository > ? ORDER BY repository LIMIT ?',
  // Three steps in three indexes, whatever a repository has.
  repositoryAfter: `SELECT min(name) AS repository FROM (
    SELECT min(repository) AS name FROM manifests WHERE repository > ?1
    UNION ALL SELECT min(repository) FROM tags WHERE repository > ?1
    UNION ALL SELECT min(repository) FROM links WHERE repository > ?1)`,
  hasRepository: `SELECT EXISTS (SELECT 1 FROM manifests WHERE repository = ?1)
    OR EXISTS (SELECT 1 FROM tags WHERE repository = ?1) OR EXISTS (SELECT 1 FROM links WHERE repository = ?1) AS has`,
  loose: `SELECT repository, digest, size, linked_at_ms FROM links WHERE is_named = 0 AND linked_at_ms < ?1
    AND (linked_at_ms, repository, digest) > (?2, ?3, ?4) ORDER BY linked_at_ms, repository, digest LIMIT ?5`,
  isLinked: 'SELECT 1 FROM links WHERE digest = ? LIMIT 1',
} as const;

const BLOB_SQL = {
  find: 'SELECT length(bytes) AS size, kept_at_ms FROM blobs WHERE digest = ?',
  read: 'SELECT bytes FROM blobs WHERE digest = ?',
  list: 'SELECT digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?',
} as const;

/** Comes before all names. */
const BEFORE_ALL = '';

/** What can be read through a connection; each call is synchronous, so that it sees committed data only. */
export function readsOf(connection: OciConnection): OciReader & OciSweepReader {
  const one = (name: keyof typeof SQL, ...values: SqliteValue[]): ReturnType<OciConnection['one']> =>
    connection.read(() => connection.one(SQL[name], ...values));
  const all = (name: keyof typeof SQL, ...values: SqliteValue[]): ReturnType<OciConnection['all']> =>
    connection.read(() => connection.all(SQL[name], ...values));
  return {
    readManifest: async (repository, digest) => {
      const row = one('manifest', repository, digest);
      return row && manifestOfRow(row);
    },
    hasManifest: async (repository, digest) => one('hasManifest', repository, digest) !== null,
    readTag: async (repository, tag) => {
      const row = one('tag', repository, tag);
      return row && digestOfRow(row);
    },
    listTags: async (repository, { after, limit }) => all('tags', repository, after ?? BEFORE_ALL, limit).map(tagOfRow),
    listReferrers: async (repository, { subject, artifactType, after, limit }) => {
      const page = [repository, subject, after ?? BEFORE_ALL, limit];
      const rows =
        artifactType === null ? all('referrers', ...page) : all('referrersOfType', ...page, utf8(artifactType));
      return rows.map(referrerOfRow);
    },
    readLink: async (repository, digest) => {
      const row = one('link', repository, digest);
      return row && linkOfRow(row);
    },
    listLinked: async (digest, { after, limit }) =>
      all('linked', digest, after ?? BEFORE_ALL, limit).map(repositoryOfRow),
    listRepositories: async (page) => connection.snapshot(() => listRepositories(connection, page)),
    hasRepository: async (repository) => one('hasRepository', repository)?.['has'] === 1,
    listLooseLinks: async (beforeMs, { after, limit }) => {
      const place = after === null ? [0, BEFORE_ALL, BEFORE_ALL] : [after.linkedAtMs, after.repository, after.digest];
      return all('loose', beforeMs, ...place, limit).map(linkOfRow);
    },
    isLinked: async (digest: OciDigest) => one('isLinked', digest) !== null,
  };
}

/** As {@link readsOf}. */
export function blobReadsOf(connection: OciConnection): Pick<BlobRows, 'find' | 'read' | 'list'> {
  return {
    find: async (digest) => {
      const row = connection.read(() => connection.one(BLOB_SQL.find, digest));
      return row && { size: numberOf(row, 'size'), keptAtMs: numberOf(row, 'kept_at_ms') };
    },
    read: async (digest) => readBlobRow(connection, digest),
    list: async (after, limit) =>
      connection.read(() => connection.all(BLOB_SQL.list, after ?? BEFORE_ALL, limit)).map((row) => digestOfRow(row)),
  };
}

export function readBlobRow(connection: OciConnection, digest: OciDigest): Uint8Array | null {
  const row = connection.read(() => connection.one(BLOB_SQL.read, digest));
  return row && bytesOf(row, 'bytes');
}

function listRepositories(connection: OciConnection, { after, limit }: NamePage): RepositoryName[] {
  const names: RepositoryName[] = [];
  let last: string = after ?? BEFORE_ALL;
  while (names.length < limit) {
    const row = connection.one(SQL.repositoryAfter, last);
    if (row === null || row['repository'] === null) break;
    const name = repositoryOfRow(row);
    names.push(name);
    last = name;
  }
  return names;
}
