import { readFile } from 'node:fs/promises';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { parseJosePrivateKey, type JosePrivateKey } from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, registryFlags, repeatedFlag, signingFlags, textFlag } from '../flags.ts';
import { requireNoKeyText } from '../key-argument.ts';
import { openClient, signingKey, type RegistryFlags, type SigningFlags } from '../session.ts';
import { readCompleteFiles, showFile, signFile, type SignFlags } from './carry.ts';
import { sendCarried } from './carry-send.ts';
import { sayCommand } from './publish.ts';

interface RecordSignFlags extends SignFlags, Pick<SigningFlags, 'key'> {
  readonly keyFile?: string;
}

const signCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Sign a record that was drafted for several to sign',
    fullDescription: `Needs no registry. Says what the record does, who is to sign it and who has, and adds a signature: whoever is to sign
is named in the record before anybody signs. The file goes from one to the next in any order, and then it is sent.

  waybill yank demo:hello@1.0.0 --draft yank.json --signer sha256:… --signer sha256:…
  waybill record sign yank.json --key ann
  waybill record sign yank.signed.json --key bob`,
  },
  parameters: {
    flags: {
      key: signingFlags.key,
      keyFile: textFlag('File of a private key, instead', 'file'),
      output: textFlag('Where to write it (default: beside the draft, as .signed.json)', 'file'),
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('Draft, signed by others or not', 'file')] },
  },
  func: action<RecordSignFlags, [string]>(async (context, flags, progress, file) =>
    signFile(context, flags, progress, { file, key: await keyOf(context, flags) }),
  ),
});

async function keyOf(context: CliContext, flags: RecordSignFlags): Promise<JosePrivateKey> {
  requireNoKeyText({ '--key-file': flags.keyFile });
  if (flags.keyFile === undefined) return signingKey(context, flags);
  return parseJosePrivateKey((await readFile(flags.keyFile, 'utf8')).trim());
}

interface SendFlags extends RegistryFlags, CommonFlags {
  readonly content?: readonly string[];
  readonly final?: boolean;
}

const sendCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Send a record that all have signed who were to sign it',
    fullDescription: `It is judged on the registry's log first. When another record came before it, it must be drafted and signed again.
Where several have signed apart, give the file of each.

  waybill record send yank.signed.json
  waybill record send ann.json bob.json --content hello.wasm`,
  },
  parameters: {
    flags: {
      content: repeatedFlag('A file that the record names, to be uploaded', 'file'),
      final: signingFlags.final,
      ...registryFlags,
    },
    positional: { kind: 'array', parameter: argument('Signed record', 'file'), minimum: 1 },
  },
  func: action<SendFlags, string[]>(async (context, { content = [], final = false, ...flags }, progress, ...files) => {
    const carried = await readCompleteFiles(files);
    const client = await openClient(context, flags);
    return sendCarried(carried, { client, progress, content, final });
  }),
});

const showCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show what a drafted record does, who is to sign it, and who has',
    fullDescription: 'Needs no registry.\n\n  waybill record show yank.json',
  },
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [argument('Record', 'file')] } },
  func: action<CommonFlags, [string]>((_context, _flags, _progress, file) => showFile(file)),
});

export const recordRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { say: sayCommand, sign: signCommand, send: sendCommand, show: showCommand },
  defaultCommand: 'say',
  docs: {
    brief: 'Several statements in one record; and records that several people sign',
    fullDescription: `What one record is to say is given to the command itself, or to its other name, waybill record say.

  waybill record demo:hello --release 1.1.0=hello.wasm --yank 1.0.0
  waybill record say demo:hello --release 1.1.0=hello.wasm --draft next.json --signer sha256:… --signer sha256:…
  waybill record sign next.json
  waybill record send next.signed.json --content hello.wasm`,
  },
});
