import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { concatBytes, digestHex, digestOf, isRegistryError, RegistryError, utf8, type Digest } from '@waybill/protocol';
import { contentProblem } from '../../src/core/fsck/content-check.ts';
import { keepContent } from '../../src/blobs/conformance.ts';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { openContentSharing } from '../../src/blobs/files/content-sharing.ts';
import { openPartsListFiles } from '../../src/blobs/files/parts-list-files.ts';
import { ContentPacking, type ContentPackingParts } from '../../src/core/content-packing.ts';
import { ContentParts } from '../../src/core/content-parts.ts';
import type { ContentSharing } from '../../src/core/ports.ts';

function noise(seed: string, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(length / 32) * 32);
  for (let i = 0; i * 32 < length; i++) bytes.set(createHash('sha256').update(`${seed}:${i}`).digest(), i * 32);
  return bytes.slice(0, length);
}

const FIRST = noise('first', 1_500_000);
const VERSIONS = [FIRST, ...['two', 'three', 'four'].map((name, i) => changed(FIRST, name, i))];
const OTHER = noise('other', 1_200_000);

function changed(content: Uint8Array, name: string, i: number): Uint8Array {
  const at = 300_000 * (i + 1);
  return concatBytes(content.subarray(0, at), utf8(name), content.subarray(at + 10));
}

async function openStage(context: TestContext) {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-packing-'));
  context.after(() => rm(root, { recursive: true }));
  const content = await openContentFiles(root);
  const sharing = openContentSharing(root);
  const takenDown = new Set<Digest>();
  const parts = { content, sharing, parts: new ContentParts(content, openPartsListFiles(root)) };
  const restarted = (replaced: Partial<ContentPackingParts> = {}): ContentPacking =>
    new ContentPacking({ ...parts, isTakenDown: async (digest) => takenDown.has(digest), ...replaced });
  return { root, ...parts, takenDown, restarted };
}

type Stage = Awaited<ReturnType<typeof openStage>>;

/** More steps than two walks over the few contents take. A step may fail once, as steps do where the system is short of something. */
async function work(packing: ContentPacking): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await packing.step().catch((failure: unknown) => {
      if (!isRegistryError(failure, 'storage/busy')) throw failure;
    });
  }
}

/** Does the work, but once fails instead, at the `call`-th time. */
function failingOnce(call: number): () => void {
  let calls = 0;
  return () => {
    if (++calls === call) throw new RegistryError('storage/busy', 'too many open files');
  };
}

test('versions become slices of one of them, which stands alone; what is like none does, too', async (context) => {
  const { content, sharing, restarted } = await openStage(context);
  for (const bytes of [...VERSIONS, OTHER, noise('small', 1_000)]) await keepContent(content, bytes);
  // A restart knows nothing of what was done before.
  for (let start = 0; start < 3; start++) await work(restarted());
  const bases = await Promise.all(VERSIONS.map((bytes) => sharing.baseOf(digestOf(bytes))));
  const alone = VERSIONS.filter((_, i) => bases[i] === null).map(digestOf);
  assert.equal(alone.length, 1);
  assert.deepEqual(new Set(bases), new Set([null, ...alone]));
  assert.equal(await sharing.baseOf(digestOf(OTHER)), null);
  for (const bytes of [...VERSIONS, OTHER]) assert.equal(await contentProblem(content, digestOf(bytes)), null);
});

test('W3: content that would be of too many slices is stored whole', async (context) => {
  const { content, sharing, restarted } = await openStage(context);
  // Contents of a data section have fine parts, and about every second of them changes.
  const data = noise('data', 12_000_000);
  const versions = [data, data.map((byte, i) => (i % 3_000 === 0 ? byte + 1 : byte))].map(moduleOf);
  for (const bytes of versions) await keepContent(content, bytes);
  await work(restarted());
  for (const bytes of versions) assert.equal(await sharing.baseOf(digestOf(bytes)), null);
});

/** A module of one data section. */
function moduleOf(data: Uint8Array): Uint8Array {
  const size = [0, 7, 14].map((bits) => ((data.length >> bits) % 128) + 128);
  return concatBytes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 11, ...size, data.length >> 21), data);
}

