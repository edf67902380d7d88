import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, test } from 'node:test';
import {
  encodeRecordContents,
  PACKAGE_LOG,
  packageLogId,
  parseAnyHash,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  sha256,
  signBytes,
  timestampFromMs,
  utf8,
  type ErrorCode,
} from '@waybill/protocol';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { readHistory, serveHistory, type HistoryRecord } from './registry-history.ts';

/* Logs in which a publisher names content by something else than a whole SHA-256, and a server took it. */

const NAME = parsePackageName('test:weak');
const WHOLE = `sha256:${'ab'.repeat(32)}`;

let registry: TestRegistry;
let user: TestUser;

before(async () => {
  registry = await openRegistry();
  user = await openUser();
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** What the release says instead of {@link WHOLE}, and how the client names it. The first one shows that a sound one passes. */
const HASHES: readonly (readonly [hash: string, code: ErrorCode])[] = [
  [WHOLE, 'registry/unreachable'],
  ['sha256:', 'content/digest'],
  [WHOLE.slice(0, -2), 'content/digest'],
  [`${WHOLE}ab`, 'content/digest'],
  [WHOLE.replace('sha256', 'SHA256'), 'log/invalid'],
  [WHOLE.replace('ab', 'AB'), 'log/invalid'],
  [WHOLE.replace('ab', 'xy'), 'log/invalid'],
  [WHOLE.replace('sha256', 'sha512'), 'log/invalid'],
  [WHOLE.replace('sha256', 'sha224'), 'log/invalid'],
  [`md5:${'ab'.repeat(33)}a`, 'log/invalid'],
];

for (const [hash, code] of HASHES) {
  test(`S8: content named by ${hash.slice(0, 12)}… of ${hash.length} characters: ${code}`, async () => {
    const served = await serveHistory(registry, [...(await readHistory(registry)), await weakRecord(hash)]);
    try {
      const outcome = await user.run('get', NAME, '-o', 'out.wasm', '--registry', served.url.href, '--json');
      assert.equal(codeOf(outcome), code, outcome.stderr);
      assert.ok(!existsSync(user.file('out.wasm')));
    } finally {
      await served.dispose();
    }
  });
}

/** Texts that no hash may have are put in the place of one of their length, before the record is signed. */
async function weakRecord(hash: string): Promise<HistoryRecord> {
  const key = privateKeyFromRandom(sha256(utf8('publisher'))) ?? assert.fail();
  const content = parseAnyHash(hash.length === WHOLE.length ? WHOLE : hash);
  const draft = {
    prev: null,
    time: timestampFromMs(Date.now()),
    entries: [
      { type: 'init', key: key.publicKey },
      { type: 'release', version: parseVersion('1.0.0'), content },
    ],
  } as const;
  const text = Buffer.from(encodeRecordContents(PACKAGE_LOG, draft)).toString('latin1').replace(content, hash);
  const contents = new Uint8Array(Buffer.from(text, 'latin1'));
  const { text: signature } = await signBytes('package-record', contents, key);
  const envelope = { contents, keyId: key.publicKey.id, signature, cosignatures: [] };
  return { logId: packageLogId(NAME), name: NAME, envelope };
}
