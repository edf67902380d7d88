import type { RepositoryName } from '@waybill/protocol/oci';
import { nextTurn } from '../next-turn.ts';
import type { NamePage } from '../oci-ports.ts';
import { BEHIND_ALL_NAMES, type NameSource } from './oci-view.ts';

/**
 * Names below the prefixes. What lies elsewhere is no plain repository, and may be very much: blobs of packages that never came,
 * which anybody's list would have to read past.
 */
export function namesBelow(prefixes: readonly RepositoryName[], source: NameSource): NameSource {
  const starts = prefixes.map((prefix) => `${prefix}/`).toSorted();
  const outermost = starts.filter((start) => !starts.some((other) => other !== start && start.startsWith(other)));
  const distinct = [...new Set(outermost)];
  return async ({ after, limit }: NamePage) => {
    const names: string[] = [];
    for (const start of distinct) {
      if (after !== null && after >= `${start}${BEHIND_ALL_NAMES}`) continue;
      const left = limit - names.length;
      if (left === 0) break;
      if (start !== distinct[0]) await nextTurn();
      const page = await source({ after: after !== null && after > start ? after : start, limit: left });
      for (const name of page) if (name.startsWith(start)) names.push(name);
    }
    return names;
  };
}
