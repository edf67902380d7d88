import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { peerPath, ROOT } from './peers.ts';

interface CorpusPackage {
  readonly registry: 'npm' | 'pip' | 'cargo';
  readonly package: string;
  readonly version: string;
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
}

/** A binary that somebody has published. */
export interface CorpusFile {
  /** Registry, package, version and path: for people. */
  readonly title: string;
  readonly sha256: string;
}

/** What interop/corpus/list.json names. */
export function corpusFiles(): readonly CorpusFile[] {
  const packages: readonly CorpusPackage[] = JSON.parse(
    readFileSync(path.join(ROOT, 'interop', 'corpus', 'list.json'), 'utf8'),
  );
  return packages.flatMap(({ registry, package: name, version, files }) =>
    files.map((file) => ({ title: `${registry} ${name} ${version} ${file.path}`, sha256: file.sha256 })),
  );
}

/** Where a file is kept. Throws when the corpus is not there. */
export function corpusPath({ sha256 }: CorpusFile): string {
  return path.join(path.dirname(peerPath('corpus')), `${sha256}.wasm`);
}

/** What is in the cache may have been changed since it was fetched. */
export function readCorpusFile(file: CorpusFile): Uint8Array {
  const kept = corpusPath(file);
  const content = readFileSync(kept);
  const found = createHash('sha256').update(content).digest('hex');
  if (found === file.sha256) return content;
  throw new Error(`${file.title}: ${kept} has SHA-256 ${found}: delete it, and run \`node interop/peers.mjs\``);
}
