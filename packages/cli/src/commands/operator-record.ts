import { readFile } from 'node:fs/promises';
import { judgedAs, sendOperatorRecord } from '@waybill/client';
import {
  encodeRecordContents,
  isRegistryError,
  judgeRecord,
  OPERATOR_LOG,
  parsePrivateKey,
  RegistryError,
  signRecord,
  timeAfter,
  timestampFromMs,
  type JsonValue,
  type OperatorEntry,
  type OperatorState,
  type PrivateKey,
  type RecordDraft,
} from '@waybill/protocol';
import type { CommandResult, CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { registryFlags, textFlag } from '../flags.ts';
import { operatorEntryBody, operatorEntryText } from '../operator-entry-text.ts';
import type { Progress } from '../progress.ts';
import { openClient, type RegistryFlags } from '../session.ts';
import { requireDraft } from '../signer-flags.ts';
import { writeDraft } from './carry.ts';

export interface LookFlags extends RegistryFlags, CommonFlags {}

export interface KeyFileFlags {
  readonly keyFile?: string;
}

export interface AppendFlags extends LookFlags, KeyFileFlags {
  readonly draft?: string;
}

const KEY_FILE_DEFAULT = './waybill-data/operator.key';
/** Operators that were first, in a row, before this one gives up. */
const REBASES_MAX = 5;

export const keyFileFlag = textFlag(
  `File of the operator's private key (default: ${KEY_FILE_DEFAULT}; or WAYBILL_OPERATOR_KEY)`,
  'file',
);

/** Flags of every command that adds to the operator log. */
export const appendFlags = {
  keyFile: keyFileFlag,
  draft: textFlag('Write the record to a file, unsigned: see waybill operator sign --help', 'file'),
  ...registryFlags,
} as const;

/** Signs a record of one entry and has it published; with `--draft` it is written for a key that is elsewhere. */
export async function appendOrDraft(
  context: CliContext,
  flags: AppendFlags,
  progress: Progress,
  entry: OperatorEntry,
): Promise<CommandResult> {
  requireDraft(flags, { '--key-file': flags.keyFile });
  if (flags.draft !== undefined) return draftRecord(context, flags, progress, { entry, file: flags.draft });
  const key = await operatorKey(context, flags);
  const client = await openClient(context, flags);
  for (let rebases = 0; ; rebases++) {
    progress.step('verifying the operator log');
    const { operator } = await client.view([]);
    const record = await signRecord(OPERATOR_LOG, draftOf(operator, entry), key);
    judgedAs('operator', () => judgeRecord(OPERATOR_LOG, operator, record));
    try {
      progress.step('sending');
      await sendOperatorRecord(client, record);
      return appended(record.id, record.entries);
    } catch (failure) {
      if (!isRegistryError(failure, 'publish/conflict') || rebases === REBASES_MAX) throw failure;
    }
  }
}

/** What is printed for a record that was published. */
function appended(recordId: string, entries: readonly OperatorEntry[]): CommandResult {
  const text = [...entries.map(operatorEntryText), `done, by record ${recordId}`].join('\n');
  return { text, json: { recordId, entries: entries.map(operatorEntryBody), ...namespaceOf(entries) } };
}

function namespaceOf(entries: readonly OperatorEntry[]): { [key: string]: JsonValue } {
  const [entry] = entries;
  return entry !== undefined && 'namespace' in entry ? { namespace: entry.namespace } : {};
}

interface Drafting {
  readonly entry: OperatorEntry;
  readonly file: string;
}

async function draftRecord(
  context: CliContext,
  flags: LookFlags,
  progress: Progress,
  { entry, file }: Drafting,
): Promise<CommandResult> {
  progress.step('verifying the operator log');
  const { operator } = await (await openClient(context, flags)).view([]);
  const contents = encodeRecordContents(OPERATOR_LOG, draftOf(operator, entry));
  return writeDraft({ kind: 'operator', log: null, contents, signers: [], signatures: [] }, file);
}

function draftOf(operator: OperatorState, entry: OperatorEntry): RecordDraft<OperatorEntry> {
  return {
    prev: operator.head?.id ?? null,
    time: timeAfter(operator.head, timestampFromMs(Date.now())),
    entries: [entry],
  };
}

async function operatorKey(context: CliContext, flags: KeyFileFlags): Promise<PrivateKey> {
  return parsePrivateKey(await operatorKeyText(context, flags));
}

/** The text of the operator's private key. Throws `key/not-found`. */
export async function operatorKeyText({ process }: CliContext, { keyFile }: KeyFileFlags): Promise<string> {
  const fromEnvironment = process.env['WAYBILL_OPERATOR_KEY'];
  if (keyFile === undefined && fromEnvironment !== undefined) return fromEnvironment.trim();
  const file = keyFile ?? KEY_FILE_DEFAULT;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new RegistryError(
      'key/not-found',
      `cannot read the operator key from ${file}: give --key-file`,
      {},
      { cause },
    );
  });
  return text.trim();
}
