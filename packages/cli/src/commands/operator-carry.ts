import { buildCommand, type Command } from '@stricli/core';
import { parseJosePrivateKey } from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, registryFlags, textFlag } from '../flags.ts';
import { keyStoreOf, openClient } from '../session.ts';
import { readCompleteFiles, signFile, type SignFlags } from './carry.ts';
import { sendCarried } from './carry-send.ts';
import { keyFileFlag, operatorKeyText, type KeyFileFlags, type LookFlags } from './operator-record.ts';

interface OperatorSignFlags extends SignFlags, KeyFileFlags {
  readonly key?: string;
}

export const signCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Sign a record that another machine has drafted',
    fullDescription: `For a key that is kept offline. Says what the record does, and writes it signed, to be carried on or back, and sent.
What several are to sign goes from one to the next: a signature more is written to the same file.

  waybill operator key grant ecdsa-p256:… --draft next.json     (online)
  waybill operator sign next.json --key-file root.key           (offline)
  waybill operator send next.signed.json                        (online)`,
  },
  parameters: {
    flags: {
      keyFile: keyFileFlag,
      key: textFlag('Name of a key that is kept here, instead', 'name'),
      output: textFlag('Where to write it (default: beside the draft, as .signed.json)', 'file'),
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('Draft', 'file')] },
  },
  func: action<OperatorSignFlags, [string]>(async (context, flags, progress, file) => {
    const key =
      flags.key === undefined
        ? parseJosePrivateKey(await operatorKeyText(context, flags))
        : await keyStoreOf(context).load(flags.key);
    return signFile(context, flags, progress, { file, key });
  }),
});

export const sendCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Send a record that was signed elsewhere',
    fullDescription: `Of a record that several have signed apart, give the file of each.

  waybill operator send next.signed.json`,
  },
  parameters: {
    flags: registryFlags,
    positional: { kind: 'array', parameter: argument('Signed record', 'file'), minimum: 1 },
  },
  func: action<LookFlags, string[]>(async (context, flags, progress, ...files) => {
    const carried = await readCompleteFiles(files);
    const client = await openClient(context, flags);
    return sendCarried(carried, { client, progress, content: [], final: false });
  }),
});
