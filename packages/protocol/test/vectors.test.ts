import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeBase64 } from '../src/bytes/base64.ts';
import { concatBytes, utf8 } from '../src/bytes/byte-array.ts';
import { decodeHex } from '../src/bytes/hex.ts';
import { parseJson } from '../src/bytes/json.ts';
import { ProtoWriter } from '../src/bytes/protobuf.ts';
import { isRegistryError } from '../src/errors.ts';
import { digestOf, parseAnyHash, parseDigest } from '../src/names/digest.ts';
import {
  parsePrivateKey,
  parsePublicKey,
  parseSignature,
  signBytes,
  type PrivateKey,
  type SigningContext,
} from '../src/names/key.ts';
import { parsePackageName } from '../src/names/package-name.ts';
import { compareVersions, parseVersion } from '../src/names/version.ts';
import type { LogDialect } from '../src/record-log/dialect.ts';
import { emptyLogState, type LogState } from '../src/record-log/log-state.ts';
import { applyRecord } from '../src/record-log/machine.ts';
import { OPERATOR_LOG, OPERATOR_PERMISSIONS } from '../src/record-log/operator-log.ts';
import { PACKAGE_LOG, PACKAGE_PERMISSIONS } from '../src/record-log/package-log.ts';
import { decodeSignedRecord, SIGNING_CONTEXT } from '../src/record-log/signed-record.ts';
import { decodeRecordFrame } from '../src/wire/record.ts';

const VECTORS = new URL('../../../../vectors/', import.meta.url);

/** One entry of a record, said by the member that is there. */
interface EntryVector {
  readonly init?: string;
  readonly grant?: string;
  readonly revoke?: string;
  readonly release?: string;
  readonly yank?: string;
  readonly define?: string;
  readonly import?: string;
  readonly registry?: string;
  readonly permissions?: readonly string[];
  /** Numbers that no permission has. */
  readonly permissionNumbers?: readonly number[];
  /** The member number of an entry of no known kind. */
  readonly unknown?: number;
}

interface RecordVector {
  readonly signer: string;
  readonly signWith?: string;
  readonly context?: SigningContext;
  /** `none`, `other`, or the text itself; without it the log's head. */
  readonly prev?: string;
  readonly version?: number;
  readonly time?: string;
  readonly entries: readonly EntryVector[];
}

/** The members that the kinds of vector files have between them. */
interface Vector {
  readonly name: string;
  readonly clause: string;
  readonly expect: string;
  readonly text: string;
  readonly hex: string;
  readonly records: readonly RecordVector[];
}

function read(name: string): readonly Vector[] {
  return JSON.parse(readFileSync(new URL(name, VECTORS), 'utf8'));
}

function readKeys(): Readonly<Record<'alice' | 'bob', string>> {
  return JSON.parse(readFileSync(new URL('keys.json', VECTORS), 'utf8'));
}

