import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import {
  decodeSignedRecord,
  formatTimestamp,
  judgeRecord,
  OPERATOR_LOG,
  RegistryError,
  signContents,
  utf8,
  wargApi,
  type Envelope,
  type OperatorEntry,
  type OperatorState,
  type SignedRecord,
} from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, registryFlags, textFlag } from '../flags.ts';
import { operatorEntryBody, operatorEntryText } from '../operator-entry-text.ts';
import { OUTPUT_MODE, requireWritable, writeOutput } from '../output.ts';
import { openClient } from '../session.ts';
import { appended, keyFileFlag, operatorKey, type KeyFileFlags, type LookFlags } from './operator-record.ts';

interface SignFlags extends CommonFlags, KeyFileFlags {
  readonly output?: string;
}

/** Needs no registry and no network: it is for the machine that the operator's root key never leaves. */
export const signCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Sign a record that another machine has drafted',
    fullDescription: `For a key that is kept offline. Says what the record does, and writes it signed, to be carried back and sent.

  waybill operator key grant ecdsa-p256:… --draft next.json     (online)
  waybill operator sign next.json --key-file root.key           (offline)
  waybill operator send next.signed.json                        (online)`,
  },
  parameters: {
    flags: {
      keyFile: keyFileFlag,
      output: textFlag('Where to write it (default: beside the draft, as .signed.json)', 'file'),
      ...jsonFlag,
    },
    aliases: { o: 'output' },
    positional: { kind: 'tuple', parameters: [argument('Draft', 'file')] },
  },
  func: action<SignFlags, [string]>(async (context, flags, progress, file) => {
    const named = flags.output;
    const output = {
      file: named ?? `${file.replace(/\.json$/, '')}.signed.json`,
      mode: OUTPUT_MODE,
      mayReplace: named !== undefined,
    };
    await requireWritable(output, [file]);
    const { contents } = await readCarried(file);
    const key = await operatorKey(context, flags);
    const record = await signContents(OPERATOR_LOG, contents, key);
    progress.stop();
    await requireMeant(context, record);
    await writeOutput(output, utf8(`${JSON.stringify(wargApi.envelopeBody(record.envelope))}\n`));
    return {
      text: `${whatItDoes(record)}\nsigned: ${output.file}. Online:  waybill operator send ${output.file}`,
      json: {
        signed: path.resolve(output.file),
        recordId: record.id,
        prev: record.prev,
        time: formatTimestamp(record.time),
        entries: record.entries.map(operatorEntryBody),
      },
    };
  }),
});

export const sendCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Send a record that was signed elsewhere',
    fullDescription: '  waybill operator send next.signed.json',
  },
  parameters: {
    flags: registryFlags,
    positional: { kind: 'tuple', parameters: [argument('Signed record', 'file')] },
  },
  func: action<LookFlags, [string]>(async (context, flags, progress, file) => {
    const envelope = await readCarried(file);
    if (envelope.signature === '') {
      throw new RegistryError('usage/invalid', `${file} is not signed yet: waybill operator sign ${file}`);
    }
    const record = decodeSignedRecord(OPERATOR_LOG, envelope);
    const client = await openClient(context, flags);
    progress.step('verifying the operator log');
    const { operator } = await client.view([]);
    if (operator.head?.id !== record.id) {
      requireNext(operator, record, file);
      progress.step('sending');
      await client.api.appendOperatorRecord(envelope);
    }
    return appended(record.id, record.entries);
  }),
});

/** Throws `publish/conflict` when another record came first, `record/…` when the signer may not say that. */
function requireNext(operator: OperatorState, record: SignedRecord<OperatorEntry>, file: string): void {
  const head = operator.head?.id ?? null;
  if (record.prev !== head) {
    const message = `the operator log has moved on since ${file} was drafted: draft it again`;
    throw new RegistryError('publish/conflict', message, { recordId: head ?? '' });
  }
  judgeRecord(OPERATOR_LOG, operator, record);
}

/** A draft is an envelope whose signature is empty. Throws `usage/invalid`. */
async function readCarried(file: string): Promise<Envelope> {
  const bytes = await readFile(file);
  try {
    return wargApi.decodeEnvelopeBody(bytes);
  } catch (cause) {
    throw new RegistryError('usage/invalid', `${file} is no record of an operator, drafted or signed`, {}, { cause });
  }
}

function whatItDoes({ entries, time }: SignedRecord<OperatorEntry>): string {
  return `a record of ${formatTimestamp(time)} that\n${entries.map((entry) => `  ${operatorEntryText(entry)}`).join('\n')}`;
}

/** A person at the key sees what it signs before the signature leaves this process. */
async function requireMeant({ interactive }: CliContext, record: SignedRecord<OperatorEntry>): Promise<void> {
  if (!interactive) return;
  const { confirm } = await import('@clack/prompts');
  const message = `${whatItDoes(record)}\nSign it?`;
  if ((await confirm({ message, initialValue: false, output: process.stderr })) === true) return;
  throw new RegistryError('usage/invalid', 'not signed');
}