test('a later version finds its base, and a base never becomes slices itself', async (context) => {
  const { content, sharing, restarted } = await openStage(context);
  let packing = restarted();
  for (const bytes of VERSIONS) {
    await keepContent(content, bytes);
    await work(packing);
    packing = restarted();
  }
  for (const bytes of VERSIONS) {
    const base = await sharing.baseOf(digestOf(bytes));
    if (base !== null) assert.equal(await sharing.baseOf(base), null);
    assert.equal(await contentProblem(content, digestOf(bytes)), null);
  }
});

test("L13: what is taken down is nobody's base, and stands alone", async (context) => {
  const { content, sharing, takenDown, restarted } = await openStage(context);
  for (const bytes of VERSIONS) await keepContent(content, bytes);
  const packing = restarted();
  await work(packing);
  const bases = await Promise.all(VERSIONS.map((bytes) => sharing.baseOf(digestOf(bytes))));
  for (const base of bases) if (base !== null) takenDown.add(base);
  assert.equal(takenDown.size, 1);
  await work(packing);
  const after = await Promise.all(VERSIONS.map((bytes) => sharing.baseOf(digestOf(bytes))));
  assert.ok(after.every((base) => base === null || !takenDown.has(base)));
  for (const bytes of VERSIONS) assert.equal(await contentProblem(content, digestOf(bytes)), null);
});

test('D7: content that cannot be stored as slices, for its base is damaged, is not written again in each walk', async (context) => {
  const { root, content, sharing, restarted } = await openStage(context);
  for (const bytes of VERSIONS) await keepContent(content, bytes);
  const first = VERSIONS.map(digestOf).toSorted()[0] ?? assert.fail('there are versions');
  const file = path.join(root, 'sha256', digestHex(first).slice(0, 2), digestHex(first));
  const parts = new ContentParts(content, openPartsListFiles(root));
  await parts.list(first);
  const bytes = await readFile(file);
  await writeFile(
    file,
    bytes.map((byte, i) => (i === 1_400_000 ? byte + 1 : byte)),
  );
  let shares = 0;
  const share: ContentSharing['share'] = (...args) => {
    shares++;
    return sharing.share(...args);
  };
  await work(restarted({ parts, sharing: { ...sharing, share } }));
  assert.equal(shares, VERSIONS.length - 1);
  for (const version of VERSIONS.filter((each) => digestOf(each) !== first)) {
    assert.equal(await contentProblem(content, digestOf(version)), null);
  }
});

/** As the stage's own, but one call of the list or of the look for a base fails. */
function shortOnce(stage: Stage, what: 'list' | 'base', call: number): Partial<ContentPackingParts> {
  const pass = failingOnce(call);
  const { content, sharing } = stage;
  const list = async function* (): AsyncGenerator<Digest, void, undefined> {
    for await (const digest of content.list()) {
      pass();
      yield digest;
    }
  };
  const baseOf = async (digest: Digest): Promise<Digest | null> => {
    pass();
    return sharing.baseOf(digest);
  };
  return what === 'list'
    ? { content: { size: (digest) => content.size(digest), list } }
    : { sharing: { ...sharing, baseOf } };
}

for (const what of ['list', 'base'] as const) {
  test(`D7: a base that a walk did not see, for its ${what} failed, stays one`, async (context) => {
    const pair = VERSIONS.slice(0, 2);
    // Comes before the base in any order, so that the base would become slices of it.
    const base = pair.map(digestOf).toSorted()[0] ?? '';
    const names = Array.from({ length: 1_000 }, (_, i) => changed(FIRST, `later ${i}`, 1));
    const later = names.find((bytes) => digestOf(bytes) < base) ?? assert.fail('none comes before it');
    for (let call = 1; call <= pair.length + 1; call++) {
      const stage = await openStage(context);
      for (const bytes of pair) await keepContent(stage.content, bytes);
      await work(stage.restarted());
      await keepContent(stage.content, later);
      await work(stage.restarted(shortOnce(stage, what, call)));
      for (const bytes of pair) assert.equal(await contentProblem(stage.content, digestOf(bytes)), null);
    }
  });
}
