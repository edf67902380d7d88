import { corpusFile, corpusItems, readCorpusFile, type CorpusItem } from './corpus.ts';
import { peerWit } from './wasm-tools.ts';

/** A binary of the corpus, and the release that it can be. */
export interface CorpusRelease {
  readonly title: string;
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly digest: string;
  /** As `wasm-tools` reads it. */
  readonly kind: 'module' | 'component' | 'interface' | 'profile';
  readonly name: string;
  readonly version: string;
}

/** Of every binary. A WIT package has the name and version that it says; no other one says any. */
export function corpusReleases(): readonly CorpusRelease[] {
  return corpusItems('files').map(releaseOf);
}

function releaseOf(item: CorpusItem): CorpusRelease {
  const { title, sha256 } = item;
  const [file, bytes] = [corpusFile(item), readCorpusFile(item)];
  const common = { title, file, bytes, digest: `sha256:${sha256}` };
  // A word of a name starts with a letter.
  const unnamed = { name: `test:binary-x${sha256.slice(0, 16)}`, version: '1.0.0' };
  if (bytes[LAYER_AT] === 0) return { ...common, ...unnamed, kind: 'module' };
  const wit = peerWit(file) ?? '';
  const [, name = '', version = ''] = /^package ([^@;]+)(?:@([^;]+))?;$/m.exec(wit) ?? [];
  if (name === 'root:component') return { ...common, ...unnamed, kind: 'component' };
  return { ...common, name, version, kind: /^world /m.test(wit) ? 'profile' : 'interface' };
}

/** Where a preamble says it: spec/content.md 1.1. */
const LAYER_AT = 6;
