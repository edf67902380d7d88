import {
  contentNamedBy,
  governanceLogText,
  isComplete,
  missingSigners,
  readCarried,
  type CarriedEntries,
  type CarriedKind,
  type CarriedLogs,
  type CarriedRecord,
} from '@waybill/client';
import { formatTimestamp, readAnnotations, type JsonValue } from '@waybill/protocol';
import { annotationJson, annotationLine } from './annotation-text.ts';
import { describeEntry, entryBody } from './entry-text.ts';
import { governanceEntryBody, governanceEntryText } from './governance-entry-text.ts';
import { operatorEntryBody, operatorEntryText } from './operator-entry-text.ts';
import { visibleLine } from './visible-text.ts';

/** The words for one kind of carried record. */
interface Words<K extends CarriedKind> {
  readonly named: (log: CarriedLogs[K]) => string;
  readonly text: (log: CarriedLogs[K], entry: CarriedEntries[K]) => string;
  readonly body: (entry: CarriedEntries[K]) => { [key: string]: JsonValue };
  /** The commands that sign and send it. */
  readonly command: string;
}

const WORDS: { readonly [K in CarriedKind]: Words<K> } = {
  operator: {
    named: () => 'the operator log',
    text: (_, entry) => operatorEntryText(entry),
    body: operatorEntryBody,
    command: 'waybill operator',
  },
  governance: {
    named: governanceLogText,
    text: (_, entry) => governanceEntryText(entry),
    body: governanceEntryBody,
    command: 'waybill operator',
  },
  package: {
    named: (name) => `the log of ${name}`,
    text: describeEntry,
    body: entryBody,
    command: 'waybill record',
  },
};

/** The next command for a file of a carried record. */
export function nextCommand(carried: CarriedRecord, file: string): string {
  const { command } = WORDS[carried.kind];
  if (!isComplete(carried)) return `${command} sign ${file}`;
  return `${command} send ${file}${contentNamedBy(readCarried(carried)).length === 0 ? '' : ' --content FILE'}`;
}

/** What a carried record says and who is to sign it, for whoever decides whether to sign. */
export function carriedText<K extends CarriedKind>(carried: CarriedRecord<K>): string {
  const { kind, log } = carried;
  const words: Words<K> = WORDS[kind];
  const record = readCarried(carried);
  const where = record.binding === null ? '' : ` at ${record.binding.origin}`;
  return [
    `a record for ${words.named(log)}${where}, dated ${formatTimestamp(record.time)}; once it is sent, it says:`,
    ...record.entries.map((entry) => `  ${words.text(log, entry)}`),
    ...readAnnotations(record).map(
      (read) => `  annotation ${'why' in read ? read.why : annotationLine(read.annotation)}`,
    ),
    ...signerLines(carried),
  ]
    .map(visibleLine)
    .join('\n');
}

function signerLines({ signers, signatures }: CarriedRecord): string[] {
  if (signers.length === 0) return signatures.map(({ keyId }) => `signed by ${keyId}`);
  const signed = new Set(signatures.map(({ keyId }) => keyId));
  return ['to be signed by', ...signers.map(({ id }) => `  ${id}  ${signed.has(id) ? 'has signed' : 'not yet'}`)];
}

/** The same as JSON. */
export function carriedBody<K extends CarriedKind>(carried: CarriedRecord<K>): { [key: string]: JsonValue } {
  const { kind, log, signers, signatures } = carried;
  const words: Words<K> = WORDS[kind];
  const record = readCarried(carried);
  const annotations = readAnnotations(record).map((read) =>
    'why' in read ? read.why : annotationJson(read.annotation),
  );
  return {
    kind,
    log,
    origin: record.binding?.origin ?? null,
    recordId: record.id,
    prev: record.prev,
    time: formatTimestamp(record.time),
    entries: record.entries.map((entry) => words.body(entry)),
    annotations,
    signers: signers.map(({ id }) => id),
    signedBy: signatures.map(({ keyId }) => keyId),
    missing: missingSigners(carried).map(({ id }) => id),
  };
}
