import path from 'node:path';
import { RegistryError, utf8 } from '@waybill/protocol';
import { readContent, type ContentBytesParts } from '../project/content-bytes.ts';
import { witTextOf } from '../project/content-survey.ts';
import type { LockedRelease, ProjectLock } from '../project/lock-file.ts';
import type { ContentReader } from '../project/project-source.ts';
import { releaseText, type ReleaseId } from '../resolve/package-source.ts';
import { StagedTree } from './project-tree.ts';

/** Where WIT lies, as text where it can, as wkg and the tools that read it expect; and where all else does. */
const WIT_FOLDER = path.join('wit', 'deps');
const WASM_FOLDER = path.join('wasm', 'deps');

export interface InstallParts extends ContentBytesParts {
  readonly folder: string;
  /** Verified: what it names is what the log names. */
  readonly lock: ProjectLock;
  /** What was installed before; `null` where nothing says. */
  readonly previous: ProjectLock | null;
  readonly reader: ContentReader;
  readonly onStep: (what: string) => void;
  /** Runs when all is at hand, and before anything is changed. */
  readonly onStaged: () => Promise<void>;
}

/** A release as a file of the project. */
export interface InstalledFile extends ReleaseId {
  /** From the project's folder. */
  readonly file: string;
}

/**
 * Writes what a lock names into the project. Everything is fetched and checked first; then the old folders are replaced.
 * Throws as {@link readContent}, and `content/size` where a lock lies about a size.
 */
export async function installProject(parts: InstallParts): Promise<InstalledFile[]> {
  const wit = await StagedTree.open(path.join(parts.folder, WIT_FOLDER));
  const wasm = await StagedTree.open(path.join(parts.folder, WASM_FOLDER));
  try {
    const installed: InstalledFile[] = [];
    for (const release of parts.lock.releases) installed.push(await stage(release, parts, { wit, wasm }));
    requireApart(installed);
    const names = new Set([...(parts.previous?.releases ?? []), ...parts.lock.releases].map(baseName));
    const isOurs = (name: string): boolean => names.has(name.replace(/\.wasm$/, ''));
    await wit.keepOthers(isOurs);
    await wasm.keepOthers(isOurs);
    await parts.onStaged();
    await wit.commit();
    await wasm.commit();
    return installed;
  } finally {
    await wit.discard();
    await wasm.discard();
  }
}

interface StagedTrees {
  readonly wit: StagedTree;
  readonly wasm: StagedTree;
}

async function stage(release: LockedRelease, parts: InstallParts, trees: StagedTrees): Promise<InstalledFile> {
  parts.onStep(`fetching ${releaseText(release)}`);
  const bytes = await readContent(release.digest, parts);
  if (bytes.length !== release.size) {
    const message = `waybill.lock says ${release.size} bytes of ${releaseText(release)}, which has ${bytes.length}`;
    throw new RegistryError('lock/invalid', message, { size: bytes.length });
  }
  const { isWit } = parts.reader(bytes);
  const text = isWit
    ? witTextOf(bytes, (other) => parts.lock.releases.some((each) => releaseText(each) === other))
    : null;
  const name = text === null ? `${baseName(release)}.wasm` : path.join(baseName(release), 'package.wit');
  await trees[isWit ? 'wit' : 'wasm'].write(name, text === null ? bytes : utf8(text));
  const { name: packageName, version } = release;
  return { name: packageName, version, file: path.join(isWit ? WIT_FOLDER : WASM_FOLDER, name) };
}

/** As wkg names them. */
function baseName({ name, version }: ReleaseId): string {
  return `${name.replace(':', '-')}-${version}`;
}

/** The names that wkg made up are not those of one package each: a-b:c and a:b-c share one. */
function requireApart(installed: readonly InstalledFile[]): void {
  const byFile = new Map<string, InstalledFile>();
  for (const each of installed) {
    const other = byFile.get(each.file);
    if (other === undefined) byFile.set(each.file, each);
    else
      throw new RegistryError(
        'usage/invalid',
        `${other.name} and ${each.name} would both be ${each.file}: take one of them`,
      );
  }
}
