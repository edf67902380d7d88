import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError, type ErrorCode } from '../../src/errors.ts';
import { privateKeyFromRandom, signBytes } from '../../src/names/key.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { PACKAGE_LOG, type PackageEntry } from '../../src/record-log/package-log.ts';
import { replayLog } from '../../src/record-log/replay.ts';
import { encodeRecordContents } from '../../src/record-log/signed-record.ts';

const key = privateKeyFromRandom(sha256(utf8('alice'))) ?? assert.fail();
const INIT: PackageEntry = { type: 'init', key: key.publicKey };
const DRAFT = { prev: null, time: { seconds: 1_700_000_000n, nanos: 0 }, entries: [INIT] };
const CONTENTS = encodeRecordContents(PACKAGE_LOG, DRAFT);
/** Field 2, the version; of a field that comes twice, the last counts. Said to be of version 1, it lacks all that makes one. */
const VERSIONS: readonly (readonly [readonly number[], ErrorCode])[] = [
  [[1], 'record/decode'],
  [[2], 'record/version'],
  [[0x7f], 'record/version'],
  [[0x81, 0x80, 0x80, 0x80, 0x10], 'record/decode'],
  [[0xff, 0xff, 0xff, 0xff, 0x0f], 'record/version'],
];

function ofVersion(version: readonly number[]): Uint8Array {
  return concatBytes(CONTENTS, Uint8Array.of(0x10, ...version));
}

async function refused(contents: Uint8Array, signed: Uint8Array, code: ErrorCode): Promise<void> {
  const { text } = await signBytes('package-record', signed, key);
  const envelope = { contents, keyId: key.publicKey.id, signature: text, cosignatures: [] };
  await assert.rejects(replayLog(PACKAGE_LOG, emptyLogState(null), [envelope]), (failure) =>
    isRegistryError(failure, code),
  );
}

test('C10: a record of another version is refused by the reader of version 0, however well it is signed', async () => {
  for (const [version, code] of VERSIONS) await refused(ofVersion(version), ofVersion(version), code);
});

test('C10: the version is signed: neither is taken for the other', async () => {
  for (const [version, code] of VERSIONS) {
    await refused(CONTENTS, ofVersion(version), 'record/signature');
    await refused(ofVersion(version), CONTENTS, code);
  }
});
