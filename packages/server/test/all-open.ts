import type { ContentSpaces } from '../src/core/content-spaces.ts';
import { PrivateNamespaces } from '../src/core/private-namespaces.ts';

/** As most registries are. */
export const NO_PRIVATES = new PrivateNamespaces([]);

/** What is here is as good as brought. */
export const ALL_OPEN: Pick<ContentSpaces, 'isOpenTo'> = { isOpenTo: () => Promise.resolve(true) };
