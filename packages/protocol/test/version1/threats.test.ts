import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FULL, SEED } from '@waybill/tools/test-scale';
import * as protocol from '../../src/index.ts';
import { isRegistryError } from '../../src/errors.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { applyRecord } from '../../src/record-log/machine.ts';
import { OPERATOR_LOG } from '../../src/record-log/operator-log.ts';
import { PACKAGE_LOG } from '../../src/record-log/package-log.ts';
import { decodeSignedRecord } from '../../src/record-log/signed-record.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/wire/envelope.ts';
import { packageLogId } from '../../src/names/log-id.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { decodeBase64, encodeBase64 } from '../../src/bytes/base64.ts';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { readCases, signCase, type EntryCase, type RecordCase } from './record-case.ts';
import { verdictOf, type SignedCase } from './verdict.ts';

const ALICE: RecordCase = { signers: ['alice'], entries: [{ root: { keys: ['alice'] } }] };
const TWO_OF_THREE = { keys: ['m1', 'm2', 'm3'], threshold: 2 };
/** What takes anything away from a package or gives anything in it. */
const SEIZURES: readonly EntryCase[] = [
  { transfer: { keys: ['eve'] } },
  { grant: { keys: ['eve'] }, permissions: ['grant', 'release', 'restore', 'yank'] },
  { root: { keys: ['eve'] } },
  { release: '1.0.0' },
  { yank: '1.0.0' },
  { restore: '1.0.0' },
  { revoke: '0/1' },
];

async function verdict(...records: readonly RecordCase[]): Promise<string> {
  return verdictOf(protocol, await signCase(records));
}

function by(signers: string, ...entries: readonly EntryCase[]): RecordCase {
  return { signers: signers.split(' '), entries };
}

function grant(key: string, permissions: readonly string[], under = ''): EntryCase {
  return { grant: { keys: [key] }, permissions, under };
}

test('P1: a root of two of three: any two do everything, whichever key is lost or stolen', async () => {
  const begin: RecordCase = { signers: ['m1', 'm2'], entries: [{ root: TWO_OF_THREE }] };
  for (const pair of ['m1 m2', 'm1 m3', 'm2 m3']) {
    const away = by(`${pair} alice`, { transfer: { keys: ['alice'] } });
    assert.equal(await verdict(begin, by(pair, { release: '1.0.0' }), away), 'ok', pair);
  }
  for (const thief of ['m1', 'm2', 'm3']) {
    for (const entry of SEIZURES.filter(({ root, revoke }) => root === undefined && revoke === undefined)) {
      const found = await verdict(begin, by(thief, entry));
      assert.equal(found, '1 record/unauthorized holder', `${thief}: ${JSON.stringify(entry)}`);
    }
  }
});

test('P1: no key outside the log, the operator’s like any, moves a package', async () => {
  const begin = by('alice', { root: { keys: ['alice'] } }, grant('bob', ['release']));
  for (const entry of SEIZURES) {
    const found = await verdict(begin, by('eve', entry));
    assert.match(found, /^1 record\/(?:unauthorized holder|root-again)$/, JSON.stringify(entry));
  }
});

test('P3: a yank or its undoing by a key that may only release is refused', async () => {
  const begin = by('alice', { root: { keys: ['alice'] } }, grant('bob', ['release']), { release: '1.0.0' });
  const yank = by('bob', { yank: '1.0.0', under: '0/1' });
  assert.equal(await verdict(begin, yank), '1 record/unauthorized permission');
  const yanked = by('alice', { yank: '1.0.0', reason: 'broken' });
  assert.equal(await verdict(begin, yanked, by('alice', { restore: '1.0.0' })), 'ok');
  assert.equal(
    await verdict(begin, yanked, by('bob', { restore: '1.0.0', under: '0/1' })),
    '2 record/unauthorized permission',
  );
});

test('P6: the records of a package are carried to no other package and to no other registry', async () => {
  const signed = await signCase([ALICE, by('alice', { release: '1.0.0' })]);
  const elsewhere: Readonly<Record<string, SignedCase>> = {
    'record/log': { ...signed, log: packageLogId(parsePackageName('test:other')) },
    'record/origin': { ...signed, origin: 'mirror.example' },
  };
  assert.equal(await verdictOf(protocol, signed), 'ok');
  for (const [code, carried] of Object.entries(elsewhere))
    assert.equal(await verdictOf(protocol, carried), `0 ${code}`);
});

