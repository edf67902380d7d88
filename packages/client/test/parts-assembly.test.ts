import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { concatBytes, digestOf, isRegistryError, type Digest } from '@waybill/protocol';
import { assembledBlocks } from '../src/parts-assembly.ts';
import { PartsBody } from '../src/parts-body.ts';
import type { PlanStep } from '../src/parts-plan.ts';
import type { PartsCache } from '../src/ports.ts';

const BLOCK = 1024 * 1024;
const CONTENTS = ['one', 'two'].map((seed) => noise(seed, 3 * BLOCK + 5));
const [ONE, TWO] = CONTENTS.map((bytes) => digestOf(bytes));

function noise(seed: string, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let i = 0; i * 32 < length; i++) blocks.push(createHash('sha256').update(`${seed}:${i}`).digest());
  return concatBytes(...blocks).slice(0, length);
}

/** The contents as a cache, with what was read of it. */
function countingCache() {
  const reads: number[] = [];
  const counts = { open: 0 };
  const cache: PartsCache = {
    newest: async () => [],
    readList: async () => null,
    keepList: async () => undefined,
    async open(digest) {
      const bytes = CONTENTS.find((content) => digestOf(content) === digest);
      if (bytes === undefined) return null;
      counts.open++;
      return {
        async read({ start, end }) {
          reads.push(end - start);
          return bytes.slice(start, end);
        },
        close: async () => void counts.open--,
      };
    },
  };
  return { cache, reads, counts };
}

async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** What the steps come to, and the lengths of the blocks. */
async function assembled(steps: readonly PlanStep[], body: Uint8Array, cache: PartsCache) {
  const blocks: Uint8Array[] = [];
  for await (const block of assembledBlocks(steps, new PartsBody(inPieces(body, 777)), cache))
    blocks.push(block.slice());
  return { bytes: concatBytes(...blocks), lengths: blocks.map(({ length }) => length) };
}

function expected(steps: readonly PlanStep[], body: Uint8Array): Uint8Array {
  let at = 0;
  return concatBytes(
    ...steps.map((step) => {
      if (step.from === null) return body.subarray(at, (at += step.length));
      const content = step.from === ONE ? CONTENTS[0] : CONTENTS[1];
      return content?.subarray(step.start, step.end) ?? assert.fail();
    }),
  );
}

function from(digest: Digest | undefined, start: number, end: number): PlanStep {
  return { from: digest ?? assert.fail(), start, end };
}

const EVERY_TENTH = Array.from({ length: 300 }, (_, i) => [
  from(i % 2 === 0 ? ONE : TWO, i * 10_000, i * 10_000 + 9_000),
  { from: null, length: 100 + i },
]).flat();

const PLANS: Readonly<Record<string, { readonly steps: readonly PlanStep[]; readonly readsMax: number }>> = {
  nothing: { steps: [], readsMax: 0 },
  'fetched bytes alone': { steps: [{ from: null, length: 2 * BLOCK + 1 }], readsMax: 0 },
  'one block to the byte': { steps: [from(ONE, 0, BLOCK)], readsMax: 1 },
  'a slice of several blocks': { steps: [from(ONE, 3, 3 * BLOCK + 5)], readsMax: 4 },
  'small slices of two contents by turns': { steps: EVERY_TENTH, readsMax: 8 },
  'slices from the end to the start': { steps: EVERY_TENTH.toReversed(), readsMax: 300 },
  'one slice again and again': { steps: Array.from({ length: 50 }, () => from(TWO, 7, 70_000)), readsMax: 1 },
  'slices over each other': {
    steps: Array.from({ length: 50 }, (_, i) => from(ONE, i * 1_000, i * 1_000 + 5_000)),
    readsMax: 50,
  },
};

for (const [name, { steps, readsMax }] of Object.entries(PLANS)) {
  test(`T5: ${name}: put together in blocks, and no read is longer than one`, async () => {
    const body = noise('body', 3 * BLOCK);
    const { cache, reads, counts } = countingCache();
    const { bytes, lengths } = await assembled(steps, body, cache);
    assert.equal(digestOf(bytes), digestOf(expected(steps, body)));
    assert.ok(lengths.slice(0, -1).every((length) => length === BLOCK));
    assert.ok(reads.length <= readsMax, `${reads.length} reads`);
    assert.ok(reads.every((length) => length <= BLOCK));
    assert.equal(counts.open, 0);
  });
}

test('cached content that has gone is told, and what is open is closed', async () => {
  const steps = [from(ONE, 0, 10), from(TWO, 2 * BLOCK, 2 * BLOCK + 10)];
  const { cache, counts } = countingCache();
  const gone: PartsCache = {
    ...cache,
    open: (digest) => (digest === TWO ? Promise.resolve(null) : cache.open(digest)),
  };
  const isNotFound = (thrown: unknown): boolean => isRegistryError(thrown, 'content/not-found');
  await assert.rejects(assembled(steps, new Uint8Array(0), gone), isNotFound);
  assert.equal(counts.open, 0);
});
