import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { filesBelow, writeFolder } from './folder-files.ts';
import { openLyingProxy, type PassedAnswer } from './lying-proxy.ts';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

const FILES = 512;
const BYTES_PER_FILE = 8_192;
const SUBSET_SHARE_MAX = 0.03;
/** What comes back: `npm test` takes a folder, which has a seventh of them. */
const FETCHED = FULL ? '' : 'part-0/';
/** Bytes changed on the wire and on the disk: `npm test` takes a sample. */
const CHANGES = FULL ? 12 : 2;

let registry: TestRegistry;
let user: TestUser;

before(async () => {
  registry = await openRegistry();
  user = await openUser();
  await user.ok('key', 'new');
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

const at = (url: string | URL = registry.url): readonly string[] => ['--registry', String(url)];

/** The content digest of the Publish API proposal, by nothing that the packages have. */
function plainDigest(files: Readonly<Record<string, string>>): string {
  const entries = Object.entries(files).map(([name, text]) => ({
    name: Buffer.from(name),
    hash: createHash('sha256').update(Buffer.from(text, 'latin1')).digest(),
  }));
  const hash = createHash('sha256');
  for (const { name, hash: content } of entries.toSorted((a, b) => Buffer.compare(a.name, b.name))) {
    hash
      .update(content)
      .update(Uint8Array.of(name.length % 256, name.length >> 8))
      .update(name);
  }
  return `sha256:${hash.digest('hex')}`;
}

/** Publishes a tree of many files. Gives their paths and bytes. */
async function publishLarge(name: string): Promise<Record<string, string>> {
  const files: Record<string, Uint8Array> = {};
  for (let i = 0; i < FILES; i++) files[`part-${i % 7}/file-${i}.bin`] = randomBytes(BYTES_PER_FILE);
  const folder = await writeFolder(user.file('large'), files);
  await user.ok('publish', folder, '--package', name, '--version', '1.0.0', ...at());
  return filesBelow(folder);
}

test('a large tree has the digest of an independent computation, and three of its files cost three hundredths', async () => {
  const tree = await publishLarge('test:large');
  const listed = JSON.parse(await user.ok('ls', 'test:large', '--json', ...at()));
  assert.equal(listed.digest, plainDigest(tree));
  assert.equal(listed.files.length, FILES);
  await user.ok('get', `test:large@1.0.0/${FETCHED}**`, '-o', 'again', ...at());
  const fetched = Object.entries(tree).filter(([name]) => name.startsWith(FETCHED));
  assert.deepEqual(await filesBelow(user.file('again')), Object.fromEntries(fetched));
  const stranger = await openUser();
  let passed = 0;
  const count = ({ request, body }: PassedAnswer): Buffer => {
    passed += request.length + body.length;
    return body;
  };
  const proxy = await openLyingProxy(registry.url, count);
  try {
    await stranger.ok('get', 'test:large@1.0.0/**/file-{3,77,200}.bin', '-o', 'three', ...at(proxy.url));
    assert.equal(Object.keys(await filesBelow(stranger.file('three'))).length, 3);
  } finally {
    await proxy.close();
    await stranger.dispose();
  }
  // Fewer would mean that some went past the proxy.
  assert.ok(passed > 3 * BYTES_PER_FILE, `${passed} bytes for three files`);
  assert.ok(passed / (FILES * BYTES_PER_FILE) <= SUBSET_SHARE_MAX, `${passed} bytes for three files`);
  await refuseChangesOnDisk(new Dice(SEED), user.file('large'), Object.keys(tree));
  await refuseChangesOnTheWire(new Dice(SEED + 1));
});

async function refuseChangesOnDisk(dice: Dice, folder: string, paths: readonly string[]): Promise<void> {
  const verify = ['verify', folder, '--package', 'test:large', '--json', ...at()];
  await user.ok(...verify);
  for (let change = 0; change < CHANGES; change++) {
    const file = path.join(folder, dice.of(paths));
    const bytes = await readFile(file);
    await writeFile(file, withByteChanged(dice, bytes));
    assert.equal(codeOf(await user.run(...verify)), 'content/digest', file);
    await writeFile(file, bytes);
  }
  await user.ok(...verify);
}

/** Of the index and of the files in turn, each time for somebody who has nothing yet. */
async function refuseChangesOnTheWire(dice: Dice): Promise<void> {
  for (let change = 0; change < CHANGES; change++) {
    const stranger = await openUser();
    const wanted = change % 2 === 0 ? 0 : 1 + dice.below(FILES);
    let contents = 0;
    const proxy = await openLyingProxy(registry.url, ({ path: asked, contentType, body }) => {
      // Sources of a content are told in JSON. A content itself may begin with a brace, so its bytes do not tell.
      const isContent = asked.includes('/content/') && !contentType.includes('json');
      return isContent && contents++ === wanted ? withByteChanged(dice, body) : body;
    });
    try {
      const outcome = await stranger.run('get', 'test:large', '-o', 'changed', '--json', ...at(proxy.url));
      assert.equal(proxy.lies(), 1);
      assert.equal(codeOf(outcome), 'content/digest', `content ${wanted}`);
      assert.equal(existsSync(stranger.file('changed')), false);
    } finally {
      await proxy.close();
      await stranger.dispose();
    }
  }
}

function withByteChanged(dice: Dice, bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  const place = dice.below(bytes.length);
  changed[place] = (changed[place] ?? 0) ^ (1 + dice.below(255));
  return changed;
}
