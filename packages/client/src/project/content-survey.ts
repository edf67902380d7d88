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

/** A WIT package, as it can be read beside others. */
export interface WitReading {
  /** Without what it uses of other packages; `null` where it cannot be written. */
  readonly text: string | null;
  /** The packages that it uses something of: the binary form has copies of them, and text names them. */
  readonly uses: readonly string[];
}

/** Of content that is a WIT package. */
export function readWitPackage(bytes: Uint8Array): WitReading {
  try {
    const { main, dependencies } = decodeWit(bytes);
    const uses = dependencies.map(({ id }) => `${id.namespace}:${id.name}@${id.version}`);
    const text = printWit({ main, dependencies: [] });
    // Docs may have anything in them, and a text that no tool reads would stand in the way of all others in the folder.
    return { text: isWitText(text) ? text : null, uses };
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy', 'wire/too-large'))
      return { text: null, uses: [] };
    throw failure;
  }
}
