import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import {
  decodeWit,
  packagesHeld,
  printWit,
  witPackageName,
  type WitDocument,
  type WitPackage,
  type WitSource,
  type WitText,
} from '@waybill/protocol/content';
import { hasCode, unlessMissing } from './file-failure.ts';

/** All files of one reading; the whole of WASI's WIT has 0.3 MB. */
const WIT_TEXT_BYTES_MAX = 32 * 1024 * 1024;

const WIT = '.wit';
/** Where the packages lie that a package names, as `waybill install` and wkg write them. */
const DEPENDENCIES = 'deps';

/**
 * The WIT text of a package: a file, or a folder with its files and, in `deps`, a folder or a file for each package that it
 * names, or a WIT package in the binary form. Throws `usage/invalid` for what is none of these, and for too much of it, `content/wit`.
 */
export async function readWitText(source: string): Promise<WitText> {
  const budget = { bytes: WIT_TEXT_BYTES_MAX };
  if (!(await stat(source)).isDirectory()) return { main: [await readSource(source, budget)], dependencies: [] };
  const main = await readPackage(source, budget);
  if (main.length === 0) throw new RegistryError('usage/invalid', `${source} has no file that ends in ${WIT}`);
  const dependencies: WitSource[][] = [];
  const binaries: BinaryPackage[] = [];
  const below = path.join(source, DEPENDENCIES);
  for (const name of await namesIn(below)) {
    const one = path.join(below, name);
    if ((await stat(one)).isDirectory()) dependencies.push(await readPackage(one, budget));
    else if (name.endsWith(WIT)) dependencies.push([await readSource(one, budget)]);
    else if (name.endsWith('.wasm')) binaries.push(await readBinary(one, budget));
  }
  const texts = dependencies.filter(({ length }) => length > 0);
  return { main, dependencies: [...texts, ...textsOf(binaries, texts)] };
}

/** The WIT text of a package without what it names: a file, or those in a folder. Empty where there is none. */
export async function readOwnWitText(source: string): Promise<WitSource[]> {
  const budget = { bytes: WIT_TEXT_BYTES_MAX };
  if (source.endsWith(WIT)) return [await readSource(source, budget)];
  // wkg takes a package in the binary form, too, in which no text names anything.
  return (await stat(source).catch(unlessMissing))?.isDirectory() === true ? readPackage(source, budget) : [];
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

async function readWithin(file: string, budget: Budget): Promise<Uint8Array> {
  const stats = await stat(file);
  if (!stats.isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
  budget.bytes -= stats.size;
  if (budget.bytes < 0) {
    throw new RegistryError('usage/invalid', `${file}: WIT of more than ${WIT_TEXT_BYTES_MAX} bytes`);
  }
  return readFile(file);
}

async function readSource(file: string, budget: Budget): Promise<WitSource> {
  const bytes = await readWithin(file, budget);
  try {
    return { path: file, text: decoder.decode(bytes) };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new RegistryError('usage/invalid', `${file} is no UTF-8, so it is no WIT text`, {}, { cause });
  }
}

interface BinaryPackage {
  readonly file: string;
  readonly document: WitDocument;
}

async function readBinary(file: string, budget: Budget): Promise<BinaryPackage> {
  const bytes = await readWithin(file, budget);
  try {
    return { file, document: decodeWit(bytes) };
  } catch (cause) {
    if (!isRegistryError(cause, 'content/malformed', 'content/not-analysed', 'content/policy')) throw cause;
    throw new RegistryError('usage/invalid', `${file} is no WIT package: ${cause.message}`, {}, { cause });
  }
}

/**
 * Packages in the binary form as text, and of those that they have copies of what is copied: as `waybill install` leaves them, a
 * package that is there by itself is no copy.
 */
function textsOf(binaries: readonly BinaryPackage[], texts: readonly (readonly WitSource[])[]): WitSource[][] {
  const whole = new Set(binaries.length === 0 ? [] : texts.flatMap(packagesHeld));
  const found: WitSource[][] = [];
  for (const { file, document } of binaries) {
    whole.add(witPackageName(document.main.id));
    found.push([sourceOf(file, document.main)]);
  }
  const copies = new Map<string, { readonly file: string; readonly part: WitPackage }>();
  for (const { file, document } of binaries) {
    for (const part of document.dependencies) {
      const name = witPackageName(part.id);
      if (!whole.has(name)) copies.set(name, { file, part: joined(copies.get(name)?.part, part) });
    }
  }
  return [...found, ...[...copies.values()].map(({ file, part }) => [sourceOf(file, part)])];
}

/** Two copies have of a package what each of their owners uses. */
function joined(one: WitPackage | undefined, other: WitPackage): WitPackage {
  if (one === undefined) return other;
  const interfaces = new Map([...other.interfaces, ...one.interfaces]);
  return { ...one, interfaces, worlds: new Map([...other.worlds, ...one.worlds]) };
}

function sourceOf(file: string, part: WitPackage): WitSource {
  return { path: `${file} (${witPackageName(part.id)})`, text: printWit({ main: part, dependencies: [] }) };
}
