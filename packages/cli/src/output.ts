import { stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createFile, fileWriter, hasCode } from '@waybill/client/node';
import { RegistryError } from '@waybill/protocol';

/** Mode of a file that others may read. */
export const OUTPUT_MODE = 0o644;

/** Where a command writes. */
export interface Output {
  readonly file: string;
  readonly mode: number;
  /** The user named it; a name that the command made up must not cost a file. */
  readonly mayReplace: boolean;
}

/** Throws `usage/invalid` where writing would cost one of `inputs`, or a file that the user did not name. */
export async function requireWritable({ file, mayReplace }: Output, inputs: readonly string[]): Promise<void> {
  const target = await identityOf(file);
  if (target === null) return;
  if (!mayReplace) throw thereAlready(file);
  for (const input of inputs) {
    if ((await identityOf(input)) === target) throw new RegistryError('usage/invalid', `${file} is an input as well`);
  }
}

/** The same for every name of a file; `null` where there is none. */
async function identityOf(file: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(file, { bigint: true });
    return `${dev}:${ino}`;
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return null;
    throw failure;
  }
}

/** Puts the whole file in place at once. Throws `usage/invalid` where it may not replace one that came meanwhile. */
export async function writeOutput({ file, mode, mayReplace }: Output, bytes: Uint8Array): Promise<void> {
  if (!mayReplace) {
    if (!(await createFile(path.resolve(file), bytes, mode))) throw thereAlready(file);
    return;
  }
  const writer = await fileWriter(path.resolve(file), { mode });
  try {
    await writer.write(bytes);
    await writer.keep();
  } catch (failure) {
    await writer.discard();
    throw failure;
  }
}

function thereAlready(file: string): RegistryError {
  return new RegistryError('usage/invalid', `${file} is there already: name it with --output to replace it`);
}

/** A reader that has enough, such as `head`, closes the pipe: that is no failure. */
export async function writeStandardOutput(bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  try {
    await pipeline(bytes, process.stdout, { end: false });
  } catch (failure) {
    if (!hasCode(failure, 'EPIPE')) throw failure;
  }
}
