import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  encodeRecordContents,
  decodeSignedRecord,
  isRegistryError,
  namespaceOf,
  PACKAGE_LOG,
  parsePackageName,
  parseVersion,
  timestampFromMs,
  type PackageEntry,
  type PrivateKey,
} from '@waybill/protocol';
import { checkPublisher } from '../src/core/publishers.ts';
import { readPublishersFile } from '../src/publishers-file.ts';
import { keyOf, signContents } from './publisher.ts';

const alice = keyOf('alice');
const bob = keyOf('bob');
const ID = alice.publicKey.id;

let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-publishers-'));
});
after(() => rm(folder, { recursive: true }));

async function fileOf(text: string): Promise<string> {
  const file = path.join(folder, 'publishers.toml');
  await writeFile(file, text);
  return file;
}

/** Whether `key` may ask for a record of these entries in `name`. */
async function isAllowed(
  text: string,
  name: string,
  key: PrivateKey,
  entries: readonly PackageEntry[],
): Promise<boolean> {
  const publishers = await readPublishersFile(await fileOf(text));
  const contents = encodeRecordContents(PACKAGE_LOG, { prev: null, time: timestampFromMs(0), entries });
  const record = decodeSignedRecord(PACKAGE_LOG, (await signContents(contents, key)).envelope);
  const package_ = parsePackageName(name);
  try {
    checkPublisher(publishers, { name: package_, namespace: namespaceOf(package_) }, record);
    return true;
  } catch (thrown) {
    assert.ok(isRegistryError(thrown, 'admission/denied'));
    return false;
  }
}

const init = (key: PrivateKey): PackageEntry => ({ type: 'init', key: key.publicKey });
const YANK: PackageEntry = { type: 'yank', version: parseVersion('1.0.0') };

test('section 8: a key of the namespace may publish in all of it, and nowhere else', async () => {
  const text = `[namespace.test]\nkeys = ["${ID}"]\n`;
  assert.ok(await isAllowed(text, 'test:one', alice, [init(alice)]));
  assert.ok(await isAllowed(text, 'test:one', alice, [init(alice), YANK]));
  assert.ok(!(await isAllowed(text, 'test:one', bob, [init(bob)])));
  assert.ok(!(await isAllowed(text, 'other:one', alice, [init(alice)])));
});

test('section 8: a key of a package may publish there alone', async () => {
  const text = `[package."test:one"]\nkeys = ["${ID}"]\n`;
  assert.ok(await isAllowed(text, 'test:one', alice, [init(alice)]));
  assert.ok(!(await isAllowed(text, 'test:two', alice, [init(alice)])));
  assert.ok(!(await isAllowed(text, 'test:one', bob, [YANK])));
});

test('section 8: with delegation others may ask for everything but init', async () => {
  const text = `[namespace.test]\nkeys = ["${ID}"]\ndelegation = true\n`;
  assert.ok(await isAllowed(text, 'test:one', bob, [YANK]));
  assert.ok(!(await isAllowed(text, 'test:one', bob, [init(bob)])));
  assert.ok(!(await isAllowed(text, 'test:one', bob, [YANK, init(bob)])));
  assert.ok(await isAllowed(text, 'test:one', alice, [init(alice)]));
});

test('section 8: a record without entries passes here; it is refused elsewhere', async () => {
  assert.ok(await isAllowed('', 'test:one', bob, []));
  assert.ok(!(await isAllowed('', 'test:one', bob, [YANK])));
});

test('a publishers file with anything unknown or malformed in it is refused', async () => {
  const wrong = [
    'x = 1',
    `[namespace.test]\nkeys = ["${ID}"]\nowner = "me"`,
    '[namespaces.test]\nkeys = []',
    '[namespace.Test]\nkeys = []',
    '[package.test]\nkeys = []',
    '[package."test:One"]\nkeys = []',
    '[namespace.test]\nkeys = "x"',
    '[namespace.test]\nkeys = ["x"]',
    `[namespace.test]\nkeys = ["${alice.publicKey.text}"]`,
    `[namespace.test]\nkeys = ["${ID.toUpperCase()}"]`,
    '[namespace.test]\ndelegation = 1',
    '[namespace.test]\nkeys = [',
    'namespace = 1',
  ];
  for (const text of wrong) {
    await assert.rejects(
      readPublishersFile(await fileOf(text)),
      (thrown) => isRegistryError(thrown, 'usage/invalid'),
      text,
    );
  }
  const missing = path.join(folder, 'missing.toml');
  await assert.rejects(readPublishersFile(missing), (thrown) => isRegistryError(thrown, 'usage/invalid'));
});

test('an empty publishers file lets nobody in, and a table may leave its members out', async () => {
  const empty = await readPublishersFile(await fileOf(''));
  assert.deepEqual(empty, { namespaces: new Map(), packages: new Map() });
  assert.ok(!(await isAllowed('[namespace.test]', 'test:one', alice, [init(alice)])));
});
