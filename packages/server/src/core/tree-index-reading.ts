import { concatBytes, digestOf, isRegistryError, RegistryError, type Digest } from '@waybill/protocol';
import { decodeTreeIndex, TREE_INDEX_BYTES_MAX, type TreeFile } from '@waybill/protocol/content';
import type { ContentStore } from './ports.ts';

/** The files of a kept index. Throws `content/not-found`, `content/tree`, `storage/damaged`. */
export async function readTreeIndex(
  content: Pick<ContentStore, 'size' | 'read'>,
  index: Digest,
): Promise<readonly TreeFile[]> {
  const size = await content.size(index);
  if (size === null) throw new RegistryError('content/not-found', `there is no content ${index}`, { digest: index });
  if (size > TREE_INDEX_BYTES_MAX)
    throw new RegistryError('content/tree', `${index} is too large for an index of files`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.read(index, { start: 0, end: size })) chunks.push(chunk);
  const bytes = concatBytes(...chunks);
  if (digestOf(bytes) !== index)
    throw new RegistryError('storage/damaged', `the bytes of ${index} have another digest`);
  return decodeTreeIndex(bytes);
}

/** {@link readTreeIndex}; `null` where there is no index to be read, for whichever reason. */
export async function findTreeIndex(
  content: Pick<ContentStore, 'size' | 'read'>,
  index: Digest,
): Promise<readonly TreeFile[] | null> {
  try {
    return await readTreeIndex(content, index);
  } catch (failure) {
    if (isRegistryError(failure, 'content/not-found', 'content/tree', 'storage/damaged')) return null;
    throw failure;
  }
}
