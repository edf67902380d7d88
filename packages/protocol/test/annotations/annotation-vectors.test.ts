import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { decodeHex } from '../../src/bytes/hex.ts';
import { ProtoWriter } from '../../src/bytes/protobuf.ts';
import { AnnotatedLog, keyOf } from './annotated-log.ts';

/** An annotation written field by field, so that a case can say what no encoder would. */
interface FieldsVector {
  readonly type?: string;
  readonly version?: string;
  readonly under?: string;
  readonly body?: string;
  readonly digest?: string;
  readonly size?: number;
  readonly mediaType?: string;
  readonly target?: string;
}

interface AnnotationVector {
  readonly name: string;
  readonly clause: string;
  readonly log: string;
  readonly signers: readonly string[];
  readonly seconds?: number;
  readonly fields?: FieldsVector;
  /** In the place of `fields`. */
  readonly hex?: string;
  readonly verdict: string;
}

interface LogVector {
  readonly version: 0 | 1;
  readonly records: readonly { readonly signers: readonly string[]; readonly contents: string }[];
}

interface VectorFile {
  readonly keys: Readonly<Record<string, string>>;
  readonly logs: Readonly<Record<string, LogVector>>;
  readonly valid: readonly AnnotationVector[];
  readonly invalid: readonly AnnotationVector[];
}

const FILE = new URL('../../../../../vectors/version1/annotations.json', import.meta.url);
const VECTORS: VectorFile = JSON.parse(readFileSync(FILE, 'utf8'));

function encode({ type, version, under, body, digest, size, mediaType, target }: FieldsVector): Uint8Array {
  return new ProtoWriter()
    .string(1, type ?? '')
    .string(2, version ?? '')
    .string(3, under ?? '')
    .bytes(4, utf8(body ?? ''))
    .string(5, digest ?? '')
    .varint(6, size ?? 0)
    .string(7, mediaType ?? '')
    .string(8, target ?? '')
    .finish();
}

function replayed({ version, records }: LogVector): AnnotatedLog {
  const log = new AnnotatedLog();
  for (const { signers, contents } of records) log.addContents(decodeHex(contents), { version, signers });
  return log;
}

test('the keys of the vectors are those of the test', () => {
  for (const [name, id] of Object.entries(VECTORS.keys)) assert.equal(keyOf(name).id, id);
});

for (const { clause, log: logName, name, signers, seconds, fields, hex, verdict } of [
  ...VECTORS.valid,
  ...VECTORS.invalid,
]) {
  test(`${clause} (${logName}): ${name} → ${verdict}`, () => {
    const vector = VECTORS.logs[logName] ?? assert.fail(logName);
    const bytes = hex === undefined ? encode(fields ?? {}) : decodeHex(hex);
    const time = seconds === undefined ? {} : { seconds: BigInt(seconds) };
    const found = replayed(vector).verdicts({ version: vector.version, signers, annotations: [bytes], ...time });
    assert.deepEqual(found, [verdict]);
  });
}
