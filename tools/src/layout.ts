/**
 * Which part of the repository may import which: ARCHITECTURE.md's picture as data.
 *
 * A *part* is a row: a file (`errors.ts`), a folder (`bytes`), every folder in a folder (`storage/*`, where siblings are
 * strangers to each other) or every file in a folder (`http/*.ts`). A file belongs to the most exact row that matches it.
 */
export interface Part {
  /** Rows of the same package that it may import, besides itself; `*` is all of them. */
  readonly parts: readonly string[];
  /** Other modules: `npm` for the package's declared dependencies, `node` for all of Node.js, or one exact specifier. */
  readonly modules: readonly string[];
}

/** The rows of one package. */
export interface PackageLayout {
  /** Other packages of this repository that any part may import. */
  readonly packages: readonly string[];
  readonly parts: Readonly<Record<string, Part>>;
}

/** Rows by folder below the repository. */
export const LAYOUT: Readonly<Record<string, PackageLayout>> = {
  'packages/protocol/src': {
    packages: [],
    parts: {
      'errors.ts': { parts: [], modules: [] },
      bytes: { parts: ['errors.ts'], modules: ['npm'] },
      crypto: { parts: ['errors.ts', 'bytes'], modules: ['npm', '#crypto'] },
      // The one file that may name Node.js: the `#crypto` of the `node` condition.
      'crypto/platform-node.ts': { parts: ['errors.ts', 'bytes', 'crypto'], modules: ['node:crypto'] },
      // Secrets that say who may ask: nothing that decides what is valid knows of them.
      access: { parts: ['errors.ts', 'bytes', 'crypto'], modules: [] },
      names: { parts: ['errors.ts', 'bytes', 'crypto'], modules: ['npm'] },
      jose: { parts: ['errors.ts', 'bytes', 'crypto', 'names'], modules: ['#crypto'] },
      wire: { parts: ['errors.ts', 'bytes', 'crypto', 'names'], modules: ['npm'] },
      content: { parts: ['errors.ts', 'bytes', 'crypto', 'names'], modules: ['npm'] },
      // A WebAssembly binary as sections, types and names; WIT as text and in binary; files; parts.
      'content/binary': { parts: ['errors.ts', 'bytes', 'content'], modules: [] },
      'content/wit': { parts: ['errors.ts', 'bytes', 'names', 'content', 'content/binary'], modules: ['npm'] },
      'content/tree': { parts: ['errors.ts', 'bytes', 'crypto', 'names', 'content'], modules: [] },
      'content/parts': { parts: ['errors.ts', 'bytes', 'crypto', 'names', 'content'], modules: [] },

      // What content is claimed to be, against whoever can read it.
      'content/kind-check.ts': {
        parts: ['errors.ts', 'bytes', 'names', 'content', 'content/wit', 'content/tree'],
        modules: [],
      },
      // Components put together into one.
      'content/compose': {
        parts: ['errors.ts', 'bytes', 'crypto', 'names', 'content', 'content/binary', 'content/wit'],
        modules: [],
      },
      // The OCI view: names, documents, and the manifest that a release stands for.
      oci: {
        parts: ['errors.ts', 'bytes', 'crypto', 'names', 'wire', 'content', 'content/binary', 'content/wit'],
        modules: ['npm'],
      },
      'content/index.ts': {
        parts: [
          'content',
          'content/kind-check.ts',
          'content/binary',
          'content/wit',
          'content/tree',
          'content/parts',
          'content/compose',
        ],
        modules: [],
      },
      'record-log': { parts: ['errors.ts', 'bytes', 'crypto', 'names', 'jose', 'wire'], modules: ['npm'] },
      merkle: { parts: ['errors.ts', 'bytes', 'crypto', 'names', 'wire'], modules: ['npm'] },
      // The next record of a package's log, by whoever signs it.
      author: { parts: ['errors.ts', 'bytes', 'names', 'jose', 'wire', 'content', 'record-log'], modules: ['npm'] },
      verify: {
        parts: ['errors.ts', 'bytes', 'crypto', 'names', 'jose', 'wire', 'content', 'record-log', 'merkle'],
        modules: ['npm'],
      },
      'index.ts': { parts: ['*'], modules: [] },
    },
  },
  'packages/server/src': {
    packages: ['@waybill/protocol', '@waybill/protocol/author', '@waybill/protocol/content', '@waybill/protocol/oci'],
    parts: {
      core: { parts: ['core/ports.ts', 'core/oci-ports.ts', 'core/upstream-ports.ts'], modules: [] },
      'core/ports.ts': { parts: [], modules: [] },
      'core/oci-ports.ts': { parts: ['core/ports.ts'], modules: [] },
      'core/upstream-ports.ts': { parts: [], modules: [] },
      'storage/oci-conformance.ts': { parts: ['core/ports.ts', 'core/oci-ports.ts'], modules: ['npm', 'node'] },
      'blobs/oci-conformance.ts': { parts: ['core/ports.ts', 'core/oci-ports.ts'], modules: ['npm', 'node'] },
      'storage/conformance.ts': { parts: ['core/ports.ts'], modules: ['npm', 'node'] },
      'storage/token-conformance.ts': { parts: ['core/ports.ts'], modules: ['npm', 'node'] },
      // Pages of the map as rows: the same for every driver.
      'storage/map-rows.ts': { parts: ['core/ports.ts'], modules: [] },
      // What was thrown, on its way between threads.
      'thread-failure.ts': { parts: [], modules: [] },
      // SQLite files of any schema.
      'storage/sqlite-module.ts': { parts: [], modules: ['npm', 'node'] },
      'storage/sqlite-columns.ts': { parts: ['storage/sqlite-module.ts'], modules: [] },
      'storage/sqlite-failure.ts': { parts: [], modules: [] },
      'storage/sqlite-file.ts': {
        parts: ['storage/sqlite-module.ts', 'storage/sqlite-columns.ts', 'storage/sqlite-failure.ts'],
        modules: [],
      },
      'storage/*': {
        parts: [
          'core/ports.ts',
          'core/oci-ports.ts',
          'thread-failure.ts',
          'storage/map-rows.ts',
          'storage/sqlite-module.ts',
          'storage/sqlite-columns.ts',
          'storage/sqlite-failure.ts',
          'storage/sqlite-file.ts',
        ],
        modules: ['npm', 'node'],
      },
      'blobs/conformance.ts': { parts: ['core/ports.ts'], modules: ['npm', 'node'] },
      // Files that are durable when they are said to be.
      'blobs/file-failure.ts': { parts: [], modules: [] },
      'blobs/durable-files.ts': { parts: ['blobs/file-failure.ts'], modules: ['node'] },
      'blobs/*': {
        parts: ['core/ports.ts', 'core/oci-ports.ts', 'blobs/file-failure.ts', 'blobs/durable-files.ts'],
        modules: ['npm', 'node'],
      },
      'http/*.ts': { parts: ['core', 'core/ports.ts'], modules: ['npm', 'node'] },
      'http/*': { parts: ['core', 'core/ports.ts', 'http/*.ts'], modules: ['npm', 'node'] },
      metrics: { parts: ['core', 'core/ports.ts', 'http/*.ts'], modules: ['npm', 'node'] },
      // What an operator writes, parsed into the values that core asks for.
      'config.ts': {
        parts: ['core', 'core/upstream-ports.ts', 'upstreams-file.ts', 'log-keys.ts', 'publishers-file.ts'],
        modules: ['npm', 'node'],
      },
      // What other registries serve, fetched from nowhere but where the operator says.
      upstream: { parts: ['core/upstream-ports.ts'], modules: ['npm', 'node'] },
      'toml-file.ts': { parts: [], modules: ['npm', 'node'] },
      'upstreams-file.ts': { parts: ['core', 'core/upstream-ports.ts', 'upstream', 'toml-file.ts'], modules: ['npm'] },
      'publishers-file.ts': { parts: ['core', 'toml-file.ts'], modules: ['npm'] },
      'key-file.ts': { parts: ['blobs/durable-files.ts', 'blobs/file-failure.ts'], modules: ['node'] },
      'gateway-key-files.ts': {
        parts: ['core', 'key-file.ts', 'blobs/durable-files.ts', 'blobs/file-failure.ts'],
        modules: ['npm', 'node'],
      },
      'operator-key.ts': { parts: ['key-file.ts'], modules: ['npm', 'node'] },
      'log-keys.ts': { parts: ['core/ports.ts', 'key-file.ts'], modules: ['node'] },
      // What OCI clients show for their tokens.
      'oci-token-key.ts': { parts: ['core', 'key-file.ts'], modules: ['npm', 'node'] },
      'last-signed-file.ts': { parts: ['core/ports.ts', 'blobs/durable-files.ts'], modules: ['node'] },
      'data-folder.ts': { parts: [], modules: ['node'] },
      // What is done to a data folder while no server, or another process, has it.
      'adopt.ts': { parts: ['*'], modules: [] },
      'access-tokens.ts': { parts: ['*'], modules: ['node'] },
      'backup.ts': { parts: ['*'], modules: ['node'] },
      'fsck.ts': { parts: ['*'], modules: ['node'] },
      'oci-backup.ts': { parts: ['*'], modules: ['node'] },
      'oci-fsck.ts': { parts: ['*'], modules: ['node'] },
      'fatal-watch.ts': { parts: ['core/ports.ts'], modules: [] },
      // The composition of the OCI view over it.
      'oci-side.ts': { parts: ['*'], modules: [] },
      // The composition of what the OCI side keeps.
      'oci-storage.ts': { parts: ['*'], modules: ['node'] },
      'upkeep.ts': { parts: ['core'], modules: ['npm', 'node'] },
      // The composition of storage and core, on both sides of the thread that writes.
      'commit-thread': { parts: ['*'], modules: ['node'] },
      'registry.ts': { parts: ['*'], modules: ['npm', 'node'] },
      'main.ts': { parts: ['*'], modules: ['npm', 'node'] },
      'index.ts': { parts: ['*'], modules: [] },
    },
  },
  'packages/client/src': {
    packages: ['@waybill/protocol', '@waybill/protocol/author', '@waybill/protocol/content', '@waybill/protocol/oci'],
    parts: {
      '*.ts': { parts: ['resolve'], modules: ['npm'] },
      // Which releases fit together: pure, and read through a port.
      resolve: { parts: [], modules: [] },
      // What a project asks for and holds fast: its files, and what they mean under a verified view.
      project: { parts: ['*.ts', 'resolve'], modules: ['npm'] },
      node: { parts: ['*.ts', 'resolve', 'project'], modules: ['npm', 'node'] },
      'index.ts': { parts: ['*'], modules: [] },
    },
  },
  'packages/witness/src': {
    // Never the server: whoever watches a registry must not run its code.
    packages: ['@waybill/protocol', '@waybill/client', '@waybill/client/node'],
    parts: { '*.ts': { parts: [], modules: ['npm', 'node'] } },
  },
  'packages/cli/src': {
    packages: [
      '@waybill/protocol',
      '@waybill/protocol/author',
      '@waybill/protocol/content',
      '@waybill/protocol/oci',
      '@waybill/client',
      '@waybill/client/node',
      '@waybill/server',
    ],
    parts: {
      '*.ts': { parts: ['commands'], modules: ['npm', 'node'] },
      commands: { parts: ['*.ts'], modules: ['npm', 'node'] },
    },
  },
  'packages/web/src': {
    packages: ['@waybill/protocol', '@waybill/client'],
    parts: { '*.ts': { parts: [], modules: ['npm'] } },
  },
};

/** A row, and for a row of many folders which of them. */
export interface Place {
  readonly row: string;
  /** Distinguishes the folders of one row: `storage/sqlite` and `storage/memory` are different units. */
  readonly unit: string;
}

/** Where a path (below the package's source folder) belongs; null if no row matches it. */
export function placeOf(layout: PackageLayout, path: string): Place | null {
  const rows = Object.keys(layout.parts).flatMap((row) => matchRow(row, path));
  return rows.toSorted((a, b) => exactness(b.row) - exactness(a.row))[0] ?? null;
}

function matchRow(row: string, path: string): Place[] {
  const pattern = row.replaceAll('.', String.raw`\.`).replaceAll('*', '[^/]+');
  const isFile = row.endsWith('.ts');
  const match = new RegExp(isFile ? `^${pattern}$` : `^${pattern}(?=/)`).exec(path);
  if (match === null) return [];
  return [{ row, unit: isFile ? row : match[0] }];
}

/** A file outranks a folder, a name outranks a star, a longer row outranks a shorter one. */
function exactness(row: string): number {
  const kind = (row.endsWith('.ts') ? 2 : 0) + (row.includes('*') ? 0 : 1);
  return kind * 1_000 + row.length;
}