test('P6: a record of version 1 is judged nowhere where the log is not known', async () => {
  const [envelope = ''] = (await signCase([ALICE])).envelopes;
  const record = decodeSignedRecord(PACKAGE_LOG, decodeEnvelope(decodeBase64(envelope)));
  await assert.rejects(applyRecord(PACKAGE_LOG, emptyLogState(null), record), (thrown) =>
    isRegistryError(thrown, 'record/log'),
  );
});

test('P8: the root cannot be revoked, nor given to whom does not sign for it', async () => {
  const begin = by('alice', { root: { keys: ['alice'] } }, grant('bob', ['grant', 'release']));
  const undone = by('alice', { revoke: '0/1' });
  assert.equal(await verdict(begin, undone, by('alice', grant('bob', ['release']))), 'ok');
  assert.equal(await verdict(begin, by('alice', { revoke: '0/0' })), '1 record/grant-unknown');
  for (const holder of [{ keys: ['bob'] }, { keys: ['bob', 'carol'], threshold: 2 }]) {
    assert.equal(
      await verdict(begin, by('alice bob', { transfer: { keys: ['carol'] } })),
      '1 record/unauthorized holder',
    );
    assert.equal(await verdict(begin, by('alice', { transfer: holder })), '1 record/unauthorized holder');
  }
});

/** What each permission is for; version 1.0.0 stands and 0.9.0 is yanked. */
const ACTS: Readonly<Record<string, (under: string) => EntryCase>> = {
  grant: (under) => grant('dave', ['grant'], under),
  release: (under) => ({ release: '1.1.0', under }),
  restore: (under) => ({ restore: '0.9.0', under }),
  yank: (under) => ({ yank: '1.0.0', under }),
};
const ROLES: Readonly<Record<string, readonly string[]>> = {
  maintainer: ['grant', 'release', 'restore', 'yank'],
  publisher: ['release'],
  moderator: ['restore', 'yank'],
  recruiter: ['grant'],
  auditor: ['annotate:audit'],
};

test('T9: each permission by each role', async () => {
  const releases: readonly EntryCase[] = [{ release: '1.0.0' }, { release: '0.9.0' }, { yank: '0.9.0' }];
  for (const [role, permissions] of Object.entries(ROLES)) {
    const begin = by('alice', { root: { keys: ['alice'] } }, grant('bob', permissions), ...releases);
    for (const [permission, act] of Object.entries(ACTS)) {
      const expected = permissions.includes(permission) ? 'ok' : '1 record/unauthorized permission';
      assert.equal(await verdict(begin, by('bob', act('0/1'))), expected, `${permission} by the ${role}`);
      assert.equal(
        await verdict(begin, by('bob', act(''))),
        '1 record/unauthorized holder',
        `${permission} as the root`,
      );
      assert.equal(await verdict(begin, by('alice', act(''))), 'ok', `${permission} by the root`);
    }
  }
});

test('T9: the release key is stolen: drill', async () => {
  const begin = by('alice', { root: { keys: ['alice'] } }, grant('bob', ['grant', 'release']));
  const before = by('bob', { release: '1.0.0', under: '0/1' });
  const theft = by('bob', { release: '1.0.1', under: '0/1' }, grant('eve', ['grant', 'release'], '0/1'));
  const stopped = by('alice', { revoke: '0/1', reason: 'stolen' }, { yank: '1.0.1' }, grant('carol', ['release']));
  const log = [begin, before, theft, stopped];
  assert.equal(await verdict(...log, by('carol', { release: '1.0.2', under: '3/2' })), 'ok');
  assert.equal(await verdict(...log, by('bob', { release: '6.6.6', under: '0/1' })), '4 record/unauthorized revoked');
  assert.equal(await verdict(...log, by('eve', { release: '6.6.6', under: '2/1' })), '4 record/unauthorized revoked');
  assert.equal(await verdict(...log, by('eve', grant('eve', ['release'], '2/1'))), '4 record/unauthorized revoked');
  assert.equal(await verdict(...log, by('bob', { revoke: '3/2', under: '0/1' })), '4 record/unauthorized holder');
  assert.equal(await verdict(...log, by('alice', { release: '1.0.0' })), '4 record/release-again');
});

