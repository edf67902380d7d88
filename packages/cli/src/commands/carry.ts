import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import {
  CARRIED_BYTES_MAX,
  formatCarried,
  isComplete,
  mergeCarried,
  missingSigners,
  parseCarried,
  signCarried,
  verifyCarried,
  type CarriedRecord,
} from '@waybill/client';
import { messageOf, RegistryError, utf8, type JosePrivateKey, type JsonValue } from '@waybill/protocol';
import type { CommandResult, CommonFlags } from '../action.ts';
import { carriedBody, carriedText, nextCommand } from '../carried-text.ts';
import type { CliContext } from '../context.ts';
import { OUTPUT_MODE, requireWritable, writeOutput, type Output } from '../output.ts';
import type { Progress } from '../progress.ts';
import { isConfirmed } from '../question.ts';

/* Records that are signed elsewhere: needs no registry and no network, for the machine that a key never leaves. */

const SIGNED = '.signed.json';

/** Throws `usage/invalid` for what is no such file, and `record/signature` for one with a signature that is not by its key. */
export async function readCarriedFile(file: string): Promise<CarriedRecord> {
  const bytes = await readSmallFile(file);
  try {
    const carried = parseCarried(bytes);
    await verifyCarried(carried);
    return carried;
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    throw new RegistryError(cause.code, `${file}: ${messageOf(cause)}`, cause.detail, { cause });
  }
}

/** Throws `usage/invalid` before a byte is read: a file may be larger than the memory, and a pipe may never end. */
async function readSmallFile(file: string): Promise<Uint8Array> {
  // Without O_NONBLOCK opening a pipe waits for whoever writes to it; Windows has neither.
  const handle = await open(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
    if (stats.size <= CARRIED_BYTES_MAX) return await handle.readFile();
    const message = `${file} is no record to be signed or sent: it has more than ${CARRIED_BYTES_MAX} bytes`;
    throw new RegistryError('usage/invalid', message);
  } finally {
    await handle.close();
  }
}

/** One record of several files of it. Throws as {@link readCarriedFile}, and `usage/invalid` while it is not signed by all. */
export async function readCompleteFiles(files: readonly string[]): Promise<CarriedRecord> {
  const [first, ...others] = await Promise.all(files.map(readCarriedFile));
  if (first === undefined) throw new RegistryError('usage/invalid', 'which record? Give its file');
  const carried = mergeCarried(first, others);
  if (isComplete(carried)) return carried;
  const missing = missingSigners(carried).map(({ id }) => id);
  const whose = missing.length === 0 ? 'is not signed yet' : `is not signed by ${missing.join(', ')}`;
  const name = files.at(-1) ?? '';
  throw new RegistryError('usage/invalid', `the record ${whose}: ${nextCommand(carried, name)}`);
}

export interface DraftResult extends CommandResult {
  readonly json: { readonly [key: string]: JsonValue };
}

/** Writes a record that others are to sign. */
export async function writeDraft(carried: CarriedRecord, file: string): Promise<DraftResult> {
  await writeOutput({ file, mode: OUTPUT_MODE, mayReplace: true }, utf8(formatCarried(carried)));
  return {
    text: `${carriedText(carried)}\nnot signed yet: ${file}. Where the keys are:  ${nextCommand(carried, file)}`,
    json: { draft: path.resolve(file), ...carriedBody(carried) },
  };
}

export interface SignFlags extends CommonFlags {
  readonly output?: string;
}

/** Adds a signature to a file: to the file itself once it has one, so that it can go on to the next who signs. */
export async function signFile(
  context: CliContext,
  flags: SignFlags,
  progress: Progress,
  { file, key }: { readonly file: string; readonly key: JosePrivateKey },
): Promise<CommandResult> {
  const output = outputOf(file, flags);
  await requireWritable(output, flags.output === undefined ? [] : [file]);
  const signed = await signCarried(await readCarriedFile(file), key);
  progress.stop();
  await requireMeant(context, signed);
  await writeOutput(output, utf8(formatCarried(signed)));
  const next = isComplete(signed) ? 'Online' : 'Next, with another key';
  return {
    text: `${carriedText(signed)}\nsigned: ${output.file}. ${next}:  ${nextCommand(signed, output.file)}`,
    json: { signed: path.resolve(output.file), ...carriedBody(signed) },
  };
}

function outputOf(file: string, { output }: SignFlags): Output {
  const isSigned = file.endsWith(SIGNED);
  return {
    file: output ?? (isSigned ? file : `${file.replace(/\.json$/, '')}${SIGNED}`),
    mode: OUTPUT_MODE,
    mayReplace: output !== undefined || isSigned,
  };
}

/** A person at the key sees what it signs before the signature leaves this process. */
async function requireMeant({ interactive }: CliContext, carried: CarriedRecord): Promise<void> {
  if (!interactive) return;
  if (await isConfirmed(`${carriedText(carried)}\nSign it?`)) return;
  throw new RegistryError('usage/invalid', 'not signed');
}

/** What a file holds. */
export async function showFile(file: string): Promise<CommandResult> {
  const carried = await readCarriedFile(file);
  return { text: `${carriedText(carried)}\nnext:  ${nextCommand(carried, file)}`, json: carriedBody(carried) };
}
