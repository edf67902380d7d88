import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf, isRegistryError, utf8, type Digest } from '@waybill/protocol';
import type { TreeFile } from '@waybill/protocol/content';
import { writeTreeFolder } from '../src/node/tree-folder.ts';
import type { ContentCache } from '../src/ports.ts';

let folder: string;
let target: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-tree-'));
  target = path.join(folder, 'target');
});
afterEach(() => rm(folder, { recursive: true }));

/** Files whose paths are their contents, in a cache that gives `given` for them. */
function treeOf(paths: readonly string[], given: (text: string) => Uint8Array = utf8) {
  const files = paths.map((name): TreeFile => ({ path: name, digest: digestOf(utf8(name)) }));
  const texts = new Map<Digest, string>(files.map((file) => [file.digest, file.path]));
  const cache: ContentCache = {
    parts: null,
    read: async (digest) => {
      const text = texts.get(digest);
      return text === undefined ? null : chunksOf(given(text));
    },
    size: async (digest) => texts.get(digest)?.length ?? null,
    writer: () => assert.fail('nothing is fetched here'),
    forget: async () => undefined,
  };
  return { files, cache };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function everything(): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => path.relative(folder, path.join(parentPath, name))).toSorted();
}

test('a write that fails between two files leaves the old tree, and nothing beside it', async () => {
  assert.equal(await writeTreeFolder(target, treeOf(['old', 'b/c']), 'keep'), 'written');
  const full = (text: string): Uint8Array => {
    if (text === 'z') throw new Error('the disk is full');
    return utf8(text);
  };
  await assert.rejects(writeTreeFolder(target, treeOf(['a', 'z'], full), 'replace'), /disk is full/);
  assert.deepEqual(await everything(), ['target/b/c', 'target/old']);
  await writeTreeFolder(target, treeOf(['a', 'z']), 'replace');
  assert.deepEqual(await everything(), ['target/a', 'target/z']);
});

test('U3: bytes that changed in the cache are not put in place', async () => {
  const flipped = (text: string): Uint8Array => utf8(text === 'b' ? 'c' : text);
  await assert.rejects(writeTreeFolder(target, treeOf(['a', 'b'], flipped), 'keep'), (thrown) =>
    isRegistryError(thrown, 'content/digest'),
  );
  assert.deepEqual(await everything(), []);
});

test('what a crash left aside is put back where nothing took its place, and removed where something did', async () => {
  const aside = path.join(folder, '.target.waybill-old');
  await mkdir(aside);
  await writeFile(path.join(aside, 'a'), 'a');
  assert.equal(await writeTreeFolder(target, treeOf(['a']), 'keep'), 'same');
  assert.equal(await readFile(path.join(target, 'a'), 'utf8'), 'a');
  await mkdir(aside);
  assert.equal(await writeTreeFolder(target, treeOf(['a']), 'keep'), 'same');
  assert.deepEqual(await everything(), ['target/a']);
  assert.deepEqual(await readdir(folder), ['target']);
});

test('W3: a path that climbs out is not written, whoever gave it', async () => {
  for (const name of ['../out', '/out', 'a/../../out']) {
    await assert.rejects(writeTreeFolder(target, treeOf([name]), 'keep'), (thrown) =>
      isRegistryError(thrown, 'content/tree'),
    );
  }
  assert.deepEqual(await everything(), []);
});
