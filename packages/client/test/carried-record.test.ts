import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AnnotationBook,
  applyRecord,
  decodeSignedRecord,
  draftRecordJointly,
  emptyLogState,
  encodeBase64,
  encodeRecordContents,
  formatPrivateKey,
  GOVERNANCE_LOG,
  governanceLogId,
  holderOf,
  isRegistryError,
  OPERATOR_LOG,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parseNamespace,
  parsePackageName,
  privateKeyFromRandom,
  sha256,
  timestampFromMs,
  utf8,
  wargApi,
  NO_COSIGNATURES,
  type ErrorCode,
  type JosePrivateKey,
  type JsonValue,
} from '@waybill/protocol';
import {
  envelopeOf,
  formatCarried,
  isComplete,
  mergeCarried,
  missingSigners,
  parseCarried,
  readCarried,
  signCarried,
  verifyCarried,
  type CarriedRecord,
} from '../src/carried-record.ts';
import { draftRecord } from '@waybill/protocol/author';

/* Records that several sign on several machines: a file goes from one to the next (spec/version1.md 3.1). */

const NAME = parsePackageName('test:shared');
const HOME = { log: packageLogId(NAME), origin: 'registry.test' };
const TEAM = ['ann', 'bob', 'cyd'].map(keyOf);
const [ANN, BOB, CYD] = [keyOf('ann'), keyOf('bob'), keyOf('cyd')];

function keyOf(name: string): JosePrivateKey {
  return parseJosePrivateKey(formatPrivateKey(privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail()));
}

/** What begins a package whose root is any two of the team, for some of them to sign. */
function draftOf(...signers: readonly JosePrivateKey[]): CarriedRecord<'package'> {
  const holder = holderOf(
    TEAM.map(({ publicKey }) => publicKey),
    2,
  );
  const keys = signers.map(({ publicKey }) => publicKey).toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const random = (length: number): Uint8Array => new Uint8Array(length);
  const place = { state: emptyLogState<never, never>(HOME), book: new AnnotationBook() };
  const { envelope } = draftRecord({ entries: [{ type: 'root', holder }], annotations: [] }, place, {
    home: HOME,
    clock: () => 1_700_000_000_000,
    random,
    keys,
  });
  return { kind: 'package', log: NAME, contents: envelope.contents, signers: keys, signatures: [] };
}

/** Through a file, as from one machine to the next. */
function carried(record: CarriedRecord): CarriedRecord {
  return parseCarried(utf8(formatCarried(record)));
}

const isRefused = (code: ErrorCode) => (failure: unknown) => isRegistryError(failure, code);

for (const order of [
  [ANN, CYD],
  [CYD, ANN],
]) {
  test(`two of three sign one after another, ${order[0] === ANN ? 'the first' : 'the other'} first, and it is valid`, async () => {
    let record: CarriedRecord = draftOf(ANN, CYD);
    assert.deepEqual(missingSigners(record).length, 2);
    for (const key of order) {
      assert.equal(isComplete(record), false);
      record = carried(await signCarried(record, key));
    }
    assert.equal(isComplete(record), true);
    await verifyCarried(record);
    const signed = decodeSignedRecord(PACKAGE_LOG, envelopeOf(record));
    const state = await applyRecord(PACKAGE_LOG, emptyLogState(HOME), signed);
    assert.equal(state.root?.threshold, 2);
  });
}

test('two files that were signed apart are one record', async () => {
  const draft = draftOf(ANN, BOB);
  const [a, b] = [await signCarried(draft, ANN), await signCarried(draft, BOB)];
  assert.equal(isComplete(mergeCarried(a, [b, a])), true);
  assert.throws(() => mergeCarried(a, [draftOf(ANN, CYD)]), isRefused('usage/invalid'));
});

test('too few signers are refused before anybody signs', () => {
  assert.throws(() => draftOf(ANN), isRefused('record/unauthorized'));
});

test('who is not to sign, or has signed, does not', async () => {
  const draft = draftOf(ANN, BOB);
  await assert.rejects(signCarried(draft, CYD), isRefused('usage/invalid'));
  const signed = await signCarried(draft, ANN);
  await assert.rejects(signCarried(signed, ANN), isRefused('usage/invalid'));
  const operator = operatorDraft();
  const once = await signCarried(operator, ANN);
  await assert.rejects(signCarried(once, BOB), isRefused('usage/invalid'));
});

test('of a record of the operator log two files by different keys are no record of two signers', async () => {
  const draft = operatorDraft();
  const [byAnn, byBob] = [await signCarried(draft, ANN), await signCarried(draft, BOB)];
  assert.throws(() => mergeCarried(byAnn, [byBob]), isRefused('usage/invalid'));
  assert.equal(isComplete(mergeCarried(draft, [byAnn, byAnn])), true);
});

