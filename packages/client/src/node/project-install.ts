import path from 'node:path';
import { decodeHex, digestHex, RegistryError, releaseOf, utf8 } from '@waybill/protocol';
import {
  decodeTreeIndex,
  kindsOfBytes,
  meetsIntegrity,
  requireReleaseName,
  requireTreePath,
} from '@waybill/protocol/content';
import { readCode, readContent, whole, type ContentBytesParts } from '../project/content-bytes.ts';
import { readWitPackage } from '../project/content-survey.ts';
import { answersIn, type LockAnswer } from '../project/lock-answers.ts';
import type { LockedRelease, ProjectLock } from '../project/lock-file.ts';
import { needsOf } from '../project/project-needs.ts';
import type { WkgOverride } from '../project/wkg-files.ts';
import type { ContentReader, NeedIntegrity } from '../project/project-source.ts';
import type { ProvenLock } from '../project/project-lock.ts';
import { binaryMembers, type WitMember } from '../project/wit-layout.ts';
import { requireClaim } from '../content-claim.ts';
import { isVersion } from '../requirement.ts';
import { fetchTreeFiles } from '../tree-fetch.ts';
import { releaseText, type ReleaseId } from '../resolve/package-source.ts';
import { StagedTree } from './project-tree.ts';

/** Where WIT lies, as text where it can, as wkg and the tools that read it expect; and where all else does. */
const WIT_FOLDER = path.join('wit', 'deps');
const WASM_FOLDER = path.join('wasm', 'deps');

