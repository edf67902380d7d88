import type { TreeFile } from '@waybill/protocol/content';

/** What became of a file between two trees. */
export type FileFate = 'added' | 'removed' | 'changed';

export interface FileDifference {
  readonly path: string;
  readonly fate: FileFate;
}

/** What is different in the second of two trees, in the order of the paths. */
export function compareTrees(before: readonly TreeFile[], after: readonly TreeFile[]): readonly FileDifference[] {
  const [old, now] = [byPath(before), byPath(after)];
  const kept = before.flatMap(({ path, digest }): FileDifference[] => {
    const other = now.get(path);
    if (other === undefined) return [{ path, fate: 'removed' }];
    return other.digest === digest ? [] : [{ path, fate: 'changed' }];
  });
  const added = after.filter(({ path }) => !old.has(path)).map(({ path }): FileDifference => ({ path, fate: 'added' }));
  return [...kept, ...added].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

function byPath(files: readonly TreeFile[]): ReadonlyMap<string, TreeFile> {
  return new Map(files.map((file) => [file.path, file]));
}
