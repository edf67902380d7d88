import path from 'node:path';
import type { RegistryMemory } from '../memory.ts';
import { parseRegistryUrl } from '../transport.ts';
import { openContentCache, openLogFiles } from './cache-files.ts';
import { registryFolder } from './registry-folder.ts';
import { openTrustFiles } from './trust-files.ts';

/** Where content is, below the folder: shared by all registries. */
const CONTENT_FOLDER = 'content';

/**
 * The memory of one registry in a folder, which the memories of others may share, and many programs at once:
 * `open(url, { operatorKey, memory: openMemoryFiles(folder, url) })`. Only the user reads and writes what is in it. Throws
 * `usage/invalid` for what is no address.
 */
export function openMemoryFiles(folder: string, url: string): RegistryMemory {
  const own = registryFolder(folder, parseRegistryUrl(url));
  return {
    trust: openTrustFiles(own),
    logs: openLogFiles(path.join(own, 'logs')),
    contents: openContentCache(path.join(folder, CONTENT_FOLDER)),
  };
}
