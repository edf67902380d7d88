import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseRepository } from '@waybill/protocol/oci';
import { FULL } from '@waybill/tools/test-scale';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { ociDigestOf, readBlob, sampleBlob } from '../../src/blobs/oci-conformance.ts';
import { openOciStorage } from '../../src/oci-storage.ts';

const LOOP = fileURLToPath(new URL('oci-loop.js', import.meta.url));
const ROUNDS = FULL ? 10 : 2;
const PUSHES_A_ROUND = 20;

test('what was answered outlives a process that is killed, though no disk was waited for', async (context) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
  context.after(() => rm(folder, { recursive: true }));
  let answered = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const child = spawn(process.execPath, [LOOP, folder, String(answered + 1)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const until = answered + PUSHES_A_ROUND;
    for await (const line of createInterface({ input: child.stdout })) {
      answered = Number(line);
      if (answered >= until) child.kill('SIGKILL');
    }
    assert.deepEqual(await ended, [null, 'SIGKILL']);
    await checkAll(folder, answered);
  }
});

async function checkAll(folder: string, answered: number): Promise<void> {
  const onFatal = (failure: unknown): never => {
    throw failure;
  };
  const storage = await openOciStorage(folder, onFatal, await openContentFiles(path.join(folder, 'content')));
  try {
    for (let size = 1; size <= answered; size++) {
      const digest = ociDigestOf(sampleBlob(size));
      assert.equal((await storage.store.readLink(parseRepository('demo'), digest))?.size, size);
      assert.deepEqual(await readBlob(storage.blobs, digest, { start: 0, end: size }), sampleBlob(size));
    }
  } finally {
    await storage.close();
  }
}
