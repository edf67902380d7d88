import { readFile, realpath, stat } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import { wkgConfigWith } from '@waybill/client';
import { createFile, hasCode } from '@waybill/client/node';
import { parseNamespace, RegistryError } from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { jsonFlag, registryFlags, textFlag } from '../flags.ts';
import { writeOutput } from '../output.ts';
import { registryUrl } from '../session.ts';

interface WkgFlags extends CommonFlags {
  readonly registry?: string;
  readonly namespace?: string;
  readonly write?: boolean;
  readonly file?: string;
}

/** It may hold passwords. */
const NEW_FILE_MODE = 0o600;
const BACKUPS_MAX = 999;

export const configWkgCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Tell wkg of this registry',
    fullDescription: `Prints a config.toml by which wkg finds the registry. With --write it goes into the one that wkg reads: all else in
that file stays as it is, and a numbered copy of it is kept beside it. wasi and ba still go where they did before.

With --namespace wkg asks this registry for those namespaces alone, and its default stays.

  waybill config wkg
  waybill config wkg --write
  waybill config wkg --namespace demo,wasi --write
  waybill config wkg --registry https://registry.example --write --file wkg-config.toml`,
  },
  parameters: {
    flags: {
      registry: registryFlags.registry,
      namespace: textFlag(
        'Namespaces to get from it, separated by commas (default: all that nothing else is said of)',
        'list',
      ),
      write: { kind: 'boolean', brief: 'Change the file that wkg reads', optional: true, withNegated: false },
      file: textFlag('Another file than that of wkg (or WKG_CONFIG_FILE)', 'file'),
      ...jsonFlag,
    },
  },
  func: action<WkgFlags, []>(async (context, flags) => {
    const namespaces = flags.namespace?.split(',').map((name) => parseNamespace(name.trim())) ?? null;
    const registry = { url: await registryUrl(context, flags), namespaces };
    const file = wkgConfigFile(context.process.env, flags.file);
    if (flags.write !== true) {
      const { text } = wkgConfigWith(registry, { file, text: '' });
      return { text: text.trimEnd(), json: { file, text } };
    }
    const old = await readOld(file);
    const { text, replacedDefault } = wkgConfigWith(registry, { file, text: old?.text ?? '' });
    if (text === old?.text) return { text: `${file} says so already`, json: { file, isChanged: false, backup: null } };
    const backup = old === null ? null : await keepCopy(old);
    const mode = old?.mode ?? NEW_FILE_MODE;
    await writeOutput({ file: old?.file ?? file, mode, mayReplace: true }, Buffer.from(text));
    return writtenResult(file, backup, replacedDefault);
  }),
});

/** Where wkg 0.16 looks. */
function wkgConfigFile(env: CliContext['process']['env'], flag: string | undefined): string {
  const named = flag ?? env['WKG_CONFIG_FILE'];
  if (named) return named;
  const home = env['HOME'] ?? os.homedir();
  const xdg = env['XDG_CONFIG_HOME'] ?? '';
  const unix = path.isAbsolute(xdg) ? xdg : path.join(home, '.config');
  const folder = process.platform === 'win32' ? (env['APPDATA'] ?? path.join(home, 'AppData', 'Roaming')) : unix;
  return path.join(folder, 'wasm-pkg', 'config.toml');
}

interface OldFile {
  /** Behind links: one that leads to a folder of dotfiles stays a link. */
  readonly file: string;
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
}

/** `null` where there is none. Throws `usage/invalid` where it is not text. */
async function readOld(named: string): Promise<OldFile | null> {
  try {
    const file = await realpath(named);
    const bytes = await readFile(file);
    const { mode } = await stat(file);
    return {
      file,
      bytes,
      mode: mode & 0o777,
      text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    };
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return null;
    if (hasCode(cause, 'ERR_ENCODING_INVALID_ENCODED_DATA')) {
      throw new RegistryError('usage/invalid', `${named}: it is not UTF-8`, {}, { cause });
    }
    throw cause;
  }
}

/** Under the first number that is free: no copy replaces another. */
async function keepCopy({ file, bytes, mode }: OldFile): Promise<string> {
  for (let number = 1; number <= BACKUPS_MAX; number++) {
    const copy = `${file}.${number}`;
    if (await createFile(copy, bytes, mode)) return copy;
  }
  throw new RegistryError('usage/invalid', `${file} has ${BACKUPS_MAX} copies: remove some`);
}

function writtenResult(file: string, backup: string | null, replacedDefault: string | null): CommandResult {
  const lines = [
    `wrote ${file}`,
    ...(backup === null ? [] : [`  as it was  ${backup}`]),
    ...(replacedDefault === null ? [] : [`  default_registry was ${replacedDefault}`]),
  ];
  return { text: lines.join('\n'), json: { file, isChanged: true, backup, replacedDefault } };
}
