import { digestOf, RegistryError, type ContentClaim, type Digest, type Release } from '@waybill/protocol';
import {
  claimedKindOf,
  decodeTreeIndex,
  kindCheckOf,
  kindDemand,
  TREE_BYTES_MAX,
  TREE_COMPONENT_PATH,
  TREE_INDEX_BYTES_MAX,
  treeError,
  type TreeFile,
} from '@waybill/protocol/content';
import picomatch from 'picomatch';
import { forEachAtOnce } from './at-once.ts';
import { readCached } from './content-claim.ts';
import { fetchContentUpTo } from './content-fetch.ts';
import type { ContentFetchParts } from './parts-fetch.ts';

const FETCHES_AT_ONCE = 6;

/** What the fetch of a tree needs; progress is told in files. */
export interface TreeFetchParts extends Pick<ContentFetchParts, 'client' | 'cache'> {
  readonly onProgress: (filesDone: number, filesTotal: number) => void;
}

/** True where a release says that its content is a tree of files. */
export function isTreeClaim(claim: ContentClaim | null): boolean {
  return claim !== null && claimedKindOf(claim.mediaType) === 'tree';
}

/** What of a release says that it is a tree, and which. */
export interface TreeRelease {
  readonly release: Pick<Release, 'version' | 'claim'>;
  readonly content: Digest;
}

/**
 * The files of a release that is a tree, by its content index, which is fetched and checked by the release alone. Throws
 * `content/tree` for a release that is none or breaks the rules of trees, `content/size`, and what {@link fetchContentUpTo} does.
 */
export async function fetchTreeIndex(
  { release, content }: TreeRelease,
  parts: TreeFetchParts,
): Promise<readonly TreeFile[]> {
  const { claim, version } = release;
  if (claim === null || !isTreeClaim(claim)) throw treeError(`version ${version} is a single file`);
  if (claim.size > TREE_INDEX_BYTES_MAX) throw treeError(`version ${version} has an index of ${claim.size} bytes`);
  await fetchContentUpTo(claim.size, content, { ...parts, onProgress: () => undefined });
  const index = await wholeOf(await readCached(parts.cache, content), claim.size);
  if (digestOf(index) !== content) throw new RegistryError('content/digest', `${content} changed in the cache`);
  if (index.length === claim.size) return decodeTreeIndex(index);
  throw new RegistryError(
    'content/size',
    `version ${version} says that its index has ${claim.size} bytes, and it has ${index.length}`,
  );
}

/** Throws `content/size` beyond `bytesMax`. */
async function wholeOf(bytes: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const whole = new Uint8Array(bytesMax);
  let size = 0;
  for await (const chunk of bytes) {
    if (size + chunk.length > bytesMax) throw new RegistryError('content/size', `content is over ${bytesMax} bytes`);
    whole.set(chunk, size);
    size += chunk.length;
  }
  return whole.subarray(0, size);
}

/**
 * Makes sure that files of a tree are in the cache, each checked by its digest in the index. Throws `content/size` when they
 * are too large together (spec/content.md 4.6), `content/policy` for a component that is none.
 */
export async function fetchTreeFiles(files: readonly TreeFile[], parts: TreeFetchParts): Promise<void> {
  const counts = new Map<Digest, number>();
  for (const { digest } of files) counts.set(digest, (counts.get(digest) ?? 0) + 1);
  let done = 0;
  let bytes = 0;
  await forEachAtOnce(FETCHES_AT_ONCE, [...counts], async ([digest, count]) => {
    parts.onProgress(done, counts.size);
    await fetchContentUpTo(Math.floor(TREE_BYTES_MAX / count), digest, { ...parts, onProgress: () => undefined });
    bytes += ((await parts.cache.size(digest)) ?? 0) * count;
    if (bytes > TREE_BYTES_MAX) {
      throw new RegistryError('content/size', `the files of the tree are over ${TREE_BYTES_MAX} bytes together`);
    }
    done++;
  });
  const component = files.find(({ path }) => path === TREE_COMPONENT_PATH);
  if (component !== undefined) await requireComponent(component.digest, parts);
}

/**
 * The component of a release that is a tree: the index and this one file are fetched, and checked by the release alone. Throws
 * `content/not-found` for a tree without one, and as {@link fetchTreeIndex} and {@link fetchTreeFiles}.
 */
export async function fetchTreeComponent(tree: TreeRelease, bytesMax: number, parts: TreeFetchParts): Promise<Digest> {
  const files = await fetchTreeIndex(tree, parts);
  const component = files.find(({ path }) => path === TREE_COMPONENT_PATH);
  if (component === undefined) {
    const message = `version ${tree.release.version} is a tree of files without ${TREE_COMPONENT_PATH}, so nothing in it runs: get one of its files by its path`;
    throw new RegistryError('content/not-found', message, { path: TREE_COMPONENT_PATH });
  }
  await fetchContentUpTo(bytesMax, component.digest, { ...parts, onProgress: () => undefined });
  await requireComponent(component.digest, parts);
  return component.digest;
}

async function requireComponent(digest: Digest, { cache }: TreeFetchParts): Promise<void> {
  const check = kindCheckOf(kindDemand('component', null));
  for await (const chunk of await readCached(cache, digest)) check.update(chunk);
  check.finish();
}

/** What of a tree is wanted. */
export interface TreeSelection {
  readonly files: readonly TreeFile[];
  /** True where the pattern is the path of one file, as it is written. */
  readonly isExact: boolean;
}

/**
 * The files that a path names: one, all below a folder, or those that a glob matches. Throws `content/not-found` where there
 * are none.
 */
export function selectFiles(files: readonly TreeFile[], pattern: string): TreeSelection {
  const exact = files.find(({ path }) => path === pattern);
  if (exact !== undefined) return { files: [exact], isExact: true };
  const folder = pattern.endsWith('/') ? pattern : `${pattern}/`;
  const below = files.filter(({ path }) => path.startsWith(folder));
  if (below.length > 0) return { files: below, isExact: false };
  const matches = picomatch(pattern, { dot: true, windows: false });
  const matching = files.filter(({ path }) => matches(path));
  if (matching.length > 0) return { files: matching, isExact: false };
  throw new RegistryError('content/not-found', `no file of the tree matches ${pattern}`, { path: pattern });
}