/** The threat that each of these cases of vectors/version1/envelope.json shows. */
const HEADERS: Readonly<Record<string, RegExp>> = {
  'C1: a header without an algorithm, or with another one': /^alg "(?:none|None|nOnE|ES384|)"/,
  'C2: a header of a secret, or of the other algorithm of RSA': /^alg "HS256"|^RS256 in the header/,
  'C3: a key that a signature brings or names by itself':
    /^(?:an embedded jwk|jku|x5u|x5c|a kid that is |the kid of another)/,
  'C4: another header, form or list of signatures': /crit|b64|twice|JSON form|payload|missing|too many|order/,
  'C8: a signature for another use': /^(?:typ|no typ)/,
};

for (const [title, names] of Object.entries(HEADERS)) {
  test(`${title} does not count for a record`, async () => {
    const cases = readCases('envelope').filter(({ name }) => names.test(name));
    assert.ok(cases.length > 1, title);
    for (const { name, records, expect } of cases) {
      assert.match(expect, /^record\/(?:signature|signers)$/, name);
      assert.equal(await verdict(...records), `${records.length - 1} ${expect}`, name);
    }
  });
}

test('C4: no bit of what was signed, of its signatures or of who signed can be changed', async () => {
  const predicates = { versionMax: '2.0.0', notAfter: 1_800_000_000, mediaTypes: ['text/plain'], sizeMax: 5 };
  const narrowed: EntryCase = { grant: TWO_OF_THREE, permissions: ['release'], predicates };
  const signed = await signCase([by('bob edith', { root: { keys: ['bob', 'edith'], threshold: 2 } }, narrowed)]);
  const envelope = decodeEnvelope(decodeBase64(signed.envelopes[0] ?? ''));
  const [cosignature = assert.fail()] = envelope.cosignatures;
  const changed = [
    ...flipped(envelope.contents).map((contents) => ({ ...envelope, contents })),
    ...flipped(utf8(envelope.signature)).map((bytes) => ({ ...envelope, signature: textOf(bytes) })),
    ...flipped(utf8(envelope.keyId)).map((bytes) => ({ ...envelope, keyId: textOf(bytes) })),
    ...flipped(utf8(cosignature.signature)).map((bytes) => ({
      ...envelope,
      cosignatures: [{ ...cosignature, signature: textOf(bytes) }],
    })),
  ];
  assert.equal(await verdictOf(protocol, signed), 'ok');
  for (const one of changed) {
    const found = await verdictOf(protocol, { ...signed, envelopes: [encodeBase64(encodeEnvelope(one))] });
    assert.match(found, /^0 record\//);
  }
});

/** Each with one bit of it changed; the highest one stays, so that text stays text. */
function flipped(bytes: Uint8Array): Uint8Array[] {
  const bits = [0, 1, 2, 3, 4, 5, 6];
  return Array.from(bytes).flatMap((byte, i) =>
    (FULL ? bits : [(SEED + i) % bits.length]).map((bit) => bytes.with(i, byte ^ (1 << bit))),
  );
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

test('C10: the version stands in the signed bytes, and none of them is read as another', async () => {
  const envelopes = (await signCase([ALICE])).envelopes.map((text) => decodeEnvelope(decodeBase64(text)));
  const [envelope = assert.fail()] = envelopes;
  const at = envelope.contents.findIndex((byte, i) => byte === 0x10 && envelope.contents[i + 1] === 1) + 1;
  for (const version of [0, 2]) {
    const contents = envelope.contents.with(at, version);
    assert.throws(
      () => decodeSignedRecord(PACKAGE_LOG, { ...envelope, contents }),
      (thrown) => isRegistryError(thrown, 'record/decode'),
    );
  }
  const warg: RecordCase = { version: 0, signers: ['alice'], entries: [] };
  assert.equal(await verdict(ALICE, warg), '1 record/version-backwards');
});

test('C10: the operator log is of version 0 for ever', async () => {
  const record = { version: 1, signers: ['alice'], entries: [] };
  const [detached = '', warg = ''] = await Promise.all(
    [{ as: 'alice' }, { as: 'alice', form: 'warg' as const }].map(
      async (signature) => (await signCase([{ ...record, signatures: [signature] }])).envelopes[0],
    ),
  );
  assert.equal(await applied(detached), 'record/decode');
  assert.equal(await applied(warg), 'record/version');
});

async function applied(envelope: string): Promise<string> {
  try {
    const record = decodeSignedRecord(OPERATOR_LOG, decodeEnvelope(decodeBase64(envelope)));
    await applyRecord(OPERATOR_LOG, emptyLogState(null), record);
    return 'ok';
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}
