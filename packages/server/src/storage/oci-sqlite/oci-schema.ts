import { openSqliteFile, type SqliteSchema } from '../sqlite-file.ts';
import { openDatabase, type SqliteAccess, type SqliteDatabase } from '../sqlite-module.ts';

const SCHEMA: SqliteSchema = {
  // "WAYO".
  applicationId: 0x5741594f,
  firstVersion: 1,
  // Media types are of free form: as bytes, for the driver of Node 20 ends texts at a NUL.
  migrations: [
    `CREATE TABLE manifests (
       repository TEXT NOT NULL,
       digest TEXT NOT NULL,
       media_type BLOB NOT NULL,
       subject TEXT,
       artifact_type BLOB,
       pushed_at_ms INTEGER NOT NULL,
       bytes BLOB NOT NULL,
       PRIMARY KEY (repository, digest)
     ) STRICT;
     CREATE INDEX referrers ON manifests (repository, subject, digest) WHERE subject IS NOT NULL;
     CREATE INDEX referrers_by_type ON manifests (repository, subject, artifact_type, digest)
       WHERE subject IS NOT NULL AND artifact_type IS NOT NULL;
     CREATE TABLE names ( -- what the manifests of a repository name
       repository TEXT NOT NULL,
       digest TEXT NOT NULL,
       manifest TEXT NOT NULL,
       position INTEGER NOT NULL,
       PRIMARY KEY (repository, digest, manifest)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX names_by_manifest ON names (repository, manifest, position);
     CREATE TABLE tags (
       repository TEXT NOT NULL, tag TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (repository, tag)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX tags_by_digest ON tags (repository, digest);
     CREATE TABLE links (
       repository TEXT NOT NULL,
       digest TEXT NOT NULL,
       size INTEGER NOT NULL,
       linked_at_ms INTEGER NOT NULL,
       is_named INTEGER NOT NULL, -- by a manifest of the repository: a row of names, counted beforehand
       PRIMARY KEY (repository, digest)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX links_by_digest ON links (digest, repository);
     CREATE INDEX loose_links ON links (linked_at_ms) WHERE is_named = 0;`,
    `CREATE TABLE blobs ( -- small ones: the others are files
       digest TEXT NOT NULL PRIMARY KEY, kept_at_ms INTEGER NOT NULL, bytes BLOB NOT NULL
     ) STRICT;`,
  ],
  cacheKib: { write: 8 * 1024, read: 8 * 1024 },
};

/** See {@link openSqliteFile}, for the OCI side's store. */
export function openOciFile(file: string, access: SqliteAccess, connect = openDatabase): SqliteDatabase {
  return openSqliteFile(SCHEMA, file, access, connect);
}
