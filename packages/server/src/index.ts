/* What the command line needs to run a registry in its own process. */

export { parseConfig, type Config, type ServerOptions } from './config.ts';
export { startServer, type RunningServer } from './main.ts';
// What reads and fills a store without HTTP: benches of large registries, and the operator drill.
export { openContentFiles } from './blobs/files/content-files.ts';
export { openContentSharing } from './blobs/files/content-sharing.ts';
export { openWriteDesk, type WriteDesk } from './commit-thread/write-desk.ts';
export { openDatabase } from './storage/sqlite-module.ts';
export { openSqliteReader } from './storage/sqlite/sqlite-store.ts';
export { createToken, listTokens, revokeToken, type CreateTokenOptions, type ListedToken } from './access-tokens.ts';
export type { TokenAction } from './core/access.ts';
export type { TokenState } from './core/token-desk.ts';
export { adoptHead, type Adoption, type AdoptOptions } from './adopt.ts';
export { backup, type BackupDamage, type BackupOptions, type BackupReport } from './backup.ts';
export { fsck, type Flaw, type FlawKind, type FsckOptions, type FsckReport } from './fsck.ts';
