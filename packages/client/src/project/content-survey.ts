import { contentDependencies } from '@waybill/protocol/content';
import type { ContentReader } from './project-source.ts';

/** What content is and needs, by the names in it. What is no WebAssembly needs nothing. */
export const surveyContent: ContentReader = (bytes) => {
  const { kind, edges } = contentDependencies(bytes);
  const needs = edges.map(({ name, range, isInterface }) => ({ name, range, mayBeHosts: isInterface }));
  return { isWit: kind === 'wit-package', needs };
};
