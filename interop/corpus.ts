import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { peerPath, ROOT } from './peers.ts';

interface CorpusPackage {
  readonly registry: 'npm' | 'pip' | 'cargo';
  readonly package: string;
  readonly version: string;
  readonly files: readonly CorpusPart[];
  readonly folders: readonly CorpusPart[];
}

interface CorpusPart {
  readonly path: string;
  readonly sha256: string;
}

/** Something that somebody has published. */
export interface CorpusItem {
  /** Registry, package, version and path: for people. */
  readonly title: string;
  readonly sha256: string;
}

/** What interop/corpus/list.json names: binaries, and folders of sources. */
export function corpusItems(kind: 'files' | 'folders'): readonly CorpusItem[] {
  const packages: readonly CorpusPackage[] = JSON.parse(
    readFileSync(path.join(ROOT, 'interop', 'corpus', 'list.json'), 'utf8'),
  );
  return packages.flatMap((one) =>
    one[kind].map((part) => ({
      title: `${one.registry} ${one.package} ${one.version} ${part.path}`,
      sha256: part.sha256,
    })),
  );
}

/** Where a file is kept. Throws when the corpus is not there. */
export function corpusFile({ sha256 }: CorpusItem): string {
  return path.join(path.dirname(peerPath('corpus')), `${sha256}.wasm`);
}

/** What is in the cache may have been changed since it was fetched. */
export function readCorpusFile(item: CorpusItem): Uint8Array {
  const file = corpusFile(item);
  const content = readFileSync(file);
  const found = createHash('sha256').update(content).digest('hex');
  if (found === item.sha256) return content;
  throw new Error(`${item.title}: ${file} has SHA-256 ${found}: delete it, and run \`node interop/peers.mjs\``);
}

/** The sources in a folder: WIT packages of one file or of a folder, and components as text. */
export function corpusSources({ sha256 }: CorpusItem): readonly string[] {
  const folder = path.join(path.dirname(peerPath('corpus')), sha256);
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const source = path.join(folder, entry.name);
    if (entry.isFile()) return /\.(?:wit|wat)$/.test(entry.name) ? [source] : [];
    const component = path.join(source, 'component.wat');
    return [existsSync(component) ? component : source];
  });
}
