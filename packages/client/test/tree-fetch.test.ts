import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import {
  concatBytes,
  digestOf,
  isRegistryError,
  parseDigest,
  parseRecordId,
  parsePackageName,
  parseVersion,
  utf8,
  type Digest,
  type FetchableRelease,
} from '@waybill/protocol';
import {
  CONTENT_KINDS,
  TREE_INDEX_BYTES_MAX,
  encodeTreeIndex,
  encodeWit,
  parseWit,
  type TreeFile,
} from '@waybill/protocol/content';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { requireClaim } from '../src/content-claim.ts';
import type { ContentCache } from '../src/ports.ts';
import { RegistryApi } from '../src/registry-api.ts';
import { fetchTreeFiles, fetchTreeIndex, selectFiles, type TreeFetchParts } from '../src/tree-fetch.ts';
import { Transport, TRANSPORT_LIMITS } from '../src/transport.ts';

/* Trees are checked by the release and the index alone: spec/content.md 4.10. */

const COMPONENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);
const FILES: Readonly<Record<string, Uint8Array>> = {
  'component.wasm': COMPONENT,
  'readme.md': utf8('# A tree of files'),
  'wit/deps/io.wit': utf8('package test:io;'),
  'wit/world.wit': utf8('package test:world;'),
};

interface Tree {
  readonly index: Uint8Array;
  readonly files: readonly TreeFile[];
  readonly release: FetchableRelease;
}

function releaseOf(index: Uint8Array, size = index.length): FetchableRelease {
  const content = digestOf(index);
  const release = {
    version: parseVersion('1.0.0'),
    recordId: parseRecordId(content),
    by: content,
    time: { seconds: 0n, nanos: 0 },
    content,
    claim: { mediaType: CONTENT_KINDS.tree.mediaType ?? '', size },
    state: { status: 'released' },
  } as const;
  return { release, content };
}

function treeOf(contents: Readonly<Record<string, Uint8Array>>): Tree {
  const files = Object.entries(contents).map(([path, bytes]) => ({ path, digest: digestOf(bytes) }));
  const index = encodeTreeIndex(files);
  return { index, files, release: releaseOf(index) };
}

/** A registry that serves these contents, as `lie` has them, to a client with an empty cache. */
function partsOver(contents: readonly Uint8Array[], lie: (digest: Digest, bytes: Uint8Array) => Uint8Array) {
  const served = new Map(contents.map((bytes) => [digestOf(bytes), bytes]));
  const cached = new Map<Digest, Uint8Array>();
  const cache: ContentCache = {
    parts: null,
    read: async (digest) => {
      const bytes = cached.get(digest);
      return bytes === undefined ? null : chunksOf(bytes);
    },
    size: async (digest) => cached.get(digest)?.length ?? null,
    writer: async (digest) => {
      const chunks: Uint8Array[] = [];
      return {
        write: async (chunk) => void chunks.push(chunk.slice()),
        keep: async () => void cached.set(digest, concatBytes(...chunks)),
        discard: async () => undefined,
      };
    },
    forget: async (digest) => void cached.delete(digest),
  };
  const fetch = async (url: string): Promise<Response> => {
    const digest = parseDigest(`sha256:${url.slice(-64)}`);
    const bytes = served.get(digest);
    if (bytes === undefined) return new Response(null, { status: 404 });
    if (url.includes('/bytes/')) return new Response(lie(digest, bytes).slice());
    const sources = [{ type: 'httpGet', url: `bytes/${url.slice(-64)}`, acceptRanges: false }];
    return Response.json({ contentSources: { [digest]: sources } });
  };
  const api = new RegistryApi(new Transport(new URL('http://registry.test/'), fetch, {}, TRANSPORT_LIMITS));
  const parts: TreeFetchParts = { client: { api }, cache, onProgress: () => undefined };
  return { parts, cached };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

const asItIs = (_digest: Digest, bytes: Uint8Array): Uint8Array => bytes;

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'ok';
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}

