import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, RegistryError, utf8, type Digest } from '@waybill/protocol';
import { openContentMemory } from '../../src/blobs/memory/content-memory.ts';
import { ContentScrub } from '../../src/core/content-scrub.ts';
import {
  SCRUB_BYTES_PER_SECOND,
  SCRUB_STEP_BYTES,
  SCRUB_STEP_PAUSE_MS,
  SCRUB_WALK_PAUSE_MS,
} from '../../src/core/limits.ts';
import type { ContentStore } from '../../src/core/ports.ts';

type Kept = Map<Digest, { readonly bytes: Uint8Array; readonly keptAtMs: number }>;

function keep(kept: Kept, bytes: Uint8Array, digest: Digest = digestOf(bytes)): Digest {
  kept.set(digest, { bytes, keptAtMs: 0 });
  return digest;
}

/** Steps to the end of a walk; resolves with the pauses between, and what was found damaged. */
async function walk(content: ContentStore): Promise<{ pauses: number[]; damaged: Digest[] }> {
  const damaged: Digest[] = [];
  const scrub = new ContentScrub({ content, observer: { contentDamaged: (digest) => damaged.push(digest) } });
  const pauses: number[] = [];
  for (;;) {
    const pauseMs = await scrub.step();
    if (pauseMs === SCRUB_WALK_PAUSE_MS) return { pauses, damaged };
    pauses.push(pauseMs);
  }
}

test('sound content is read to its end, walk after walk, and nothing is said', async () => {
  const kept: Kept = new Map();
  for (const text of ['one', 'two', '']) keep(kept, utf8(text));
  const content = openContentMemory(kept, () => 0);
  assert.deepEqual(await walk(content), { pauses: Array(3).fill(SCRUB_STEP_PAUSE_MS), damaged: [] });
});

test('damaged content is told of, once in a walk (threats D7)', async () => {
  const kept: Kept = new Map();
  keep(kept, utf8('good'));
  const flipped = keep(kept, utf8('bae'), digestOf(utf8('bad')));
  const cut = keep(kept, utf8('cut'), digestOf(utf8('cut off')));
  keep(kept, utf8('also good'));
  assert.deepEqual((await walk(openContentMemory(kept, () => 0))).damaged, [flipped, cut]);
});

test('content that cannot be read is told of, what is gone is not, and the walk goes on', async () => {
  const kept: Kept = new Map();
  const [unreadable, gone, bad] = [keep(kept, utf8('unreadable')), keep(kept, utf8('gone')), digestOf(utf8('bad'))];
  keep(kept, utf8('mad'), bad);
  const memory = openContentMemory(kept, () => 0);
  const content: ContentStore = {
    ...memory,
    size: async (digest) => (digest === gone ? null : memory.size(digest)),
    read: (digest, range) => {
      if (digest === unreadable) throw new RegistryError('storage/damaged', 'the disk failed');
      return memory.read(digest, range);
    },
  };
  assert.deepEqual((await walk(content)).damaged, [unreadable, bad]);
});

test('reading keeps to its rate', async () => {
  const kept: Kept = new Map();
  const large = new Uint8Array(3 * SCRUB_STEP_BYTES + 1);
  keep(kept, large);
  const { pauses, damaged } = await walk(openContentMemory(kept, () => 0));
  assert.deepEqual(damaged, []);
  assert.equal(pauses.length, 4);
  const waitedMs = pauses.reduce((sum, pauseMs) => sum + pauseMs, 0);
  assert.ok(waitedMs >= (large.length * 1000) / SCRUB_BYTES_PER_SECOND);
});
