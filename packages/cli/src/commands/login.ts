import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { buildCommand, type Command } from '@stricli/core';
import { parseBearerToken } from '@waybill/client';
import { looksLikeAccessToken, RegistryError } from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { jsonFlag, textFlag } from '../flags.ts';
import { registryUrl, tokenFilesOf } from '../session.ts';
import { visibleLine } from '../visible-text.ts';

interface LoginFlags extends CommonFlags {
  readonly tokenFile?: string;
}

const text = (input: string): string => input;

const registryArgument = {
  kind: 'tuple',
  parameters: [
    {
      brief: 'Address of the registry (default: the one that is kept)',
      parse: text,
      placeholder: 'registry',
      optional: true,
    },
  ],
} as const;

export const loginCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Keep the token that the operator of a registry gave you',
    fullDescription: `Asks for the token, or reads it from --token-file or from a pipe; never from the command line, which others on this machine
can see. It is kept in a file that only you can read, and shown to this registry alone, when you publish. In CI put it into
WAYBILL_TOKEN instead. A token lets you ask; releases are signed with your key.

  waybill login https://registry.example
  waybill login https://registry.example --token-file token.txt
  secret-tool lookup waybill token | waybill login https://registry.example`,
  },
  parameters: {
    flags: { tokenFile: textFlag("File with the token ('-' is standard input)", 'file'), ...jsonFlag },
    positional: registryArgument,
  },
  func: async function login(this: CliContext, flags: LoginFlags, registry?: string): Promise<void> {
    await action<LoginFlags, []>(async (context, { tokenFile }) => {
      const url = await registryUrl(context, { ...givenRegistry(registry) });
      const token = parseBearerToken(await readToken(context, tokenFile, url));
      const files = tokenFilesOf(context);
      await files.keep(url, token);
      const file = files.fileOf(url);
      return { text: `kept the token for ${url.href} in ${file}`, json: { registry: url.href, file } };
    }).call(this, flags);
  },
});

export const logoutCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Forget the token for a registry',
    fullDescription: `Here only: the registry takes it until it expires, or its operator revokes it.

  waybill logout https://registry.example`,
  },
  parameters: { flags: jsonFlag, positional: registryArgument },
  func: async function logout(this: CliContext, flags: CommonFlags, registry?: string): Promise<void> {
    await action(async (context) => {
      const url = await registryUrl(context, { ...givenRegistry(registry) });
      const forgotten = await tokenFilesOf(context).forget(url);
      const line = forgotten ? `forgot the token for ${url.href}` : `there was no token for ${url.href}`;
      return { text: line, json: { registry: url.href, forgotten } };
    }).call(this, flags);
  },
});

function givenRegistry(registry: string | undefined): { registry?: string } {
  if (registry === undefined) return {};
  // Not quoted: it is a secret.
  if (looksLikeAccessToken(registry)) {
    throw new RegistryError(
      'usage/invalid',
      'that is a token: name the registry, and give the token in a file or a pipe',
    );
  }
  return { registry };
}

async function readToken({ interactive }: CliContext, file: string | undefined, { host }: URL): Promise<string> {
  if (file !== undefined && looksLikeAccessToken(file)) {
    throw new RegistryError('usage/invalid', '--token-file takes the name of a file, and that is a token');
  }
  if (file === '-' || (file === undefined && !interactive)) return readText(process.stdin);
  if (file !== undefined) return readFile(file, 'utf8').catch(unreadable);
  const { isCancel, password } = await import('@clack/prompts');
  const answer = await password({ message: visibleLine(`Token for ${host}`), output: process.stderr });
  if (isCancel(answer)) throw new RegistryError('usage/invalid', 'no token was given: nothing was kept');
  return answer;
}

/** The name is not quoted, nor is the error, which does: it may be a token by mistake. */
function unreadable(failure: unknown): never {
  const code = failure instanceof Error && 'code' in failure ? String(failure.code) : 'no file';
  throw new RegistryError('usage/invalid', `cannot read the file that --token-file names (${code})`);
}
