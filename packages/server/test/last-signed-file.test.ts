import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { digestOf, isRegistryError, RegistryError, utf8, type ErrorCode } from '@waybill/protocol';
import { CheckpointSigner } from '../src/core/checkpoint-signer.ts';
import { TreeCommitter } from '../src/core/committing.ts';
import type { SignedMark } from '../src/core/ports.ts';
import { openLastSignedFile, replaceLastSigned } from '../src/last-signed-file.ts';
import { sampleRecord } from '../src/storage/conformance.ts';
import { emptyMemoryState, MemoryStore, type MemoryState } from '../src/storage/memory/memory-store.ts';
import { testLogSigners } from './core/log-signers.ts';
import { keyOf } from './publisher.ts';

const SLOT_BYTES = 4_096;

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-last-signed-'));
  file = path.join(folder, 'last-signed');
});
afterEach(() => rm(folder, { recursive: true }));

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function markAt(logLength: number, timestamp = 1_700_000_000 + logLength): SignedMark {
  const root = digestOf(utf8(`root ${logLength}`));
  return { logLength, logRoot: root, mapRoot: digestOf(utf8(`map ${logLength}`)), timestamp };
}

async function writeAll(marks: readonly SignedMark[]): Promise<void> {
  const lastSigned = await openLastSignedFile(file);
  await lastSigned.read();
  for (const mark of marks) await lastSigned.write(mark);
  await lastSigned.close();
}

async function readBack(): Promise<SignedMark | null> {
  const lastSigned = await openLastSignedFile(file);
  try {
    return await lastSigned.read();
  } finally {
    await lastSigned.close();
  }
}

/** Writes over bytes of one slot, as a write that a power cut tore. */
async function tear(slot: number, bytes = 'torn'): Promise<void> {
  const content = await readFile(file);
  content.write(bytes, slot * SLOT_BYTES + 30);
  await writeFile(file, content);
}

test('a new file holds nothing; what was written last comes back', async () => {
  assert.equal(await readBack(), null);
  for (let length = 1; length <= 5; length++) {
    await writeAll([markAt(length)]);
    assert.deepEqual(await readBack(), markAt(length));
  }
  await writeAll([markAt(5, 1_800_000_000)]);
  assert.deepEqual(await readBack(), markAt(5, 1_800_000_000));
  assert.equal((await readFile(file)).length, 2 * SLOT_BYTES);
});

test('of two slots a torn one is passed over, whichever it is', async () => {
  await writeAll([markAt(1), markAt(2)]);
  await tear(1);
  assert.deepEqual(await readBack(), markAt(1));
  await writeAll([markAt(3)]);
  // The slot that was whole has not been touched.
  assert.deepEqual(await readBack(), markAt(3));
  await tear(1);
  assert.deepEqual(await readBack(), markAt(1));
});

test('a write goes on in the slot that is not the newest, also after a restart', async () => {
  await writeAll([markAt(1), markAt(2), markAt(3)]);
  await writeAll([markAt(4)]);
  await tear(1);
  assert.deepEqual(await readBack(), markAt(3));
});

test('when both slots are torn it is not known what was signed: damaged, never nothing', async () => {
  await writeAll([markAt(1), markAt(2)]);
  for (const slot of [0, 1]) await tear(slot);
  await assert.rejects(readBack(), failsWith('storage/damaged'));
});

test('a changed digit is damage, not another mark', async () => {
  await writeAll([markAt(1234)]);
  const content = await readFile(file, 'utf8');
  await writeFile(file, content.replace(' 1234 ', ' 1233 '));
  await assert.rejects(readBack(), failsWith('storage/damaged'));
});

test('a file that is missing says nothing, and is made again', async () => {
  await writeAll([markAt(1)]);
  await rm(file);
  assert.equal(await readBack(), null);
  assert.equal((await readFile(file)).length, 2 * SLOT_BYTES);
});

test('a folder that is not there is a failure of the disk', async () => {
  await assert.rejects(openLastSignedFile(path.join(folder, 'missing', 'file')), failsWith('storage/failed'));
});

