import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { concatBytes, digestHex, digestOf, isRegistryError, utf8, type Digest } from '@waybill/protocol';
import { keepContent, sampleContent } from '../../src/blobs/conformance.ts';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { openContentSharing } from '../../src/blobs/files/content-sharing.ts';
import { contentProblem } from '../../src/core/fsck/content-check.ts';
import type { ContentSharing, SharedSlice } from '../../src/core/ports.ts';
import { FileCalls, type Interruption } from './file-calls.ts';

const BASE = sampleContent(300_000);
const HEAD = utf8('a head of its own');
const CONTENT = concatBytes(HEAD, BASE.subarray(100_000, 250_000));
const DIGEST = digestOf(CONTENT);
const SLICES: readonly SharedSlice[] = [
  { baseStart: null, length: HEAD.length },
  { baseStart: 100_000, length: 150_000 },
];

type Step = 'share' | 'unshare';

function take(step: Step, sharing: ContentSharing): Promise<void> {
  return step === 'share' ? sharing.share(DIGEST, digestOf(BASE), SLICES) : sharing.unshare(DIGEST);
}

/** A store in which the step comes next. */
async function inStore(step: Step, work: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(path.join(tmpdir(), 'waybill-crash-'));
  try {
    const store = await openContentFiles(root);
    await keepContent(store, BASE);
    await keepContent(store, CONTENT);
    if (step === 'unshare') await take('share', openContentSharing(root));
    await work(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

/** Both contents are whole, listed once, and can be shared and made to stand alone as ever. */
async function checkStore(root: string): Promise<void> {
  const store = await openContentFiles(root);
  const sharing = openContentSharing(root);
  const isWhole = async (): Promise<void> => {
    const listed: Digest[] = [];
    for await (const digest of store.list()) listed.push(digest);
    assert.deepEqual(listed.toSorted(), [DIGEST, digestOf(BASE)].toSorted());
    for (const digest of listed) assert.equal(await contentProblem(store, digest), null);
  };
  await isWhole();
  assert.deepEqual(await readdir(path.join(root, 'uploads')), []);
  await take('unshare', sharing);
  await isWhole();
  await take('share', sharing);
  await isWhole();
  assert.equal(await sharing.baseOf(DIGEST), digestOf(BASE));
}

/** Takes the step with one call interrupted; false when there is no such call. */
async function interrupt(step: Step, call: number, done: boolean, how: Interruption): Promise<boolean> {
  let hasCome = false;
  await inStore(step, async (root) => {
    const calls = new FileCalls({ call, done, how });
    try {
      const taken = take(step, openContentSharing(root)).catch((failure: unknown) => {
        if (!isRegistryError(failure, 'storage/full', 'storage/failed', 'storage/damaged')) throw failure;
      });
      await Promise.race([taken, calls.frozen]);
    } finally {
      await calls.dispose();
    }
    hasCome = calls.hasCome;
    await checkStore(root);
  });
  return hasCome;
}

for (const step of ['share', 'unshare'] as const) {
  for (const how of ['freeze', 'ENOSPC', 'EIO'] as const) {
    for (const done of [false, true]) {
      const what = how === 'freeze' ? 'a crash' : how;
      test(`D1: ${what} ${done ? 'after' : 'before'} each call of ${step} leaves the content whole`, async () => {
        let call = 1;
        while (await interrupt(step, call, done, how)) call++;
        assert.ok(call > 10, `${step} makes only ${call} calls`);
      });
    }
  }
}

for (const [step, to, from] of [
  ['share', 'shared', 'sha256'],
  ['unshare', 'sha256', 'shared'],
] as const) {
  test(`D6: ${step} removes the one file only when the other and its name are durable`, () =>
    inStore(step, async (root) => {
      const calls = new FileCalls(null);
      try {
        await take(step, openContentSharing(root));
      } finally {
        await calls.dispose();
      }
      const hex = digestHex(DIGEST);
      const fileIn = (below: string): string => path.join(root, below, hex.slice(0, 2), hex);
      const removed = calls.log.indexOf(`rm ${fileIn(from)}`);
      const renamed = calls.log.indexOf(`rename ${fileIn(to)}`);
      const upload = calls.log.find((name) => name.startsWith(`sync ${path.join(root, 'uploads')}`)) ?? '';
      const order = [
        calls.log.indexOf(upload),
        renamed,
        calls.log.indexOf(`sync ${path.dirname(fileIn(to))}`, renamed),
        removed,
      ];
      assert.ok(!order.includes(-1), calls.log.join('\n'));
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
      // The name of the folder that has the name.
      assert.ok(calls.log.indexOf(`sync ${path.join(root, to)}`) < removed);
    }));
}