test('a tree comes whole, and each file is the one that its digest names', async () => {
  const { index, files, release } = treeOf(FILES);
  const { parts, cached } = partsOver([index, ...Object.values(FILES)], asItIs);
  const found = await fetchTreeIndex(release, parts);
  assert.deepEqual(new Set(found), new Set(files));
  await fetchTreeFiles(found, parts);
  for (const [path, bytes] of Object.entries(FILES)) {
    const digest = found.find((file) => file.path === path)?.digest ?? assert.fail(path);
    assert.equal(digest, `sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    assert.deepEqual(cached.get(digest), bytes);
  }
});

test('W3: every byte of the index and of the files, changed on the wire, is refused and nothing of it is kept', async () => {
  const { index, release } = treeOf(FILES);
  const contents = [index, ...Object.values(FILES)];
  for (const target of contents) {
    for (let at = 0; at < target.length; at++) {
      const flip = (digest: Digest, bytes: Uint8Array): Uint8Array =>
        digest === digestOf(target) ? bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8))) : bytes;
      const { parts, cached } = partsOver(contents, flip);
      const get = async (): Promise<void> => fetchTreeFiles(await fetchTreeIndex(release, parts), parts);
      assert.equal(await codeOf(get()), 'content/digest');
      assert.equal(cached.has(digestOf(target)), false);
    }
  }
});

const LARGE_TREE_FILES = 512;
/** `npm test` takes one byte of so many. */
const CHANGE_STEP = FULL ? 1 : 61;

test('W3: of a tree of many files, every byte changed on the wire is refused', async () => {
  const dice = new Dice(SEED);
  const names = Array.from({ length: LARGE_TREE_FILES }, (_, i) => `part-${i % 7}/file-${i}.txt`);
  const contents = names.map((name) => utf8(name.repeat(1 + dice.below(4))));
  const { index, release } = treeOf(Object.fromEntries(names.map((name, i) => [name, contents[i] ?? assert.fail()])));
  let lie = asItIs;
  const { parts, cached } = partsOver([index, ...contents], (digest, bytes) => lie(digest, bytes));
  const files = await fetchTreeIndex(release, parts);
  let place = 0;
  for (const target of [index, ...contents]) {
    const digest = digestOf(target);
    const own = files.filter((file) => file.digest === digest);
    const get = async (): Promise<unknown> =>
      target === index ? fetchTreeIndex(release, parts) : fetchTreeFiles(own, parts);
    cached.delete(digest);
    for (let at = 0; at < target.length; at++) {
      if (place++ % CHANGE_STEP !== 0) continue;
      const value = (target[at] ?? 0) ^ (1 + dice.below(255));
      lie = (asked, bytes) => (asked === digest ? bytes.with(at, value) : bytes);
      assert.equal(await codeOf(get()), 'content/digest', `byte ${at} of ${digest}`);
      assert.equal(cached.has(digest), false);
    }
    lie = asItIs;
    await get();
    assert.ok(cached.has(digest));
  }
});

test('W3: an index that its publisher signed and that breaks the rules of trees is refused', async () => {
  const entry = (path: string): Uint8Array =>
    Uint8Array.of(...createHash('sha256').update(path).digest(), path.length, 0, ...utf8(path));
  for (const paths of [
    ['../evil'],
    ['/etc/passwd'],
    ['a', 'a'],
    ['README', 'readme'],
    ['a', 'a/b'],
    ['b', 'a'],
    ['a\0'],
  ]) {
    const index = concatBytes(...paths.map(entry));
    const { parts } = partsOver([index], asItIs);
    assert.equal(await codeOf(fetchTreeIndex(releaseOf(index), parts)), 'content/tree', paths.join(' '));
  }
});

test('T5, W3: an index is no larger than its release says, nor than any may be', async () => {
  const { index } = treeOf(FILES);
  const over = partsOver([index], asItIs);
  assert.equal(await codeOf(fetchTreeIndex(releaseOf(index, index.length - 1), over.parts)), 'content/size');
  assert.equal(await codeOf(fetchTreeIndex(releaseOf(index, index.length + 1), over.parts)), 'content/size');
  assert.equal(await codeOf(fetchTreeIndex(releaseOf(index, TREE_INDEX_BYTES_MAX + 1), over.parts)), 'content/tree');
});

test('P4: a component of a tree is one, and a file is what its release claims', async () => {
  const bad = treeOf({ 'component.wasm': utf8('no component') });
  const { parts } = partsOver([bad.index, utf8('no component')], asItIs);
  assert.equal(await codeOf(fetchTreeFiles(bad.files, parts)), 'content/policy');
  const claimed = (bytes: Uint8Array, size: number) =>
    requireClaim(
      parsePackageName('test:tree'),
      {
        version: parseVersion('1.0.0'),
        claim: { mediaType: CONTENT_KINDS.component.mediaType ?? '', size },
      },
      chunksOf(bytes),
    );
  assert.equal(await codeOf(claimed(COMPONENT, COMPONENT.length)), 'ok');
  assert.equal(await codeOf(claimed(COMPONENT, COMPONENT.length + 1)), 'content/size');
  assert.equal(await codeOf(claimed(utf8('12345678'), 8)), 'content/policy');
});

test('P4: a WIT package that says another name or version than its release is given to nobody', async () => {
  const text = 'package test:api@1.0.0;\ninterface i { f: func(); }';
  const bytes = encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [] }));
  const claim = { mediaType: CONTENT_KINDS.interface.mediaType ?? '', size: bytes.length };
  const given = (name: string, version: string) =>
    codeOf(requireClaim(parsePackageName(name), { version: parseVersion(version), claim }, chunksOf(bytes)));
  assert.equal(await given('test:api', '1.0.0'), 'ok');
  assert.equal(await given('test:api', '1.0.1'), 'content/policy');
  assert.equal(await given('test:ape', '1.0.0'), 'content/policy');
});

test('a part of a tree is a path, all below a folder, or what a glob matches', () => {
  const { files } = treeOf({ ...FILES, 'a*b': utf8('star'), axb: utf8('x') });
  const chosen = (pattern: string): readonly string[] => selectFiles(files, pattern).files.map(({ path }) => path);
  assert.deepEqual(chosen('readme.md'), ['readme.md']);
  assert.deepEqual(chosen('a*b'), ['a*b']);
  for (const pattern of ['wit', 'wit/', 'wit/**'])
    assert.deepEqual(chosen(pattern), ['wit/deps/io.wit', 'wit/world.wit']);
  assert.deepEqual(chosen('wit/*.wit'), ['wit/world.wit']);
  assert.deepEqual(chosen('**/*.{md,wasm}'), ['component.wasm', 'readme.md']);
  assert.throws(
    () => selectFiles(files, 'wi'),
    (thrown) => isRegistryError(thrown, 'content/not-found'),
  );
});
