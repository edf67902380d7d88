import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FolderSwap } from '../src/node/folder-swap.ts';
import { inTurn } from '../src/node/project-turn.ts';
import { clearTemporaries, temporaryBeside } from '../src/node/temporary-file.ts';

/** No process has this number. */
const ENDED = 2 ** 31 - 1;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-left-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function temporaryOf(id: number, name: string): Promise<string> {
  return (await temporaryBeside(path.join(folder, name))).replace(`-${process.pid}-`, `-${id}-`);
}

test('what an ended process has left is cleared away, and nothing else', async () => {
  const elsewhere = await mkdtemp(path.join(tmpdir(), 'waybill-elsewhere-'));
  try {
    await writeFile(path.join(elsewhere, 'mine'), '');
    await mkdir(path.join(await temporaryOf(ENDED, '.site'), 'half'), { recursive: true });
    await writeFile(await temporaryOf(ENDED, 'waybill.lock'), '');
    await symlink(elsewhere, await temporaryOf(ENDED, 'link'));
    const own = path.basename(await temporaryBeside(path.join(folder, 'a')));
    const foreign = path.basename(await temporaryOf(ENDED, 'b')).replace(/\.[0-9a-f]{8}-/, '.00000000-');
    const kept = [own, foreign, 'notes.tmp', '.site.x.tmp', `c.${ENDED}.tmp`];
    for (const name of kept) await writeFile(path.join(folder, name), '');
    await clearTemporaries(folder);
    assert.deepEqual((await readdir(folder)).toSorted(), kept.toSorted());
    assert.deepEqual(await readdir(elsewhere), ['mine']);
  } finally {
    await rm(elsewhere, { recursive: true });
  }
});

test('a swap that fails puts back what stood there, and an empty one leaves an empty folder', async () => {
  const place = path.join(folder, 'place');
  const first = await FolderSwap.open(place);
  await first.write('a/b', [new Uint8Array([1])]);
  await first.commit();
  await first.discard();
  const second = await FolderSwap.open(place);
  await second.commit();
  assert.deepEqual(await readdir(place), []);
  const third = await FolderSwap.open(place);
  await third.write('c', [new Uint8Array([2])]);
  await third.discard();
  assert.deepEqual(await readdir(folder, { recursive: true }), ['place']);
  await third.commitNothing();
  assert.deepEqual(await readdir(folder), []);
});

test('the turn of a process that was killed is taken, and what it has left is cleared away', async () => {
  const turn = path.join(folder, '.waybill-turn');
  await writeFile(turn, JSON.stringify({ host: hostname(), process: ENDED, id: 'x' }));
  await writeFile(await temporaryOf(ENDED, 'waybill.lock'), 'half');
  const named = await inTurn(folder, () => readFile(turn, 'utf8'));
  assert.equal(JSON.parse(named).process, process.pid);
  assert.deepEqual(await readdir(folder), []);
});

test('of many that want a turn at once, one has it at a time', async () => {
  let inside = 0;
  const turns = Array.from({ length: 20 }, () =>
    inTurn(folder, async () => {
      assert.equal(++inside, 1);
      await readdir(folder);
      inside--;
    }),
  );
  await Promise.all(turns);
  assert.deepEqual(await readdir(folder), []);
});
