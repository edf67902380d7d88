import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, isRegistryError, packageLogId, parsePackageName, utf8, type Digest } from '@waybill/protocol';
import { MEMORY_LIMITS, openMemory } from '../src/memory.ts';
import type { ContentCache, RememberedRegistry } from '../src/ports.ts';

const REMEMBERED: RememberedRegistry = {
  operatorKeyId: digestOf(utf8('key')),
  checkpoint: {
    contents: { logLength: 1, logRoot: digestOf(utf8('log')), mapRoot: digestOf(utf8('map')), timestamp: 0 },
    keyId: 'sha256:00',
    signature: 'ecdsa-p256:AA==',
  },
};

async function keep(contents: ContentCache, text: string): Promise<Digest> {
  const bytes = utf8(text);
  const writer = await contents.writer(digestOf(bytes));
  await writer.write(bytes);
  // Whoever wrote may use its bytes for something else.
  bytes.fill(0);
  await writer.keep();
  return digestOf(utf8(text));
}

async function textOf(contents: ContentCache, digest: Digest): Promise<string | null> {
  const chunks = await contents.read(digest);
  if (chunks === null) return null;
  let text = '';
  for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
  return text;
}

test('U4: of two that replace the same revision, one does', async () => {
  const { trust } = openMemory();
  assert.equal(await trust.read(), null);
  const outcomes = await Promise.all([trust.replace(null, REMEMBERED), trust.replace(null, REMEMBERED)]);
  assert.deepEqual(outcomes, [true, false]);
  const first = await trust.read();
  assert.equal(await trust.replace(first, REMEMBERED), true);
  assert.equal(await trust.replace(first, REMEMBERED), false);
});

test('W16: what is used least goes first, of content and of logs', async () => {
  const { contents, logs } = openMemory({ ...MEMORY_LIMITS, logsMax: 2, contentBytesMax: 8 });
  const [one, two] = [await keep(contents, 'aaaa'), await keep(contents, 'bbbb')];
  assert.equal(await textOf(contents, one), 'aaaa');
  const three = await keep(contents, 'cccc');
  assert.deepEqual(await Promise.all([one, two, three].map((digest) => textOf(contents, digest))), [
    'aaaa',
    null,
    'cccc',
  ]);
  const writer = await contents.writer(two);
  await assert.rejects(writer.write(new Uint8Array(9)), (thrown) => isRegistryError(thrown, 'content/size'));
  const [a = assert.fail(), b = assert.fail(), c = assert.fail()] = ['test:a', 'test:b', 'test:c'].map((name) =>
    packageLogId(parsePackageName(name)),
  );
  await logs.write(a, []);
  await logs.write(b, []);
  await logs.read(a);
  await logs.write(c, []);
  assert.deepEqual(await Promise.all([a, b, c].map((id) => logs.read(id))), [[], null, []]);
});

test('W16: logs are held by their bytes, however many records there are', async () => {
  const { logs } = openMemory({ ...MEMORY_LIMITS, logsBytesMax: 100_000 });
  const records = (count: number) =>
    Array.from({ length: count }, (_, registryIndex) => ({
      envelope: {
        contents: new Uint8Array(10_000),
        keyId: 'sha256:00',
        signature: 'ecdsa-p256:AA==',
        cosignatures: [],
      },
      registryIndex,
      fetchToken: 'x',
    }));
  const [a = assert.fail(), b = assert.fail(), c = assert.fail()] = ['test:a', 'test:b', 'test:c'].map((name) =>
    packageLogId(parsePackageName(name)),
  );
  const kept = async () => Promise.all([a, b, c].map(async (id) => (await logs.read(id))?.length ?? null));
  await logs.write(a, records(4));
  await logs.write(b, records(4));
  await logs.write(a, records(5));
  assert.deepEqual(await kept(), [5, 4, null]);
  await logs.write(c, records(4));
  assert.deepEqual(await kept(), [null, 4, 4]);
  await logs.write(a, records(10));
  assert.deepEqual(await kept(), [null, null, null]);
});

test('evidence that is not kept is not said to be another', async () => {
  const { trust, evidence } = openMemory();
  const places = new Set<string>();
  for (let i = 0; i < 17; i++) places.add(await trust.keepEvidence(`${i}`));
  assert.equal(places.size, 17);
  assert.equal(evidence.at(-1), '15');
});