function operatorDraft(): CarriedRecord<'operator'> {
  const entry = { type: 'defineNamespace', namespace: parseNamespace('test') } as const;
  const draft = { prev: null, time: timestampFromMs(1_700_000_000_000), entries: [entry] };
  const contents = encodeRecordContents(OPERATOR_LOG, draft);
  return { kind: 'operator', log: null, contents, signers: [], signatures: [] };
}

test('an envelope alone is a record of the operator log, signed or not', async () => {
  const draft = operatorDraft();
  const unsigned = { contents: draft.contents, keyId: '', signature: '', cosignatures: NO_COSIGNATURES };
  assert.deepEqual(parseCarried(utf8(JSON.stringify(wargApi.envelopeBody(unsigned)))), draft);
  const signed = await signCarried(draft, ANN);
  const body = JSON.stringify(wargApi.envelopeBody(envelopeOf(signed)));
  assert.deepEqual(parseCarried(utf8(body)), carried(signed));
});

test('a governance record of a namespace, and of the registry', () => {
  for (const namespace of [parseNamespace('test'), null]) {
    const home = { log: governanceLogId(namespace), origin: HOME.origin };
    const holder = holderOf([ANN.publicKey], 1);
    const draft = { prev: null, time: timestampFromMs(0), entries: [{ type: 'root', holder } as const], home };
    const { contents } = draftRecordJointly(GOVERNANCE_LOG, draft, [ANN.publicKey.id]).envelope;
    const record = { kind: 'governance', log: namespace, contents, signers: [ANN.publicKey], signatures: [] } as const;
    assert.deepEqual(carried(record), record);
    assert.equal(readCarried(record).entries[0]?.type, 'root');
    const other = namespace === null ? parseNamespace('test') : null;
    assert.throws(() => carried({ ...record, log: other }), isRefused('usage/invalid'));
  }
});

type Body = { [name: string]: JsonValue };

/** What somebody on the way may do to a file. */
const CHANGES: Readonly<Record<string, (body: Body, other: Body) => JsonValue>> = {
  'P6: of another package than it says': (body) => ({ ...body, log: 'test:other' }),
  'of another kind': (body) => ({ ...body, kind: 'governance', log: 'test' }),
  'of the operator log': (body) => ({ ...body, kind: 'operator', log: null, signers: [], signatures: [] }),
  'of no kind': (body) => ({ ...body, kind: 'toString' }),
  'of a later waybill': (body) => ({ ...body, format: 'waybill record 2' }),
  'with a member more': (body) => ({ ...body, note: '' }),
  'with a signer more': (body, other) => ({ ...body, signers: other['signers'] ?? [] }),
  'without a signer': (body) => ({ ...body, signers: [] }),
  'with contents of other signers': (body, other) => ({ ...body, contentBytes: other['contentBytes'] ?? '' }),
  'with a signature of a stranger': (body) => ({ ...body, signatures: [{ keyId: CYD.publicKey.id, signature: '' }] }),
  'with a signature twice': (body) => ({ ...body, signatures: twice(body['signatures']) }),
  'without signatures': (body) => Object.fromEntries(Object.entries(body).filter(([name]) => name !== 'signatures')),
  'with a signature that is none': (body) => ({ ...body, signatures: [null] }),
  'with contents that are none': (body) => ({ ...body, contentBytes: encodeBase64(utf8('contents')) }),
  'that is a list': (body) => [body],
  'that is a text': () => 'waybill record 1',
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`a file ${what} is refused`, async () => {
    const bodyOf = (record: CarriedRecord): Body => JSON.parse(formatCarried(record));
    const signed = bodyOf(await signCarried(draftOf(ANN, BOB), ANN));
    const text = utf8(JSON.stringify(change(signed, bodyOf(draftOf(ANN, BOB, CYD)))));
    assert.throws(() => parseCarried(text), isRefused('usage/invalid'));
  });
}

test('a signature over other contents, or by another key, is seen by whoever comes next', async () => {
  const [signed, other] = [await signCarried(draftOf(ANN, BOB), ANN), draftOf(ANN, BOB, CYD)];
  await assert.rejects(
    verifyCarried(carried({ ...other, signatures: signed.signatures })),
    isRefused('record/signature'),
  );
  const foreign = await signCarried(draftOf(BOB, CYD), BOB);
  const moved = foreign.signatures.map(({ signature }) => ({ keyId: ANN.publicKey.id, signature }));
  await assert.rejects(verifyCarried({ ...signed, signatures: moved }), isRefused('record/signature'));
  const malformed = [{ keyId: ANN.publicKey.id, signature: 'jws' }];
  await assert.rejects(verifyCarried({ ...signed, signatures: malformed }), isRefused('record/decode'));
});

function twice(list: JsonValue | undefined): JsonValue {
  return Array.isArray(list) ? [...list, ...list] : assert.fail();
}
