import { readFile, rm, stat } from 'node:fs/promises';
import { RegistryError } from '@waybill/protocol';
import { isVersion } from '../requirement.ts';
import { fileWriter } from './cache-files.ts';
import { unlessMissing } from './file-failure.ts';

/** Names of as many packages as one project may have, and more. */
const LIST_BYTES_MAX = 1024 * 1024;
const LIST_MODE = 0o644;

/**
 * The names of what was installed into a folder, beside that folder: a lock may come by way of others, and then nothing else
 * says what of the old one is to go. Every name in it has to look like one that is given to a package, so that a list, whoever
 * wrote it, names no folder of another kind. What somebody puts under such a name in the place of what was installed goes with it.
 */
export async function readInstalledList(file: string): Promise<ReadonlySet<string>> {
  const found = await stat(file).catch(unlessMissing);
  if (found === undefined) return new Set();
  if (!found.isFile() || found.size > LIST_BYTES_MAX) {
    throw new RegistryError('usage/invalid', `${file} is no list of installed packages: remove it`, { file });
  }
  return new Set((await readFile(file, 'utf8')).split('\n').filter(isInstalledName));
}

/** Replaces the list at once; an empty one is none. */
export async function writeInstalledList(file: string, names: Iterable<string>): Promise<void> {
  const lines = [...new Set(names)].toSorted();
  if (lines.length === 0) return rm(file, { force: true });
  const writer = await fileWriter(file, { mode: LIST_MODE });
  try {
    await writer.write(new TextEncoder().encode(`${lines.join('\n')}\n`));
    await writer.keep();
  } catch (failure) {
    await writer.discard();
    throw failure;
  }
}

/** As wkg names packages: `namespace-name-version`, with `.wasm` where they are a file. */
function isInstalledName(name: string): boolean {
  const base = name.replace(/\.wasm$/, '');
  const [, named] = /^[a-z][a-z0-9]*-([a-z][A-Za-z0-9.+-]*)$/.exec(base) ?? [];
  const words = named?.split('-') ?? [];
  return words.some((_, i) => i > 0 && isVersion(words.slice(i).join('-')));
}
