import { lstat, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import { packagesNamed, type WitSource } from '@waybill/protocol/content';
import { LOCK_FILE, parseLock, type ProjectLock } from '../project/lock-file.ts';
import { MANIFEST_FILE, parseManifest } from '../project/manifest.ts';
import type { ProjectWishes } from '../project/project-needs.ts';
import { TOML_LENGTH_MAX } from '../project/toml-value.ts';
import {
  isWkgWorkspace,
  parseWkgLock,
  parseWkgManifest,
  WKG_LOCK_FILE,
  WKG_MANIFEST_FILE,
  type WkgLocked,
  type WkgOverride,
} from '../project/wkg-files.ts';
import { wkgNeeds, type WkgNeed } from '../project/wkg-needs.ts';
import { fileWriter } from './cache-files.ts';
import { hasCode } from './file-failure.ts';
import { readOwnWitText } from './wit-text.ts';

/** Others read and commit what stands in a project. */
const PROJECT_FILE_MODE = 0o644;

/** Where wkg looks for the WIT of a project. */
const WIT_FOLDER = 'wit';

/** The folder of a project, and the files in it that say what it needs. */
export class ProjectFiles {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** The nearest folder with a manifest, from here upwards; `null` where there is none. */
  static async find(start: string): Promise<ProjectFiles | null> {
    for (let folder = path.resolve(start); ; folder = path.dirname(folder)) {
      if (await isFile(path.join(folder, MANIFEST_FILE))) return new ProjectFiles(folder);
      if (folder === path.dirname(folder)) return null;
    }
  }

  /** Empty where there is none. */
  async manifestText(): Promise<string> {
    return (await this.#read(MANIFEST_FILE)) ?? '';
  }

  async wishes(manifestText: string): Promise<ProjectWishes> {
    const wkg = await this.#read(WKG_MANIFEST_FILE);
    return { manifest: parseManifest(manifestText), overrides: wkg === null ? [] : parseWkgManifest(wkg) };
  }

  /** `null` where there is none. Throws `lock/invalid`. */
  async lock(): Promise<ProjectLock | null> {
    const text = await this.#read(LOCK_FILE);
    return text === null ? null : parseLock(text);
  }

  /** `null` where there is none. Throws `lock/invalid`. */
  async wkgLock(): Promise<WkgLocked[] | null> {
    const text = await this.#read(WKG_LOCK_FILE);
    return text === null ? null : parseWkgLock(text);
  }

  /**
   * What wkg asks for here; `null` where this is no project of wkg's, or its needs stand elsewhere too: in the members of a
   * workspace, or in a folder that is given to wkg as an argument.
   * Throws `usage/invalid`, `content/wit`.
   */
  async wkgNeeds(overrides: readonly WkgOverride[]): Promise<WkgNeed[] | null> {
    const manifest = await this.#read(WKG_MANIFEST_FILE);
    if (manifest === null ? !(await isFile(path.join(this.folder, WKG_LOCK_FILE))) : isWkgWorkspace(manifest))
      return null;
    const folders = [WIT_FOLDER, ...overrides.flatMap(({ path: local }) => local ?? [])];
    const texts: (readonly WitSource[])[] = [];
    for (const folder of folders) texts.push(await readOwnWitText(path.resolve(this.folder, folder)));
    if (texts[0]?.length === 0) return null;
    const named = texts.filter(({ length }) => length > 0).flatMap(packagesNamed);
    return wkgNeeds(overrides, named);
  }

  /** Replaces a file at once. */
  async write(name: string, text: string): Promise<void> {
    const writer = await fileWriter(path.join(this.folder, name), PROJECT_FILE_MODE);
    try {
      await writer.write(new TextEncoder().encode(text));
      await writer.keep();
    } catch (failure) {
      await writer.discard();
      throw failure;
    }
  }

  async #read(name: string): Promise<string | null> {
    const file = path.join(this.folder, name);
    try {
      if ((await stat(file)).size > TOML_LENGTH_MAX) {
        throw new RegistryError('usage/invalid', `${file} is over ${TOML_LENGTH_MAX} bytes`);
      }
      // What is no UTF-8 must not be read as something else.
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(file));
    } catch (failure) {
      if (hasCode(failure, 'ENOENT')) return null;
      if (!(failure instanceof TypeError)) throw failure;
      const code = name.endsWith('.lock') ? 'lock/invalid' : 'usage/invalid';
      throw new RegistryError(code, `${file} is not UTF-8`, { file: name }, { cause: failure });
    }
  }
}

async function isFile(file: string): Promise<boolean> {
  const found = await lstat(file).catch((failure: unknown) => {
    if (hasCode(failure, 'ENOENT') || hasCode(failure, 'ENOTDIR')) return null;
    throw failure;
  });
  return found !== null && !found.isDirectory();
}
