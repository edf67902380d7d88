import { isRegistryError, messageOf, RegistryError } from '@waybill/protocol';
import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import type { BlobLink } from '../../core/oci-ports.ts';
import { bytesOf, numberOf } from '../sqlite-columns.ts';
import type { SqliteRow } from '../sqlite-module.ts';
import { OciConnection } from './oci-connection.ts';
import type { OciCommand } from './oci-messages.ts';
import { readBlobRow } from './oci-reading.ts';
import { digestOfRow, linkOfRow, repositoryOfRow } from './oci-rows.ts';
import { runCommands } from './oci-writing.ts';

/** Rows read at once: of links, and of manifests, which are as long as they are. */
const LINKS_PAGE = 1_000;
const MANIFESTS_PAGE = 16;
/** What SQLite names of its own file before it gives up. */
const FILE_PROBLEMS_MAX = 1_000;

const SQL = {
  integrity: `PRAGMA integrity_check(${FILE_PROBLEMS_MAX})`,
  links: `SELECT * FROM links WHERE (repository, digest) > (?, ?) ORDER BY repository, digest LIMIT ${LINKS_PAGE}`,
  manifests: `SELECT repository, digest, bytes FROM manifests WHERE (repository, digest) > (?, ?)
    ORDER BY repository, digest LIMIT ${MANIFESTS_PAGE}`,
  miscounted: `SELECT count(*) AS rows FROM links WHERE is_named <> EXISTS
    (SELECT 1 FROM names WHERE names.repository = links.repository AND names.digest = links.digest)`,
  recount: `UPDATE links SET is_named = EXISTS
    (SELECT 1 FROM names WHERE names.repository = links.repository AND names.digest = links.digest)`,
  version: 'PRAGMA user_version',
} as const;

/** The first schema that has small blobs: a store is inspected as it is, and an older build may have left it. */
const BLOBS_SINCE = 2;

/** A row, or why it makes no sense. */
export type OciInspected<T> =
  | { readonly at: string; readonly value: T }
  | { readonly at: string; readonly problem: string };

export interface InspectedLink extends BlobLink {
  /** By a manifest of its repository: else it may have come with a push that a power cut took. */
  readonly isNamed: boolean;
}

export interface InspectedManifest {
  readonly repository: RepositoryName;
  readonly digest: OciDigest;
  readonly bytes: Uint8Array;
}

/** Everything that an OCI side's store holds, row by row, also where it is damaged. */
export interface OciInspection {
  /** What SQLite finds wrong with the file. */
  checkFile(): readonly string[];
  /** Links that say wrongly whether a manifest names them. */
  countMiscounted(): number;
  links(): Iterable<OciInspected<InspectedLink>>;
  manifests(): Iterable<OciInspected<InspectedManifest>>;
  /** `null` for a blob that is no row. Throws `storage/damaged`. */
  blob(digest: OciDigest): Uint8Array | null;
  close(): void;
}

export function openOciInspection(file: string): OciInspection {
  const connection = OciConnection.open(file, 'read');
  const all = (name: keyof typeof SQL, ...after: readonly string[]): SqliteRow[] =>
    connection.read(() => connection.all(SQL[name], ...after));
  const hasBlobs = all('version').some((row) => numberOf(row, 'user_version') >= BLOBS_SINCE);
  return {
    checkFile: () =>
      all('integrity')
        .map((row) => String(Object.values(row)[0]))
        .filter((problem) => problem !== 'ok'),
    countMiscounted: () => all('miscounted').reduce((sum, row) => sum + numberOf(row, 'rows'), 0),
    links: () =>
      inspect(
        (...after) => all('links', ...after),
        (row) => ({ ...linkOfRow(row), isNamed: row['is_named'] !== 0 }),
      ),
    manifests: () =>
      inspect(
        (...after) => all('manifests', ...after),
        (row) => ({ repository: repositoryOfRow(row), digest: digestOfRow(row), bytes: bytesOf(row, 'bytes') }),
      ),
    blob: (digest) => (hasBlobs ? readBlobRow(connection, digest) : null),
    close: () => connection.close(),
  };
}

function* inspect<T>(
  pageAfter: (...after: readonly [string, string]) => SqliteRow[],
  read: (row: SqliteRow) => T,
): Generator<OciInspected<T>, void, undefined> {
  for (let after: readonly [string, string] | null = ['', '']; after !== null;) {
    const rows = pageAfter(...after);
    after = null;
    for (const row of rows) {
      const [repository, digest] = [row['repository'], row['digest']];
      if (typeof repository !== 'string' || typeof digest !== 'string') continue;
      after = [repository, digest];
      yield inspected(`${repository} ${digest}`, () => read(row));
    }
  }
}

function inspected<T>(at: string, read: () => T): OciInspected<T> {
  try {
    return { at, value: read() };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    return { at, problem: messageOf(failure) };
  }
}

/** Takes away what is not right, and counts links anew; nobody else may have the store open. Throws `storage/…`. */
export function repairOciSqlite(
  file: string,
  { links, blobs }: { readonly links: readonly BlobLink[]; readonly blobs: Iterable<OciDigest> },
): void {
  const connection = OciConnection.open(file, 'write');
  try {
    const commands = [
      ...links.map(({ repository, digest }): OciCommand => ({ type: 'delete-link', repository, digest })),
      ...[...blobs].map((digest): OciCommand => ({ type: 'delete-blob', digest })),
    ];
    for (const answer of runCommands(connection, commands)) {
      if (answer.type === 'failed')
        throw new RegistryError(answer.failure.code ?? 'storage/damaged', answer.failure.message);
    }
    connection.transaction('FULL', () => connection.run(SQL.recount));
  } finally {
    connection.close();
  }
}

/** Writes the committed state into a new file, as of one moment, while others go on writing. Not durable yet. */
export function copyOciSqlite(file: string, copy: string): void {
  const connection = OciConnection.open(file, 'read');
  try {
    connection.read(() => connection.run('VACUUM INTO ?', copy));
  } finally {
    connection.close();
  }
}
