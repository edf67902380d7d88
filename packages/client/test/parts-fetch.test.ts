import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { concatBytes, digestHex, digestOf, isRegistryError, utf8, type Digest } from '@waybill/protocol';
import {
  ContentSplitter,
  decodePartsRequest,
  encodePartsList,
  type ContentPart,
  type PartRun,
} from '@waybill/protocol/content';
import { fetchContent } from '../src/content-fetch.ts';
import { openContentCache } from '../src/node/cache-files.ts';
import type { ContentCache } from '../src/ports.ts';
import { RegistryApi } from '../src/registry-api.ts';
import { Transport, TRANSPORT_LIMITS } from '../src/transport.ts';

const OLD = noise('old', 3_000_000);
/** As a second version is: a change in the middle, a little more at the end. */
const NEW = concatBytes(OLD.subarray(0, 1_500_000), utf8('changed'), OLD.subarray(1_500_100), noise('more', 20_000));
const DIGEST = digestOf(NEW);
const LIST = listOf(NEW);

function noise(seed: string, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${seed}:${i}`).digest());
  return concatBytes(...blocks).slice(0, length);
}

function listOf(content: Uint8Array): readonly ContentPart[] {
  const splitter = new ContentSplitter();
  splitter.update(content);
  return splitter.finish();
}

function bytesOf(list: readonly ContentPart[], content: Uint8Array, runs: readonly PartRun[]): Uint8Array {
  const starts = list.map((_, i) => list.slice(0, i).reduce((sum, { length }) => sum + length, 0));
  return concatBytes(
    ...runs.flatMap(({ first, count }) =>
      list.slice(first, first + count).map(({ length }, i) => {
        const start = starts[first + i] ?? assert.fail();
        return content.subarray(start, start + length);
      }),
    ),
  );
}

/** What a registry answers about {@link NEW}; each test changes what it lies about. */
interface Answers {
  readonly list: () => Response | Promise<Response>;
  readonly parts: (honest: Uint8Array) => Response | Promise<Response>;
  readonly whole: () => Response | Promise<Response>;
}

const HONEST: Answers = {
  list: () => answer(encodePartsList(LIST)),
  parts: answer,
  whole: () => answer(NEW),
};

function answer(bytes: Uint8Array): Response {
  return new Response(bytes.slice());
}

function failing(): never {
  throw new TypeError('fetch failed');
}

/** A body that gives these bytes and then breaks off. */
function brokenOff(bytes: Uint8Array): Response {
  let isGiven = false;
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (isGiven) controller.error(new Error('connection lost'));
        else controller.enqueue(bytes.slice());
        isGiven = true;
      },
    }),
  );
}

class Stage {
  readonly folder: string;
  readonly cache: ContentCache;
  readonly asked: string[] = [];
  /** Bytes of parts and of the whole. */
  moved = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.cache = openContentCache(folder);
  }

  /** With `cached` in the cache. */
  static async open(context: TestContext, cached: readonly Uint8Array[] = [OLD]): Promise<Stage> {
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-parts-'));
    context.after(() => rm(folder, { recursive: true }));
    const stage = new Stage(folder);
    for (const bytes of cached) {
      const writer = await stage.cache.writer(digestOf(bytes));
      await writer.write(bytes);
      await writer.keep();
    }
    return stage;
  }

  fileOf(digest: Digest): string {
    return path.join(this.folder, 'sha256', digestHex(digest));
  }

  fetch(answers: Partial<Answers>, cache: ContentCache = this.cache): Promise<void> {
    const { list, parts, whole } = { ...HONEST, ...answers };
    const fetch = async (url: string, init: RequestInit): Promise<Response> => {
      const name = url.endsWith('/parts')
        ? `${init.method ?? 'GET'} parts`
        : url.endsWith('/whole')
          ? 'whole'
          : 'sources';
      this.asked.push(name);
      if (name === 'GET parts') return list();
      if (name === 'whole') {
        this.moved += NEW.length;
        return whole();
      }
      if (name === 'POST parts') {
        const honest = bytesOf(
          LIST,
          NEW,
          decodePartsRequest(new Uint8Array(await new Response(init.body ?? null).arrayBuffer())),
        );
        this.moved += honest.length;
        return parts(honest);
      }
      const source = { type: 'httpGet', url: 'whole', size: NEW.length };
      return Response.json({ contentSources: { [DIGEST]: [source] } });
    };
    const api = new RegistryApi(new Transport(new URL('http://registry.test/'), fetch, {}, TRANSPORT_LIMITS));
    return fetchContent(DIGEST, { client: { api }, cache, onProgress: () => undefined });
  }

  async assertKept(): Promise<void> {
    assert.equal(digestOf(await readFile(this.fileOf(DIGEST))), DIGEST);
    await this.assertNoLeftovers();
  }

  async assertNoLeftovers(): Promise<void> {
    const names = await readdir(path.join(this.folder, 'sha256'));
    assert.deepEqual(
      names.filter((name) => !/^[0-9a-f]{64}$/.test(name)),
      [],
    );
  }
}

test('only the parts that no cached content has are moved', async (context) => {
  const stage = await Stage.open(context, [noise('else', 1_100_000), OLD]);
  await stage.fetch({});
  await stage.assertKept();
  assert.deepEqual(stage.asked, ['sources', 'GET parts', 'POST parts']);
  assert.ok(stage.moved < NEW.length * 0.05, `${stage.moved} bytes moved`);
});

test('parts come from several contents, and none at all where all are there', async (context) => {
  const halves = [NEW.subarray(0, 1_400_000), NEW.subarray(1_300_000), OLD];
  const stage = await Stage.open(context, halves);
  await stage.fetch({});
  await stage.assertKept();
  assert.ok(stage.moved < NEW.length * 0.01, `${stage.moved} bytes moved`);
});

test('the list of cached content is made once', async (context) => {
  const stage = await Stage.open(context);
  await stage.fetch({});
  const file = path.join(stage.folder, 'parts', `${digestHex(digestOf(OLD))}.parts`);
  assert.deepEqual(new Uint8Array(await readFile(file)), encodePartsList(listOf(OLD)));
  assert.deepEqual(await readdir(path.dirname(file)), [path.basename(file)]);
});

test('nobody is asked for parts where nothing large is cached, or nothing is in common', async (context) => {
  for (const cached of [[], [OLD.subarray(0, 1_000_000)]]) {
    const stage = await Stage.open(context, cached);
    await stage.fetch({});
    assert.deepEqual(stage.asked, ['sources', 'whole']);
  }
  const stage = await Stage.open(context, [noise('else', 1_100_000)]);
  await stage.fetch({});
  await stage.assertKept();
  assert.deepEqual(stage.asked, ['sources', 'GET parts', 'whole']);
});

test('a registry that has no parts gives the whole', async (context) => {
  for (const status of [400, 404, 405, 422, 429, 451, 500, 501]) {
    for (const lie of [{ list: () => new Response('', { status }) }, { parts: () => new Response('', { status }) }]) {
      const stage = await Stage.open(context);
      await stage.fetch(lie);
      await stage.assertKept();
      assert.equal(stage.asked.at(-1), 'whole');
    }
  }
});

const SWAPPED = [...LIST.slice(1, 2), ...LIST.slice(0, 1), ...LIST.slice(2)];

const LIES: Readonly<Record<string, Partial<Answers>>> = {
  'no connection for the list': { list: failing },
  'no connection for the parts': { parts: failing },
  'a list that is none': { list: () => answer(utf8('<html>')) },
  'an empty list': { list: () => answer(encodePartsList([])) },
  'a list whose parts do not add up': {
    list: () => answer(concatBytes(encodePartsList(LIST).subarray(0, -1), Uint8Array.of(1))),
  },
  'the list of other content': { list: () => answer(encodePartsList(listOf(OLD))) },
  'a list that is too long': { list: () => answer(new Uint8Array(5_000_000)) },
  'a list in another order': { list: () => answer(encodePartsList(SWAPPED)) },
  'parts of a changed byte': { parts: (honest) => answer(honest.map((byte, i) => (i === 99 ? byte ^ 1 : byte))) },
  'parts that end early': { parts: (honest) => answer(honest.subarray(1)) },
  'parts that go on': { parts: (honest) => answer(concatBytes(honest, honest)) },
  'no parts': { parts: () => answer(new Uint8Array(0)) },
  'parts that break off': { parts: (honest) => brokenOff(honest.subarray(0, 1_000)) },
  'a list that breaks off': { list: () => brokenOff(encodePartsList(LIST).subarray(0, 100)) },
};

for (const [lie, answers] of Object.entries(LIES)) {
  test(`T1: ${lie}: the content is fetched whole`, async (context) => {
    const stage = await Stage.open(context);
    await stage.fetch(answers);
    await stage.assertKept();
    assert.equal(stage.asked.at(-1), 'whole');
  });
}

test('T1: a registry that lies about parts and the whole is told as one that lies about the whole; nothing is kept', async (context) => {
  const stage = await Stage.open(context);
  const lie = { list: () => answer(encodePartsList(SWAPPED)), whole: () => answer(OLD) };
  await assert.rejects(stage.fetch(lie), (thrown) => isRegistryError(thrown, 'content/digest'));
  const cut = { parts: () => brokenOff(NEW.subarray(0, 10)), whole: () => brokenOff(NEW.subarray(0, 10)) };
  await assert.rejects(stage.fetch(cut), (thrown) => isRegistryError(thrown, 'registry/unreachable'));
  await stage.assertNoLeftovers();
  assert.equal(await stage.cache.read(DIGEST), null);
});

test('cached content that is damaged, or whose list is wrong, spoils nothing', async (context) => {
  const stage = await Stage.open(context);
  const old = stage.fileOf(digestOf(OLD));
  const list = path.join(stage.folder, 'parts', `${digestHex(digestOf(OLD))}.parts`);
  await stage.cache.parts?.keepList(digestOf(OLD), encodePartsList(listOf(OLD)));
  const damages: (() => Promise<void>)[] = [
    () =>
      writeFile(
        old,
        OLD.map((byte, i) => (i === 2_000_000 ? byte ^ 1 : byte)),
      ),
    () => writeFile(old, OLD.subarray(0, 2_000_000)),
    () => writeFile(list, encodePartsList(listOf(OLD).toReversed())),
    () => writeFile(list, 'no list'),
  ];
  for (const damage of damages) {
    await writeFile(old, OLD);
    await damage();
    await stage.cache.forget(DIGEST);
    await stage.fetch({});
    await stage.assertKept();
  }
});

test('a fault of this machine is told, not hidden behind the whole', async (context) => {
  const stage = await Stage.open(context);
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const writer = async () => ({
    write: () => Promise.reject(full),
    keep: async () => undefined,
    discard: async () => undefined,
  });
  await assert.rejects(stage.fetch({}, { ...stage.cache, writer }), full);
  assert.deepEqual(stage.asked, ['sources', 'GET parts', 'POST parts']);
});
