import { isRegistryError } from '@waybill/protocol';
import { decodeWit, DependencyReader, isWitText, printWit } from '@waybill/protocol/content';
import type { ContentReader } from './project-source.ts';

/** What content is and needs, by the names in it. What is no WebAssembly needs nothing. */
export const surveyContent: ContentReader = async (bytes) => {
  const reader = new DependencyReader();
  for await (const chunk of bytes) reader.update(chunk);
  const { kind, edges } = reader.finish();
  const needs = edges.map(({ name, range, isInterface }) => ({ name, range, mayBeHosts: isInterface }));
  const integrities = edges.flatMap(({ name, range, integrity }) =>
    integrity === null ? [] : [{ name, range, integrity }],
  );
  return { isWit: kind === 'wit-package', needs, integrities };
};

/**
 * A WIT package as text, where everything that it uses lies beside it: text names other packages, and the binary form has copies
 * of them in it. `null` where something does not, or the text cannot be written.
 */
export function witTextOf(bytes: Uint8Array, isBeside: (release: string) => boolean): string | null {
  try {
    const { main, dependencies } = decodeWit(bytes);
    const isWhole = dependencies.every(({ id }) => isBeside(`${id.namespace}:${id.name}@${id.version}`));
    const text = isWhole ? printWit({ main, dependencies: [] }) : null;
    // Docs may have anything in them, and a text that no tool reads would stand in the way of all others in the folder.
    return text !== null && isWitText(text) ? text : null;
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy', 'wire/too-large'))
      return null;
    throw failure;
  }
}
