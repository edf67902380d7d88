import { RegistryError } from '@waybill/protocol';
import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import type { BlobLink, OciChange, StoredManifest } from '../../core/oci-ports.ts';
import { packFailure } from '../../thread-failure.ts';
import type { OciAnswer, OciCommand } from './oci-messages.ts';
import type { OciConnection } from './oci-connection.ts';
import { digestOfRow, manifestValues } from './oci-rows.ts';

const SQL = {
  putManifest: 'INSERT OR REPLACE INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?)',
  hasManifest: 'SELECT 1 FROM manifests WHERE repository = ? AND digest = ?',
  deleteManifest: 'DELETE FROM manifests WHERE repository = ? AND digest = ?',
  putName: 'INSERT OR IGNORE INTO names VALUES (?, ?, ?, ?)',
  names: 'SELECT digest FROM names WHERE repository = ? AND manifest = ?',
  deleteNames: 'DELETE FROM names WHERE repository = ? AND manifest = ?',
  putTag: 'INSERT OR REPLACE INTO tags VALUES (?, ?, ?)',
  hasTag: 'SELECT 1 FROM tags WHERE repository = ? AND tag = ?',
  deleteTag: 'DELETE FROM tags WHERE repository = ? AND tag = ?',
  deleteTagsOf: 'DELETE FROM tags WHERE repository = ? AND digest = ?',
  putLink: `INSERT OR REPLACE INTO links VALUES (?1, ?2, ?3, ?4,
    EXISTS (SELECT 1 FROM names WHERE repository = ?1 AND digest = ?2))`,
  hasLink: 'SELECT 1 FROM links WHERE repository = ? AND digest = ?',
  deleteLink: 'DELETE FROM links WHERE repository = ? AND digest = ?',
  recount: `UPDATE links SET is_named = EXISTS (SELECT 1 FROM names WHERE repository = ?1 AND digest = ?2)
    WHERE repository = ?1 AND digest = ?2`,
  putBlob: 'INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)',
  deleteBlob: 'DELETE FROM blobs WHERE digest = ?',
  isLoose: `SELECT 1 FROM links WHERE repository = ? AND digest = ? AND linked_at_ms = ? AND is_named = 0`,
} as const;

const NOTHING_HIT = { type: 'done', hit: false, deleted: [] } as const;
const HIT = { type: 'done', hit: true, deleted: [] } as const;

/** Answers commands in their order. Commands that come together share one transaction, and one wait for the disk. */
export function runCommands(connection: OciConnection, commands: readonly OciCommand[]): OciAnswer[] {
  const durability = commands.some(isDurable) ? 'FULL' : 'NORMAL';
  try {
    return connection.transaction(durability, () => commands.map((command) => runCommand(connection, command)));
  } catch (failure) {
    if (commands.length > 1 && !isBroken(failure)) {
      // Each its own answer: the disk may have room for some of them.
      return commands.flatMap((command) => runCommands(connection, [command]));
    }
    return commands.map(() => ({ type: 'failed', failure: packFailure(failure) }));
  }
}

function isDurable(command: OciCommand): boolean {
  if (command.type === 'write') return command.durable;
  return command.type !== 'put-blob' && command.type !== 'delete-blob';
}

function isBroken(failure: unknown): boolean {
  return failure instanceof RegistryError && failure.code === 'storage/failed';
}

function runCommand(connection: OciConnection, command: OciCommand): OciAnswer {
  switch (command.type) {
    case 'write':
      writeChange(connection, command.change);
      return HIT;
    case 'delete-manifest':
      return deleteManifest(connection, command.repository, command.digest) ? HIT : NOTHING_HIT;
    case 'delete-tag': {
      const hit = connection.one(SQL.hasTag, command.repository, command.tag) !== null;
      connection.run(SQL.deleteTag, command.repository, command.tag);
      return hit ? HIT : NOTHING_HIT;
    }
    case 'delete-link': {
      const hit = connection.one(SQL.hasLink, command.repository, command.digest) !== null;
      connection.run(SQL.deleteLink, command.repository, command.digest);
      return hit ? HIT : NOTHING_HIT;
    }
    case 'delete-loose-links': {
      const deleted = command.links.filter((link) => deleteLoose(connection, link));
      return { type: 'done', hit: deleted.length > 0, deleted };
    }
    case 'put-blob':
      connection.run(SQL.putBlob, command.digest, command.keptAtMs, command.bytes);
      return HIT;
    case 'delete-blob':
      connection.run(SQL.deleteBlob, command.digest);
      return HIT;
  }
}

function writeChange(connection: OciConnection, { links, manifests, tags }: OciChange): void {
  for (const { repository, digest, size, linkedAtMs } of links)
    connection.run(SQL.putLink, repository, digest, size, linkedAtMs);
  for (const manifest of manifests) putManifest(connection, manifest);
  for (const { repository, tag, digest } of tags) connection.run(SQL.putTag, repository, tag, digest);
}

function putManifest(connection: OciConnection, manifest: StoredManifest): void {
  const { repository, digest, names } = manifest;
  connection.run(SQL.putManifest, ...manifestValues(manifest));
  // One digest has one text, but a row that was damaged is put right.
  dropNames(connection, repository, digest);
  for (const [position, name] of names.entries()) connection.run(SQL.putName, repository, name, digest, position);
  for (const name of new Set(names)) connection.run(SQL.recount, repository, name);
}

function deleteManifest(connection: OciConnection, repository: RepositoryName, digest: OciDigest): boolean {
  const hit = connection.one(SQL.hasManifest, repository, digest) !== null;
  connection.run(SQL.deleteManifest, repository, digest);
  connection.run(SQL.deleteTagsOf, repository, digest);
  dropNames(connection, repository, digest);
  return hit;
}

function dropNames(connection: OciConnection, repository: RepositoryName, manifest: OciDigest): void {
  const names = connection.all(SQL.names, repository, manifest).map((row) => digestOfRow(row));
  connection.run(SQL.deleteNames, repository, manifest);
  for (const name of names) connection.run(SQL.recount, repository, name);
}

/** One that was written again is not the one that was listed. */
function deleteLoose(connection: OciConnection, { repository, digest, linkedAtMs }: BlobLink): boolean {
  if (connection.one(SQL.isLoose, repository, digest, linkedAtMs) === null) return false;
  connection.run(SQL.deleteLink, repository, digest);
  return true;
}
