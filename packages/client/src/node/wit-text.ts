import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { RegistryError } from '@waybill/protocol';
import type { WitSource, WitText } from '@waybill/protocol/content';
import { hasCode } from './file-failure.ts';

/** All files of one reading; the whole of WASI's WIT has 0.3 MB. */
const WIT_TEXT_BYTES_MAX = 32 * 1024 * 1024;

const WIT = '.wit';
/** Where the packages lie that a package names, as `waybill install` and wkg write them. */
const DEPENDENCIES = 'deps';

/**
 * The WIT text of a package: a file, or a folder with its files and, in `deps`, a folder or a file for each package that it
 * names. Throws `usage/invalid` for what is no text or no file, and for too much of it.
 */
export async function readWitText(source: string): Promise<WitText> {
  const budget = { bytes: WIT_TEXT_BYTES_MAX };
  if (!(await stat(source)).isDirectory()) return { main: [await readSource(source, budget)], dependencies: [] };
  const main = await readPackage(source, budget);
  if (main.length === 0) throw new RegistryError('usage/invalid', `${source} has no file that ends in ${WIT}`);
  const dependencies: WitSource[][] = [];
  const below = path.join(source, DEPENDENCIES);
  for (const name of await namesIn(below)) {
    const one = path.join(below, name);
    if ((await stat(one)).isDirectory()) dependencies.push(await readPackage(one, budget));
    else if (name.endsWith(WIT)) dependencies.push([await readSource(one, budget)]);
    else if (name.endsWith('.wasm')) throw binaryDependency(one);
  }
  return { main, dependencies: dependencies.filter(({ length }) => length > 0) };
}

/** The WIT text of a package without what it names: a file, or those in a folder. Empty where there is none. */
export async function readOwnWitText(source: string): Promise<WitSource[]> {
  const budget = { bytes: WIT_TEXT_BYTES_MAX };
  return source.endsWith(WIT) ? [await readSource(source, budget)] : readPackage(source, budget);
}

/** What is left to read. */
interface Budget {
  bytes: number;
}

async function readPackage(folder: string, budget: Budget): Promise<WitSource[]> {
  const sources: WitSource[] = [];
  for (const name of await namesIn(folder)) {
    if (name.endsWith(WIT)) sources.push(await readSource(path.join(folder, name), budget));
  }
  return sources;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return [];
    throw failure;
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true });

async function readSource(file: string, budget: Budget): Promise<WitSource> {
  const stats = await stat(file);
  if (!stats.isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
  budget.bytes -= stats.size;
  if (budget.bytes < 0) {
    throw new RegistryError('usage/invalid', `${file}: WIT text of more than ${WIT_TEXT_BYTES_MAX} bytes`);
  }
  try {
    return { path: file, text: decoder.decode(await readFile(file)) };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new RegistryError('usage/invalid', `${file} is no UTF-8, so it is no WIT text`, {}, { cause });
  }
}

function binaryDependency(file: string): RegistryError {
  const message = `${file} is a WIT package in binary: put its text there, which waybill wit ${file} prints`;
  return new RegistryError('usage/invalid', message);
}