function outcome(work: () => unknown): string {
  try {
    work();
    return 'ok';
  } catch (failure) {
    if (isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

const TEXTS: Readonly<Record<string, (text: string) => unknown>> = {
  hash: parseAnyHash,
  digest: parseDigest,
  key: parsePublicKey,
  'private-key': parsePrivateKey,
  signature: parseSignature,
  'package-name': parsePackageName,
  version: parseVersion,
  base64: decodeBase64,
  hex: decodeHex,
  json: parseJson,
};

for (const [kind, parse] of Object.entries(TEXTS)) {
  test(`vectors: text/${kind}`, () => {
    for (const { text, expect, clause } of read(`text/${kind}.json`)) {
      assert.equal(
        outcome(() => parse(text)),
        expect,
        `${clause}: ${JSON.stringify(text)}`,
      );
    }
  });
}

test('vectors: record-log/protobuf', () => {
  for (const { name, hex, expect } of read('record-log/protobuf.json')) {
    assert.equal(
      outcome(() => decodeRecordFrame(decodeHex(hex), { hasVersion1: false })),
      expect,
      name,
    );
  }
});

const KEYS: Readonly<Record<string, PrivateKey>> = {
  alice: parsePrivateKey(readKeys().alice),
  bob: parsePrivateKey(readKeys().bob),
};

function keyOf(name: string): PrivateKey {
  return KEYS[name] ?? assert.fail(`no key ${name}`);
}

/** An entry written field by field, so that a vector can say what no encoder would. */
function encodeEntry(entry: EntryVector, operator: boolean): Uint8Array {
  const names: readonly string[] = operator ? OPERATOR_PERMISSIONS : PACKAGE_PERMISSIONS;
  const numbers = entry.permissionNumbers ?? (entry.permissions ?? []).map((name) => names.indexOf(name) + 1);
  const inner = new ProtoWriter();
  const member = (number: number): Uint8Array => new ProtoWriter().message(number, inner.finish()).finish();
  if (entry.init !== undefined) {
    const key = keyOf(entry.init).publicKey.text;
    if (operator) inner.string(1, 'sha256').string(2, key);
    else inner.string(1, key).string(2, 'sha256');
    return member(1);
  }
  if (entry.grant !== undefined) {
    inner.string(1, keyOf(entry.grant).publicKey.text).packed(2, numbers);
    return member(2);
  }
  if (entry.revoke !== undefined) {
    inner.string(1, keyOf(entry.revoke).publicKey.id).packed(2, numbers);
    return member(3);
  }
  if (entry.release !== undefined) {
    inner.string(1, entry.release).string(2, digestOf(utf8(entry.release)));
    return member(4);
  }
  if (entry.define !== undefined) {
    inner.string(1, entry.define);
    return member(4);
  }
  if (entry.import !== undefined) {
    inner.string(1, entry.import).string(2, entry.registry ?? '');
    return member(5);
  }
  if (entry.yank !== undefined) inner.string(1, entry.yank);
  return member(entry.unknown ?? 5);
}

function encodeTime(text: string): Uint8Array {
  const [seconds = '0', fraction = ''] = text.replace('-', '').split('.');
  const nanos = Number(fraction.padEnd(9, '0'));
  const sign = text.startsWith('-') ? -1 : 1;
  return new ProtoWriter()
    .varint(1, BigInt(sign) * BigInt(seconds))
    .varint(2, sign * nanos)
    .finish();
}

function encodeContents(record: RecordVector, head: string | null, operator: boolean): Uint8Array {
  const prevs: Readonly<Record<string, string | null>> = { none: null, other: digestOf(utf8('another record')) };
  const named = record.prev === undefined ? head : prevs[record.prev];
  const prev = named === undefined ? record.prev : named;
  const writer = new ProtoWriter();
  if (prev != null) writer.message(1, utf8(prev));
  writer.varint(2, record.version ?? 0).message(3, encodeTime(record.time ?? '1700000000'));
  for (const entry of record.entries) writer.message(4, encodeEntry(entry, operator));
  return writer.finish();
}

async function verdictOf<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  records: readonly RecordVector[],
): Promise<string> {
  let state: LogState<P, B> = emptyLogState(null);
  for (const [i, record] of records.entries()) {
    const contents = encodeContents(record, state.head?.id ?? null, dialect.kind === 'operator');
    const context: SigningContext = record.context ?? SIGNING_CONTEXT[dialect.kind] ?? assert.fail(dialect.kind);
    const signature = await signBytes(context, contents, keyOf(record.signWith ?? record.signer));
    const envelope = {
      contents,
      keyId: keyOf(record.signer).publicKey.id,
      signature: signature.text,
      cosignatures: [],
    };
    try {
      state = await applyRecord(dialect, state, decodeSignedRecord(dialect, envelope));
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
      assert.equal(i, records.length - 1, `record ${i} failed early: ${failure.code}`);
      return failure.code;
    }
  }
  return 'ok';
}

for (const { name, clause, records, expect } of read('record-log/package.json')) {
  test(`${clause}: ${name} → ${expect}`, async () => assert.equal(await verdictOf(PACKAGE_LOG, records), expect));
}

for (const { name, clause, records, expect } of read('record-log/operator.json')) {
  test(`${clause} (operator log): ${name} → ${expect}`, async () =>
    assert.equal(await verdictOf(OPERATOR_LOG, records), expect));
}

test('every rule of a log is provoked by a vector', () => {
  const provoked = new Set(
    [...read('record-log/package.json'), ...read('record-log/operator.json')].map(({ expect }) => expect),
  );
  const rules = [
    'decode',
    'first-not-init',
    'init-again',
    'key-unknown',
    'namespace-defined',
    'namespace-invalid',
    'no-init',
    'permission-not-held',
    'prev-mismatch',
    'prev-missing',
    'prev-on-first',
    'release-again',
    'signature',
    'time-backwards',
    'unauthorized',
    'version',
    'yank-again',
    'yank-unreleased',
  ];
  // record/hash-algorithm cannot happen while there is one hash algorithm: another one does not decode.
  for (const rule of rules) assert.ok(provoked.has(`record/${rule}`), rule);
});

test('the order of versions is Rust’s: precedence, then build metadata (warg.md 4.1)', () => {
  const ascending = [
    '0.9.0',
    '1.0.0-1',
    '1.0.0-2',
    '1.0.0-10',
    '1.0.0-a',
    '1.0.0-a.1',
    '1.0.0-b',
    '1.0.0',
    '1.0.0+1',
    '1.0.0+01',
    '1.0.0+2',
    '1.0.0+a',
    '1.0.1',
    '18446744073709551615.0.0',
  ];
  const versions = ascending.map(parseVersion);
  assert.deepEqual(versions.toReversed().toSorted(compareVersions), versions);
});

test('a key has one text and one id, however its point is written (warg.md 1)', () => {
  const { text, point } = keyOf('alice').publicKey;
  const uncompressed = `ecdsa-p256:${Buffer.from(point).toString('base64')}`;
  assert.equal(parsePublicKey(uncompressed).text, text);
  const compact = `ecdsa-p256:${Buffer.from(concatBytes(Uint8Array.of(5), point.subarray(1, 33))).toString('base64')}`;
  assert.equal(
    Buffer.from(parsePublicKey(compact).point.subarray(1, 33)).toString('hex'),
    Buffer.from(point.subarray(1, 33)).toString('hex'),
  );
});
