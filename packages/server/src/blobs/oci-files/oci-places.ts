import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isRegistryError } from '@waybill/protocol';
import { algorithmOf, parseOciDigest, type OciAlgorithm, type OciDigest } from '@waybill/protocol/oci';
import { statNamed } from '../durable-files.ts';
import { hasSystemCode, withFileFailures, withFileFailuresSync } from '../file-failure.ts';

export const OCI_ALGORITHMS: readonly OciAlgorithm[] = ['sha256', 'sha512'];

/** As `crypto.randomUUID` makes them: nothing else becomes part of a path. */
const SESSION_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function isSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}

/** Where unfinished uploads are, each with its `.json` beside it. */
export function uploadsFolder(root: string): string {
  return path.join(root, 'uploads');
}

export function algorithmFolder(root: string, algorithm: OciAlgorithm): string {
  return path.join(blobsFolder(root), algorithm);
}

/** Made after the store, on the disk: where it is, there was one. */
export function blobsFolder(root: string): string {
  return path.join(root, 'blobs');
}

/** 256 folders for each algorithm, so that none of them grows too long to list. */
export function blobFileOf(root: string, digest: OciDigest): { readonly folder: string; readonly file: string } {
  const algorithm = algorithmOf(digest);
  const hex = digest.slice(algorithm.length + 1);
  const folder = path.join(algorithmFolder(root, algorithm), hex.slice(0, 2));
  return { folder, file: path.join(folder, hex) };
}

export interface FoundBlob {
  readonly file: string;
  readonly folder: string;
  readonly size: number;
  readonly keptAtMs: number;
  /** See {@link DURABLE_MODE}. */
  readonly isDurable: boolean;
}

/**
 * A blob that nobody may write, not even its owner, was durable when it got this mode; others may have lost their bytes since.
 * On Windows such a file could not be replaced, so there none has it.
 */
export const DURABLE_MODE = 0o440;
const OWNER_MAY_WRITE = 0o200;

export function findBlob(root: string, digest: OciDigest): FoundBlob | null {
  const { folder, file } = blobFileOf(root, digest);
  const stat = statNamed(folder, file);
  if (stat === null) return null;
  const isDurable = process.platform !== 'win32' && (stat.mode & OWNER_MAY_WRITE) === 0;
  // Content that was adopted has an older time of its own; getting a name, or a mode, tells this one.
  return { file, folder, size: stat.size, keptAtMs: Math.floor(stat.ctimeMs), isDurable };
}

/** Which file has the name now; `null` for none. */
export function inodeOf(file: string): bigint | null {
  return withFileFailuresSync(file, () => lstatSync(file, { bigint: true, throwIfNoEntry: false }))?.ino ?? null;
}

/** Everything that lies where the OCI side's files do; `digest` is `null` for what has no business there. */
export async function* surveyOciFiles(
  root: string,
): AsyncGenerator<{ readonly file: string; readonly digest: OciDigest | null }, void, undefined> {
  for (const name of await namesIn(root)) {
    if (name !== 'blobs' && name !== 'uploads') yield { file: path.join(root, name), digest: null };
  }
  for (const name of await namesIn(uploadsFolder(root))) {
    // What a process left that died is for the next start to remove.
    if (!isSessionId(name.replace(/\.(?:json|adopted)$/, '')))
      yield { file: path.join(uploadsFolder(root), name), digest: null };
  }
  for (const algorithm of await namesIn(blobsFolder(root))) {
    const known = OCI_ALGORITHMS.find((one) => one === algorithm);
    if (known === undefined) yield { file: path.join(blobsFolder(root), algorithm), digest: null };
    else yield* surveyBlobs(root, known);
  }
}

async function* surveyBlobs(
  root: string,
  algorithm: OciAlgorithm,
): AsyncGenerator<{ readonly file: string; readonly digest: OciDigest | null }, void, undefined> {
  const below = algorithmFolder(root, algorithm);
  for (const folder of (await namesIn(below)).toSorted()) {
    const names = await namesIn(path.join(below, folder));
    // A file where a folder belongs has no names in it.
    if (names.length === 0 && !/^[0-9a-f]{2}$/.test(folder)) yield { file: path.join(below, folder), digest: null };
    for (const name of names.toSorted()) {
      const digest = folder === name.slice(0, 2) ? digestOrNull(`${algorithm}:${name}`) : null;
      yield { file: path.join(below, folder, name), digest };
    }
  }
}

function digestOrNull(text: string): OciDigest | null {
  try {
    return parseOciDigest(text);
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    return null;
  }
}

/** Empty for what is no folder, or gone. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await withFileFailures(folder, () => readdir(folder));
  } catch (failure) {
    const cause = failure instanceof Error ? failure.cause : null;
    if (hasSystemCode(cause, 'ENOENT') || hasSystemCode(cause, 'ENOTDIR')) return [];
    throw failure;
  }
}