export interface InstallParts extends ContentBytesParts {
  readonly folder: string;
  readonly proven: ProvenLock;
  /** What was installed before; `null` where nothing says. */
  readonly previous: ProjectLock | null;
  readonly reader: ContentReader;
  readonly overrides: readonly WkgOverride[];
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
 * Writes what a lock names into the project, for whoever has its turn ({@link inTurn}). Everything is fetched and checked first;
 * then the old folders are replaced.
 * Throws as {@link readContent}, `lock/invalid` where a lock lies about a size or a need, and `content/…` where a release does.
 */
export async function installProject(parts: InstallParts): Promise<InstalledFile[]> {
  requireApart(parts.proven.lock.releases);
  const wit = await StagedTree.open(path.join(parts.folder, WIT_FOLDER));
  const wasm = await StagedTree.open(path.join(parts.folder, WASM_FOLDER)).catch(async (failure: unknown) => {
    await wit.discard();
    throw failure;
  });
  try {
    const trees: Staging = { wit, wasm, requireAnswered: answersIn(parts.proven), members: [], files: new Map() };
    for (const release of parts.proven.lock.releases) {
      // Files are told in the order of the lock, also where WIT is written last.
      trees.files.set(release, '');
      await stage(release, parts, trees);
    }
    await stageWit({ parts, trees });
    const isOurs = installedName([...(parts.previous?.releases ?? []), ...parts.proven.lock.releases]);
    await wit.keepOthers(isOurs);
    await wasm.keepOthers(isOurs);
    await parts.onStaged();
    await wit.commit();
    await wasm.commit();
    return [...trees.files].map(([{ name, version }, file]) => ({ name, version, file }));
  } finally {
    await wit.discard();
    await wasm.discard();
  }
}

interface Staging {
  readonly requireAnswered: (answer: LockAnswer) => void;
  readonly wit: StagedTree;
  readonly wasm: StagedTree;
  /** What will go to `wit`: in which form, all of them together say. */
  readonly members: (WitMember & { readonly release: LockedRelease })[];
  /** Where each is, from the project's folder. */
  readonly files: Map<LockedRelease, string>;
}

async function stage(release: LockedRelease, parts: InstallParts, trees: Staging): Promise<void> {
  parts.onStep(`fetching ${releaseText(release)}`);
  const bytes = await readContent(release.digest, parts);
  if (bytes.length !== release.size) {
    const message = `waybill.lock says ${release.size} bytes of ${releaseText(release)}, which has ${bytes.length}`;
    throw new RegistryError('lock/invalid', message, { size: bytes.length });
  }
  const log = parts.proven.view.packages.get(release.name);
  if (log === undefined) throw new TypeError('a lock that was not proven');
  await requireClaim(release.name, releaseOf(log.state, release.version).release, whole(bytes));
  await requireNeeds(release, bytes, { parts, trees });
  if (release.kind === 'tree') await stageTree(release, bytes, { parts, trees });
  else await stageFile(release, bytes, { parts, trees });
}

interface StageParts {
  readonly parts: InstallParts;
  readonly trees: Staging;
}

/** Throws `lock/invalid` where a lock gives a release something else than its content asks for. */
async function requireNeeds(release: LockedRelease, bytes: Uint8Array, { parts, trees }: StageParts): Promise<void> {
  const code = await readCode(bytes, release.kind, parts);
  if (code === null) return trees.requireAnswered({ ...release, who: releaseText(release), needs: [] });
  const survey = await parts.reader(whole(code));
  trees.requireAnswered({ ...release, who: releaseText(release), needs: needsOf(release, survey, parts.overrides) });
  for (const pinned of survey.integrities) requireIntegrity(release, pinned, parts.proven.lock);
}

/** Throws `content/digest` where a release names the bytes of what it needs, and the log has others under that version. */
function requireIntegrity(
  by: LockedRelease,
  { name, range, integrity }: NeedIntegrity,
  { releases }: ProjectLock,
): void {
  const needed = by.dependencies.filter((each) => each.name === name && (range === null || each.version === range));
  for (const { version } of needed) {
    const found = releases.find((each) => each.name === name && each.version === version);
    if (found === undefined || meetsIntegrity(integrity, decodeHex(digestHex(found.digest)))) continue;
    const message = `${releaseText(by)} needs ${releaseText(found)} with the integrity ${integrity}, and it is ${found.digest}`;
    throw new RegistryError('content/digest', message, { found: found.digest });
  }
}

async function stageFile(release: LockedRelease, bytes: Uint8Array, { parts, trees }: StageParts): Promise<void> {
  const { isWit } = await parts.reader(whole(bytes));
  if (isWit) {
    requireOwnName(release, bytes);
    const { text, uses } = readWitPackage(bytes);
    trees.members.push({ release, id: releaseText(release), hasText: text !== null, uses });
    return;
  }
  const name = `${baseName(release)}.wasm`;
  await trees.wasm.write(name, bytes);
  trees.files.set(release, path.join(WASM_FOLDER, name));
}

/** Nothing is held in memory until all packages are known: the cache has them. */
async function stageWit({ parts, trees }: StageParts): Promise<void> {
  const binary = binaryMembers(trees.members);
  for (const { release, id } of trees.members) {
    const bytes = await readContent(release.digest, parts);
    const text = binary.has(id) ? null : readWitPackage(bytes).text;
    const name = text === null ? `${baseName(release)}.wasm` : path.join(baseName(release), 'package.wit');
    await trees.wit.write(name, text === null ? bytes : utf8(text));
    trees.files.set(release, path.join(WIT_FOLDER, name));
  }
}

/** Under the name in the text others would find what the lock holds under another (SECURITY.md P4). */
function requireOwnName(release: LockedRelease, bytes: Uint8Array): void {
  const { packageId } = kindsOfBytes(bytes);
  if (packageId !== null) requireReleaseName(packageId, release);
}

async function stageTree(release: LockedRelease, index: Uint8Array, { parts, trees }: StageParts): Promise<void> {
  const files = decodeTreeIndex(index);
  const { client, cache } = parts;
  await client.reading(() => fetchTreeFiles(files, { client, cache, onProgress: () => undefined }));
  const folder = baseName(release);
  for (const { path: name, digest } of files) {
    // The last look before a name becomes a path (SECURITY.md W3).
    requireTreePath(name);
    await trees.wasm.write(path.join(folder, ...name.split('/')), await readContent(digest, parts));
  }
  trees.files.set(release, path.join(WASM_FOLDER, folder));
}

/** In the place of a version. */
const ANY = '';

/** As wkg names them. */
function baseName({ name, version }: { readonly name: string; readonly version: string }): string {
  return `${name.replace(':', '-')}-${version}`;
}

/**
 * Whether something was installed for one of these packages, be it in a version that no lock names any more: a lock may come by
 * way of others, such as a pull, and two versions of one package would both be read.
 */
function installedName(releases: readonly ReleaseId[]): (name: string) => boolean {
  const bases = new Set(releases.map((release) => baseName({ ...release, version: ANY })));
  return (name) => {
    const base = name.replace(/\.wasm$/, '');
    for (let at = base.indexOf('-'); at >= 0; at = base.indexOf('-', at + 1)) {
      if (bases.has(base.slice(0, at + 1)) && isVersion(base.slice(at + 1))) return true;
    }
    return false;
  };
}

/** The names that wkg made up are not those of one package each: a-b:c and a:b-c share one. */
function requireApart(releases: readonly ReleaseId[]): void {
  const byName = new Map<string, ReleaseId>();
  for (const each of releases) {
    // Some file systems do not tell 1.0.0-RC from 1.0.0-rc.
    const name = baseName(each).toLowerCase();
    const other = byName.get(name);
    if (other === undefined) byName.set(name, each);
    else
      throw new RegistryError(
        'usage/invalid',
        `${releaseText(other)} and ${releaseText(each)} would both be ${name}: take one of them`,
      );
  }
}
