import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { adoptHead, type Adoption } from '../../src/adopt.ts';
import { backup } from '../../src/backup.ts';
import { logLength } from '../operator.ts';
import { Publisher } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';
import { check } from './sample-registry.ts';

/** A stopped registry, and a backup of an earlier state of it. */
let registry: RunningRegistry;
let older: string;
let olderLength: number;
let newestLength: number;
let copies = 0;

before(async () => {
  registry = await RunningRegistry.start();
  await new Publisher(registry, 'test:early').start();
  older = path.join(registry.folder, 'older');
  olderLength = (await backup({ data: registry.data(), out: older, keys: true, onProgress: () => undefined }))
    .logLength;
  await new Publisher(registry, 'test:late').start();
  newestLength = await logLength(registry);
  await registry.stopKeepingFiles();
});
after(() => registry.removeFiles());

/** A restored backup, with `lastSigned` beside it. */
async function restored(lastSigned: 'newest' | 'none' | Uint8Array): Promise<string> {
  const data = path.join(registry.folder, `restored-${copies++}`);
  await cp(older, data, { recursive: true });
  const file = path.join(data, 'last-signed');
  if (lastSigned === 'newest') await cp(registry.data('last-signed'), file);
  else if (lastSigned !== 'none') await writeFile(file, lastSigned);
  return data;
}

const failsWith =
  (code: ErrorCode, length?: number) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code) && (length === undefined || thrown.detail['logLength'] === length);

function adopt(data: string, length: number | null): Promise<Adoption> {
  return adoptHead({ data, length });
}

test('a restored backup with the newer last-signed beside it refuses to sign (threats D4)', async () => {
  const data = await restored('newest');
  await assert.rejects(RunningRegistry.start({ data }), failsWith('head/rolled-back', olderLength));
  assert.deepEqual(
    (await check(data)).flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
});

test('a restored backup of which it is not known what was last signed refuses to sign (threats D4)', async () => {
  await assert.rejects(
    RunningRegistry.start({ data: await restored('none') }),
    failsWith('head/rolled-back', olderLength),
  );
  const bytes = new Uint8Array(await readFile(registry.data('last-signed')));
  const data = await restored(bytes.map((byte) => (byte === 0x20 ? byte : byte ^ 1)));
  await assert.rejects(RunningRegistry.start({ data }), failsWith('storage/damaged'));
});

test('an empty store with an old last-signed refuses to sign, and cannot be adopted (threats L14)', async () => {
  const data = path.join(registry.folder, 'empty');
  await mkdir(data);
  for (const file of ['operator.key', 'records-log.key', 'heads-log.key', 'last-signed']) {
    await cp(registry.data(file), path.join(data, file));
  }
  await assert.rejects(RunningRegistry.start({ data }), failsWith('head/rolled-back', 0));
  for (const length of [null, 0, newestLength]) {
    await assert.rejects(adopt(data, length), failsWith('head/rolled-back'));
  }
});

test('adopting shows both heads, takes the stated length alone, and then the server goes on from it', async () => {
  const data = await restored('newest');
  const seen = await adopt(data, null);
  assert.deepEqual([seen.head.logLength, seen.lastSigned?.logLength, seen.adopted], [olderLength, newestLength, false]);
  assert.notEqual(seen.refusal, null);
  for (const length of [0, olderLength - 1, olderLength + 1, newestLength]) {
    await assert.rejects(adopt(data, length), failsWith('usage/invalid', olderLength));
  }
  await assert.rejects(RunningRegistry.start({ data }), failsWith('head/rolled-back'));
  assert.equal((await adopt(data, olderLength)).adopted, true);
  assert.deepEqual((await check(data)).flaws, []);
  const again = await adopt(data, null);
  assert.deepEqual([again.lastSigned, again.refusal], [again.head, null]);
  const goesOn = await RunningRegistry.start({ data });
  await new Publisher(goesOn, 'test:other').start();
  await goesOn.stopKeepingFiles();
  assert.deepEqual((await check(data)).flaws, []);
});

for (const [what, bytes] of [
  ['missing', null],
  ['cut', new Uint8Array(10)],
  ['damaged', new Uint8Array(8_192)],
] as const) {
  test(`what was last signed is adopted afresh where its file is ${what}`, async () => {
    const data = await restored(bytes ?? 'none');
    assert.equal((await adopt(data, null)).lastSigned, null);
    assert.equal((await adopt(data, olderLength)).adopted, true);
    assert.deepEqual((await check(data)).flaws, []);
  });
}

test('a store that runs, that is none, or that does not lead to its own head is not adopted', async () => {
  const running = await RunningRegistry.start();
  await assert.rejects(adopt(running.data(), null), failsWith('storage/busy'));
  await assert.rejects(adopt(running.folder, null), failsWith('usage/invalid'));
  await running.dispose();
  const data = await restored('none');
  await rm(path.join(data, 'registry.sqlite'));
  await writeFile(path.join(data, 'registry.sqlite'), 'certainly no database; '.repeat(100));
  await assert.rejects(adopt(data, olderLength), failsWith('storage/damaged'));
  await assert.rejects(readFile(path.join(data, 'last-signed')));
});
