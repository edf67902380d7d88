import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  concatBytes,
  decodeHex,
  emptyLogState,
  encodeHex,
  isRegistryError,
  OPERATOR_LOG,
  readLogFile,
  replayLog,
  utf8,
  type ErrorCode,
  type LogDialect,
  type LogKind,
} from '@waybill/protocol';
import { VERSION_0_PACKAGE_LOG } from './version-0.ts';
import { peerPath } from './peers.ts';

const OUTPUT_BYTES_MAX = 2 ** 30;

/** A log as the judge's corpus holds it; each record is an encoded Envelope, well formed or not. */
export interface JudgedLog {
  readonly kind: LogKind;
  readonly records: readonly Uint8Array[];
}

/** `ok` and the head, or the index of the first record that is refused and why, in our words. */
export type Verdict =
  | { readonly ok: true; readonly head: string | null; readonly records: number }
  | { readonly ok: false; readonly recordIndex: number; readonly code: string };

/** Rust's variant to our code. */
const CODE_OF_VARIANT: ReadonlyMap<string, ErrorCode> = new Map<string, ErrorCode>([
  ['Decode', 'record/decode'],
  ['FirstEntryIsNotInit', 'record/first-not-init'],
  ['InitialRecordDoesNotInit', 'record/no-init'],
  ['KeyIDNotRecognized', 'record/key-unknown'],
  ['InitialEntryAfterBeginning', 'record/init-again'],
  ['UnauthorizedAction', 'record/unauthorized'],
  ['PermissionNotFoundToRevoke', 'record/permission-not-held'],
  ['ReleaseOfReleased', 'record/release-again'],
  ['YankOfUnreleased', 'record/yank-unreleased'],
  ['YankOfYanked', 'record/yank-again'],
  ['SignatureError', 'record/signature'],
  ['IncorrectHashAlgorithm', 'record/hash-algorithm'],
  ['RecordHashDoesNotMatch', 'record/prev-mismatch'],
  ['PreviousHashOnFirstRecord', 'record/prev-on-first'],
  ['NoPreviousHashAfterInit', 'record/prev-missing'],
  ['ProtocolVersionNotAllowed', 'record/version'],
  ['TimestampLowerThanPrevious', 'record/time-backwards'],
  ['InvalidNamespace', 'record/namespace-invalid'],
  ['NamespaceAlreadyDefined', 'record/namespace-defined'],
]);

/** Only sha256 exists, so no record can name another algorithm than its log's. */
export const UNREACHABLE_CODES: readonly ErrorCode[] = ['record/hash-algorithm'];
export const RULE_CODES: readonly ErrorCode[] = [...CODE_OF_VARIANT.values()];

/** What our protocol package says. */
export function judgeOurs({ kind, records }: JudgedLog): Promise<Verdict> {
  const file = concatBytes(...records.flatMap((record) => [lengthOf(record), record]));
  return kind === 'package' ? replay(VERSION_0_PACKAGE_LOG, file) : replay(OPERATOR_LOG, file);
}

async function replay<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  file: Uint8Array,
): Promise<Verdict> {
  try {
    const { head, length } = await replayLog(dialect, emptyLogState<P, B>(null), readLogFile(file));
    return { ok: true, head: head?.id ?? null, records: length };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    // An envelope that does not decode is, for Rust, a record that does not.
    const code = failure.code === 'wire/protobuf' ? 'record/decode' : failure.code;
    return { ok: false, recordIndex: Number(failure.detail['recordIndex']), code };
  }
}

/** What the published Rust crate says, in the order of the logs. */
export function judgeTheirs(logs: readonly JudgedLog[]): Verdict[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'waybill-corpus-'));
  const corpus = path.join(folder, 'corpus');
  try {
    writeFileSync(corpus, concatBytes(...logs.map(corpusLog)));
    const output = execFileSync(peerPath('judge'), ['--corpus', corpus], {
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    return output.trimEnd().split('\n').map(readVerdict);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function corpusLog({ kind, records }: JudgedLog): Uint8Array {
  const head = Uint8Array.of(kind === 'package' ? 0 : 1);
  return concatBytes(head, uint32(records.length), ...records.flatMap((record) => [lengthOf(record), record]));
}

function lengthOf(record: Uint8Array): Uint8Array {
  return uint32(record.length);
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function readVerdict(line: string): Verdict {
  const [verdict, first = '', second = ''] = line.split('\t');
  if (verdict === 'ok') return { ok: true, head: first === '-' ? null : first, records: Number(second) };
  return { ok: false, recordIndex: Number(first), code: CODE_OF_VARIANT.get(second) ?? second };
}

/** For each `[kind, text]`: the text as the crate writes it again; `null` when it refuses it, `panic` when it dies of it. */
export function readTextsTheirs(texts: readonly (readonly [kind: string, text: string])[]): (string | null)[] {
  const answers = askLines(
    'text',
    texts.map(([kind, text]) => [kind, utf8(text)]),
  );
  return answers.map((line) => {
    const [answer = '', hex = ''] = line.split('\t');
    if (answer === 'err') return null;
    return answer === 'ok' ? new TextDecoder().decode(decodeHex(hex)) : answer;
  });
}

/** For each message: `ok` when the crate decodes it, `err` when it refuses it, `panic` when it dies of it. */
export function decodeMessagesTheirs(
  messages: readonly { readonly kind: string; readonly bytes: Uint8Array }[],
): string[] {
  return askLines(
    'proto',
    messages.map(({ kind, bytes }) => [kind, bytes]),
  );
}

function askLines(mode: 'text' | 'proto', items: readonly (readonly [kind: string, bytes: Uint8Array])[]): string[] {
  const input = items.map(([kind, bytes]) => `${kind}\t${encodeHex(bytes)}\n`).join('');
  const options = { input, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX } as const;
  return execFileSync(peerPath('judge'), [mode], options).trimEnd().split('\n');
}
