import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { fsck, type FsckReport } from '../../src/fsck.ts';
import { keyOf, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';

/** Packages whose records are more than a tile holds, so that there are two levels of tiles. */
export const TWO_LEVELS = 260;

/** Records of the longest log, besides the first. */
const GRANTS = 20;

const LETTERS = 'abcdefghijklmnopqrst';

/** The first and the last share twelve bits of their place in the map, so that there are pages below the root's. */
const SMALL_PACKAGES = ['one', 'two', 'three', 'near-ju'];

/** A data folder with something of everything, stopped; tests work on copies. */
export interface SampleRegistry {
  /** A fresh copy; gone with the sample. */
  copy(): Promise<string>;
  dispose(): Promise<void>;
}

export async function makeSampleRegistry(packages: number): Promise<SampleRegistry> {
  const registry = await RunningRegistry.start();
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-sample-'));
  await publishAll(registry, packages);
  await registry.stopKeepingFiles();
  return {
    async copy() {
      const data = await mkdtemp(path.join(folder, 'data-'));
      await cp(registry.data(), data, { recursive: true });
      return data;
    },
    async dispose() {
      await registry.removeFiles();
      await rm(folder, { recursive: true });
    },
  };
}

async function publishAll(registry: RunningRegistry, packages: number): Promise<void> {
  const many = new Publisher(registry, 'test:many');
  await many.start();
  for (let n = 0; n < GRANTS; n++) {
    const permissions = n % 2 === 0 ? (['release'] as const) : (['yank'] as const);
    await many.publish([{ type: 'grant', key: keyOf(`member ${n}`).publicKey, permissions: [...permissions] }]);
  }
  await Promise.all(SMALL_PACKAGES.map((name) => new Publisher(registry, `test:${name}`).start()));
  await Promise.all(
    Array.from({ length: packages }, async (_, n) => {
      const publisher = new Publisher(
        registry,
        `test:p-${LETTERS[Math.floor(n / LETTERS.length)]}${LETTERS[n % LETTERS.length]}`,
      );
      await publisher.publish([publisher.init]);
    }),
  );
  const waiting = new Publisher(registry, 'test:waiting');
  const [there, missing] = [wasmOf('there'), wasmOf('missing')];
  const record = await waiting.record([waiting.init, releaseOf('1.0.0', there), releaseOf('2.0.0', missing)]);
  assert.equal((await waiting.post(record)).status, 202);
  assert.equal((await waiting.upload(record.id, there)).status, 201);
  const rejected = new Publisher(registry, 'test:rejected');
  const bad = await rejected.record([rejected.init, releaseOf('1.0.0', new Uint8Array())]);
  await rejected.post(bad);
  assert.equal((await rejected.upload(bad.id, new Uint8Array())).status, 422);
}

export function check(
  data: string,
  given: { readonly repair?: boolean; readonly content?: boolean } = {},
): Promise<FsckReport> {
  const { repair = false, content = true } = given;
  return fsck({ data, repair, content, onProgress: () => undefined });
}