/** A start of a registry over `state`; closes the file again. */
async function openCommitter(state: MemoryState): Promise<TreeCommitter> {
  const lastSigned = await openLastSignedFile(file);
  try {
    const store = new MemoryStore(state);
    const signer = new CheckpointSigner(keyOf('operator'), () => 1_700_000_000_000);
    const committer = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned });
    await committer.commit({ records: [sampleRecord(state.records.size)], names: [], holdings: [], settled: [] });
    return committer;
  } finally {
    await lastSigned.close();
  }
}

/** Opening is refused, and changes nothing: so is the next one. */
async function requireRefusal(state: MemoryState): Promise<void> {
  const before = await readFile(file);
  for (let start = 0; start < 2; start++) {
    await assert.rejects(openCommitter(state), failsWith('head/rolled-back'));
    assert.deepEqual(await readFile(file), before);
  }
}

async function registryOfTwo(): Promise<{ readonly state: MemoryState; readonly mark: SignedMark }> {
  const state = emptyMemoryState();
  await openCommitter(state);
  await openCommitter(state);
  const mark = await readBack();
  assert.equal(mark?.logLength, 2);
  return { state, mark };
}

test('a store that ends before what was last signed is refused (threats L14, D4)', async () => {
  const { state, mark } = await registryOfTwo();
  await writeAll([{ ...mark, logLength: 3 }]);
  await requireRefusal(state);
});

test('a store whose head was signed before what was last signed is refused (threats L14, D4)', async () => {
  const { state, mark } = await registryOfTwo();
  await writeAll([{ ...mark, timestamp: mark.timestamp + 1 }]);
  await requireRefusal(state);
});

for (const root of ['logRoot', 'mapRoot'] as const) {
  test(`a store of the right length with another ${root} is refused (threats L14, D4)`, async () => {
    const { state, mark } = await registryOfTwo();
    await replaceLastSigned(file, { ...mark, [root]: digestOf(utf8('other')) });
    await requireRefusal(state);
  });
}

test('an emptied store is refused: the log would begin again (threats L14)', async () => {
  await registryOfTwo();
  await requireRefusal(emptyMemoryState());
});

test('a store with heads whose mark is gone is refused (threats L14)', async () => {
  const { state } = await registryOfTwo();
  await rm(file);
  await writeAll([]);
  await requireRefusal(state);
});

test('a mark behind the store, as a crash leaves it, is put right by the next start', async () => {
  const { state, mark } = await registryOfTwo();
  const behind = await readFile(file);
  await openCommitter(state);
  await writeFile(file, behind);
  assert.deepEqual(await readBack(), mark);
  await openCommitter(state);
  assert.equal((await readBack())?.logLength, 4);
});

test('a crash right after the very first commit does not look like a mark that was lost', async () => {
  const state = emptyMemoryState();
  const lastSigned = await openLastSignedFile(file);
  const store = new MemoryStore(state);
  const signer = new CheckpointSigner(keyOf('operator'), () => 1_700_000_000_000);
  const crashing = {
    read: () => lastSigned.read(),
    write: (mark: SignedMark) =>
      mark.logLength === 0 ? lastSigned.write(mark) : Promise.reject(new RegistryError('storage/failed', 'the crash')),
  };
  const committer = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned: crashing });
  const first = committer.commit({ records: [sampleRecord(0)], names: [], holdings: [], settled: [] });
  await assert.rejects(first, failsWith('storage/failed'));
  await lastSigned.close();
  await openCommitter(state);
  assert.equal((await readBack())?.logLength, 2);
});

test('a file that was cut is refused and left as it is: its rest may be the only mark (threats L14)', async () => {
  await writeAll([markAt(1), markAt(2), markAt(3)]);
  const whole = await readFile(file);
  for (const size of [1, SLOT_BYTES, 2 * SLOT_BYTES - 1]) {
    await writeFile(file, whole.subarray(0, size));
    await assert.rejects(openLastSignedFile(file), failsWith('storage/damaged'));
    assert.deepEqual(await readFile(file), whole.subarray(0, size));
  }
  await replaceLastSigned(file, markAt(4));
  assert.deepEqual(await readBack(), markAt(4));
});

test('a file whose making was cut off is made again', async () => {
  await writeFile(file, ' '.repeat(SLOT_BYTES + 1));
  assert.equal(await readBack(), null);
  await writeAll([markAt(1)]);
  assert.deepEqual(await readBack(), markAt(1));
});
