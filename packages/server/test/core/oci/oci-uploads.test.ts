import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { isRegistryError, parseDigest, type ErrorCode } from '@waybill/protocol';
import { emptyOciBlobMemory } from '../../../src/blobs/oci-memory/oci-memory.ts';
import {
  ACCOUNT_SESSIONS_MAX,
  ACCOUNT_UPLOAD_BYTES_MAX,
  OCI_BLOB_BYTES_MAX,
  UNKNOWN_SESSIONS_MAX,
  UNKNOWN_UPLOAD_BYTES_MAX,
  UPLOAD_BYTES_MAX,
  UPLOAD_IDLE_MS,
  UPLOAD_IDLE_OF_FULL_MS,
  UPLOAD_IDLE_OF_MANY_MS,
  UPLOAD_SESSIONS_MAX,
} from '../../../src/core/limits.ts';
import type { UploadStore } from '../../../src/core/oci-ports.ts';
import type { FoundBlob, OciCaller, UploadBody } from '../../../src/core/oci/oci-registry.ts';
import { unsupportedRepositories } from '../../../src/core/oci/oci-view.ts';
import {
  accountCaller,
  ANYONE,
  bodyOf,
  digestOf,
  disposeCore,
  memoryDrivers,
  openWorld,
  pushBlob,
  putImage,
  readBlob,
  repo,
  TestClock,
  type OciWorld,
} from './oci-world.ts';

const REPOSITORY = repo('plain/a');
const ALICE = accountCaller('alice');
const BOB = accountCaller('bob');

after(disposeCore);

function refused(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(work, (thrown) => isRegistryError(thrown, code));
}

async function begun({ view }: OciWorld, content = '', caller: OciCaller = ANYONE): Promise<string> {
  const { id } = await view.uploads.start(caller, REPOSITORY, 'sha256');
  if (content !== '') await view.uploads.append(caller, REPOSITORY, id, bodyOf([content]));
  return id;
}

test('a blob comes whole, as a stream, in chunks, or with its end in the last request', async () => {
  const world = await openWorld(new TestClock());
  const { uploads } = world.view;
  const whole = await pushBlob(world, 'plain/a', 'whole');
  assert.equal(await readBlob(world, 'plain/a', whole), 'whole');

  const streamed = await begun(world, 'stream');
  assert.equal((await uploads.append(ANYONE, REPOSITORY, streamed, bodyOf(['ed', '!']))).length, 9);
  await uploads.finish(ANYONE, REPOSITORY, streamed, {
    digest: digestOf('streamed!'),
    body: bodyOf([], { length: 0 }),
  });
  assert.equal(await readBlob(world, 'plain/a', digestOf('streamed!')), 'streamed!');

  const chunked = await begun(world);
  await uploads.append(ANYONE, REPOSITORY, chunked, bodyOf(['abc'], { start: 0, length: 3 }));
  await uploads.append(ANYONE, REPOSITORY, chunked, bodyOf(['def'], { start: 3, length: 3 }));
  const digest = digestOf('abcdefgh', 'sha512');
  await uploads.finish(ANYONE, REPOSITORY, chunked, { digest, body: bodyOf(['gh'], { start: 6, length: 2 }) });
  assert.equal(await readBlob(world, 'plain/a', digest), 'abcdefgh');
  await refused(world.view.blob(ANYONE, REPOSITORY, digestOf('abcdefgh')), 'oci/blob-unknown');

  const empty = await begun(world);
  await uploads.finish(ANYONE, REPOSITORY, empty, { digest: digestOf(''), body: bodyOf([], { length: 0 }) });
  assert.equal(await readBlob(world, 'plain/a', digestOf('')), '');
  assert.equal(world.uploading.length, 0);
});

test('games with ranges leave the session as it was (SECURITY.md O5)', async () => {
  const world = await openWorld(new TestClock());
  const { uploads } = world.view;
  const id = await begun(world, 'abcd');
  const cases: readonly [string, UploadBody, ErrorCode][] = [
    ['a gap', bodyOf(['x'], { start: 5, length: 1 }), 'oci/range'],
    ['an overlap', bodyOf(['x'], { start: 3, length: 1 }), 'oci/range'],
    ['from the start again', bodyOf(['abcd'], { start: 0, length: 4 }), 'oci/range'],
    ['before the start', bodyOf(['x'], { start: -1, length: 1 }), 'oci/range'],
    ['2^63', bodyOf(['x'], { start: 2 ** 63, length: 1 }), 'oci/range'],
    ['no number', bodyOf(['x'], { start: Number.NaN, length: 1 }), 'oci/range'],
    ['no end', bodyOf(['x'], { start: Infinity, length: 1 }), 'oci/range'],
    ['fewer bytes than were announced', bodyOf(['x'], { start: 4, length: 2 }), 'oci/range'],
    ['more bytes than were announced', bodyOf(['xy'], { start: 4, length: 1 }), 'oci/range'],
    ['fewer than none', bodyOf(['x'], { start: 4, length: -1 }), 'oci/range'],
    ['fewer bytes than were announced, wherever they begin', bodyOf(['x'], { length: 2 }), 'oci/size'],
    ['more than a blob may have', bodyOf(['x'], { start: 4, length: OCI_BLOB_BYTES_MAX }), 'oci/size'],
    ['2^63 bytes', bodyOf(['x'], { start: 4, length: 2 ** 63 }), 'oci/size'],
  ];
  for (const [what, body, code] of cases) {
    await refused(uploads.append(ANYONE, REPOSITORY, id, body), code);
    assert.equal((await uploads.place(ANYONE, REPOSITORY, id)).length, 4, what);
  }
  for (const start of [0, 3, 5]) {
    const end = { digest: digestOf('abcdef'), body: bodyOf(['ef'], { start, length: 2 }) };
    await refused(uploads.finish(ANYONE, REPOSITORY, id, end), 'oci/range');
  }
  const end = { digest: digestOf('abcdef'), body: bodyOf(['ef'], { start: 4, length: 2 }) };
  await uploads.finish(ANYONE, REPOSITORY, id, end);
  assert.equal(await readBlob(world, 'plain/a', digestOf('abcdef')), 'abcdef');
});

test('a line that breaks leaves what came, and the upload goes on after a restart', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  const before = await openWorld(clock, { drivers });
  const id = await begun(before);
  const broken = bodyOf(['abc', new Error('the line broke')], { start: 0, length: 6 });
  await assert.rejects(before.view.uploads.append(ANYONE, REPOSITORY, id, broken), /broke/);

  const world = await openWorld(clock, { drivers });
  assert.equal(world.uploading.length, 1);
  assert.equal((await world.view.uploads.place(ANYONE, REPOSITORY, id)).length, 3);
  await refused(world.view.uploads.append(ANYONE, REPOSITORY, id, bodyOf(['x'], { start: 0, length: 1 })), 'oci/range');
  const end = { digest: digestOf('abcdef'), body: bodyOf(['def'], { start: 3, length: 3 }) };
  await world.view.uploads.finish(ANYONE, REPOSITORY, id, end);
  assert.equal(await readBlob(world, 'plain/a', digestOf('abcdef')), 'abcdef');
  assert.equal(world.uploading.length, 0);
});

test('a blob that is not what its digest says is kept nowhere', async () => {
  const world = await openWorld(new TestClock());
  const id = await begun(world, 'abc');
  const wrong = { digest: digestOf('abd'), body: bodyOf([], { length: 0 }) };
  await refused(world.view.uploads.finish(ANYONE, REPOSITORY, id, wrong), 'oci/digest-mismatch');
  await refused(
    world.view.uploads.push(ANYONE, REPOSITORY, { ...wrong, body: bodyOf(['abc']) }),
    'oci/digest-mismatch',
  );
  const broken = { ...wrong, body: bodyOf(['ab', new Error('the line broke')]) };
  await assert.rejects(world.view.uploads.push(ANYONE, REPOSITORY, broken), /broke/);
  for (const text of ['abc', 'abd']) {
    await refused(world.view.blob(ANYONE, REPOSITORY, digestOf(text)), 'oci/blob-unknown');
  }
  assert.equal(world.uploading.length, 0);
});

test('one request at a time works on a session: the other is told where to go on', async () => {
  const world = await openWorld(new TestClock());
  const { uploads } = world.view;
  const id = await begun(world);
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  const slow = (async function* () {
    await ended;
    yield Buffer.from('slow');
  })();
  const first = uploads.append(ANYONE, REPOSITORY, id, { start: 0, length: 4, body: slow });
  // It is at work once it has asked for the first chunk.
  await setImmediate();
  await refused(uploads.append(ANYONE, REPOSITORY, id, bodyOf(['fast'], { start: 0, length: 4 })), 'oci/range');
  const whole = { digest: digestOf('slow'), body: bodyOf([], { length: 0 }) };
  await refused(uploads.finish(ANYONE, REPOSITORY, id, whole), 'oci/range');
  await refused(uploads.cancel(ANYONE, REPOSITORY, id), 'oci/range');
  // Nor does it expire under whoever writes.
  world.nowMs += 2 * UPLOAD_IDLE_MS;
  await world.uploading.expire();
  end();
  assert.equal((await first).length, 4);
  await uploads.finish(ANYONE, REPOSITORY, id, whole);
});

test('whoever began an upload goes on with it, in its repository, and nobody else', async () => {
  const world = await openWorld(new TestClock(), { tokenPolicy: 'optional' });
  const { uploads } = world.view;
  const id = await begun(world, 'abc', ALICE);
  const other = repo('plain/b');
  const strangers: readonly [OciCaller, typeof REPOSITORY, string][] = [
    [BOB, REPOSITORY, id],
    [ANYONE, REPOSITORY, id],
    [ALICE, other, id],
    [ALICE, REPOSITORY, id.replaceAll(/[0-9a-f]/g, '0')],
    [ALICE, REPOSITORY, `../${id}`],
  ];
  for (const [caller, repository, session] of strangers) {
    const end = { digest: digestOf('abc'), body: bodyOf([], { length: 0 }) };
    await refused(uploads.place(caller, repository, session), 'oci/upload-unknown');
    await refused(uploads.append(caller, repository, session, bodyOf(['x'])), 'oci/upload-unknown');
    await refused(uploads.finish(caller, repository, session, end), 'oci/upload-unknown');
    await refused(uploads.cancel(caller, repository, session), 'oci/upload-unknown');
  }
  assert.equal((await uploads.place(ALICE, REPOSITORY, id)).length, 3);
  await uploads.cancel(ALICE, REPOSITORY, id);
  await refused(uploads.place(ALICE, REPOSITORY, id), 'oci/upload-unknown');
  // Nobody knows who began this one.
  const nobodys = await begun(world, 'abc');
  assert.equal((await uploads.place(BOB, REPOSITORY, nobodys)).length, 3);
});

test('a thousand unfinished uploads are the most, and they expire', async () => {
  const world = await openWorld(new TestClock(), { tokenPolicy: 'optional' });
  const ids: string[] = [];
  for (let count = 0; count < UPLOAD_SESSIONS_MAX; count++) {
    const caller = count < UNKNOWN_SESSIONS_MAX ? ANYONE : ALICE;
    ids.push(await begun(world, count % 2 === 0 ? 'a' : '', caller));
  }
  for (const caller of [ANYONE, BOB]) {
    await refused(begun(world, '', caller), 'request/too-many');
    await refused(pushBlob(world, 'plain/a', 'x', caller), 'request/too-many');
  }
  // What is going on stays; what is not makes room.
  world.nowMs += UPLOAD_IDLE_OF_FULL_MS - 1;
  await world.view.uploads.append(ANYONE, REPOSITORY, ids[0] ?? '', bodyOf(['b']));
  await refused(begun(world, '', BOB), 'request/too-many');
  world.nowMs += 1;
  await begun(world, '', BOB);
  assert.equal(world.uploading.length, 2);
  assert.equal((await world.view.uploads.place(ANYONE, REPOSITORY, ids[0] ?? '')).length, 2);
  await refused(world.view.uploads.place(ANYONE, REPOSITORY, ids[1] ?? ''), 'oci/upload-unknown');
});

test('whoever shows no token cannot hold all unfinished uploads (SECURITY.md O5)', async () => {
  const world = await openWorld(new TestClock(), { tokenPolicy: 'optional' });
  const alices = await begun(world, '', ALICE);
  const ids: string[] = [];
  for (let count = 0; count < UNKNOWN_SESSIONS_MAX; count++) ids.push(await begun(world));
  await refused(begun(world), 'request/too-many');
  await pushBlob(world, 'plain/a', 'x', BOB);
  // Those that nobody goes on with make room for others of theirs, and leave an account's alone.
  world.nowMs += UPLOAD_IDLE_OF_FULL_MS;
  await begun(world);
  await refused(world.view.uploads.place(ANYONE, REPOSITORY, ids[0] ?? ''), 'oci/upload-unknown');
  assert.equal((await world.view.uploads.place(ALICE, REPOSITORY, alices)).length, 0);
});

for (const [who, caller, account, bytesMax] of [
  ['whoever shows no token', ANYONE, null, UNKNOWN_UPLOAD_BYTES_MAX],
  ['an account', ALICE, 'alice', ACCOUNT_UPLOAD_BYTES_MAX],
] as const) {
  test(`unfinished uploads of ${who} have so many bytes at most, over a restart (SECURITY.md O5)`, async () => {
    const clock = new TestClock();
    const drivers = memoryDrivers(clock);
    const large = { ...(await drivers.uploads.start({ repository: REPOSITORY, account })), length: bytesMax - 3 };
    async function* list(): ReturnType<UploadStore['list']> {
      yield large;
    }
    const options = {
      drivers: { ...drivers, uploads: { ...drivers.uploads, list } },
      tokenPolicy: 'optional',
    } as const;
    const world = await openWorld(clock, options);
    const { uploads } = world.view;
    const id = await begun(world, '', caller);
    world.nowMs += 1;
    for (const body of [bodyOf(['abcd']), bodyOf(['ab', 'cd']), bodyOf(['abcd'], { start: 0, length: 4 })]) {
      await refused(uploads.append(caller, REPOSITORY, id, body), 'request/too-many');
      assert.equal((await uploads.place(caller, REPOSITORY, id)).length, 0);
    }
    await refused(pushBlob(world, 'plain/a', 'abcd', caller), 'request/too-many');
    // What ends, and what a broken line leaves, counts for what it is.
    await pushBlob(world, 'plain/a', 'abc', caller);
    await assert.rejects(uploads.append(caller, REPOSITORY, id, bodyOf(['ab', new Error('the line broke')])), /broke/);
    await refused(uploads.append(caller, REPOSITORY, id, bodyOf(['cd'])), 'request/too-many');
    assert.equal((await uploads.append(caller, REPOSITORY, id, bodyOf(['c']))).length, 3);
    await refused(begun(world, '', caller), 'request/too-many');
    await pushBlob(world, 'plain/a', 'whoever else', BOB);
    await uploads.cancel(caller, REPOSITORY, id);
    await begun(world, 'abc', caller);
    world.nowMs += UPLOAD_IDLE_MS - 1;
    await world.uploading.expire();
    await begun(world, 'abcdef', caller);
  });
}

test('unfinished uploads have so many bytes at most, whoever has them', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  const large = { ...(await drivers.uploads.start({ repository: REPOSITORY, account: 'carol' })) };
  async function* list(): ReturnType<UploadStore['list']> {
    yield { ...large, length: UPLOAD_BYTES_MAX - 3 };
  }
  const options = { drivers: { ...drivers, uploads: { ...drivers.uploads, list } }, tokenPolicy: 'optional' } as const;
  const world = await openWorld(clock, options);
  for (const caller of [ANYONE, ALICE]) {
    await refused(pushBlob(world, 'plain/a', 'abcd', caller), 'request/too-many');
    await pushBlob(world, 'plain/a', 'abc', caller);
  }
});

test('few uploads have a day, many an hour', async () => {
  const world = await openWorld(new TestClock());
  await begun(world);
  world.nowMs += UPLOAD_IDLE_MS - 1;
  await world.sweep.step();
  assert.equal(world.uploading.length, 1);
  world.nowMs += 1;
  await world.sweep.step();
  assert.equal(world.uploading.length, 0);
  for (let count = 0; count < 501; count++) await begun(world);
  world.nowMs += UPLOAD_IDLE_OF_MANY_MS;
  await world.sweep.step();
  assert.equal(world.uploading.length, 0);
});

test('one account has a share of the unfinished uploads', async () => {
  const clock = new TestClock();
  const drivers = memoryDrivers(clock);
  const world = await openWorld(clock, { drivers, tokenPolicy: 'required' });
  const ids: string[] = [];
  for (let count = 0; count < ACCOUNT_SESSIONS_MAX; count++) ids.push(await begun(world, '', ALICE));
  await refused(begun(world, '', ALICE), 'request/too-many');
  await begun(world, '', BOB);
  // A restart forgets nobody's share.
  const again = await openWorld(clock, { drivers, tokenPolicy: 'required' });
  await refused(begun(again, '', ALICE), 'request/too-many');
  await again.view.uploads.cancel(ALICE, REPOSITORY, ids[0] ?? '');
  await begun(again, '', ALICE);
});

test('a blob is mounted from where the caller may read it, and from nowhere else (SECURITY.md O4)', async () => {
  const world = await openWorld(new TestClock());
  const digest = await pushBlob(world, 'plain/source', 'shared');
  const gone = await pushBlob(world, 'plain/source', 'gone');
  await world.view.deleteBlob(ANYONE, repo('plain/source'), gone);
  // Left by a prefix that is not configured any more, or bytes that no repository has: a digest alone opens neither.
  const hidden = digestOf('hidden');
  const links = [{ repository: repo('former/x'), digest: hidden, size: 6, linkedAtMs: world.nowMs }];
  const { id } = await world.uploads.start({ repository: repo('former/x'), account: null });
  await world.uploads.append(id, bodyOf(['hidden']).body, 100);
  await world.uploads.finish(id, hidden);
  await world.store.write({ links, manifests: [], tags: [] }, false);
  const cases: readonly [string, typeof digest, string | null, boolean][] = [
    ['from where it is', digest, 'plain/source', true],
    ['from wherever it is', digest, null, true],
    ['from another repository', digest, 'plain/empty', false],
    ['from one that is not here', digest, 'nowhere/x', false],
    ['what is nowhere', digestOf('nothing'), null, false],
    ['what is nowhere, from somewhere', digestOf('nothing'), 'plain/source', false],
    ['what was deleted', gone, 'plain/source', false],
    ['what was deleted, from wherever', gone, null, false],
    ['from where nobody may read', hidden, 'former/x', false],
    ['from wherever, where nobody may read it', hidden, null, false],
    ['the other digest of the same bytes', digestOf('shared', 'sha512'), 'plain/source', false],
  ];
  for (const [index, [what, asked, from, mounted]] of cases.entries()) {
    const target = repo(`other/target${index}`);
    const source = { digest: asked, from: from === null ? null : repo(from) };
    assert.equal(await world.view.uploads.mount(ANYONE, target, source), mounted, what);
    if (mounted) assert.equal(await readBlob(world, target, asked), 'shared', what);
    else await refused(world.view.blob(ANYONE, target, asked), 'oci/blob-unknown');
  }
  // The two go their own ways.
  await world.view.deleteBlob(ANYONE, repo('plain/source'), digest);
  assert.equal(await readBlob(world, 'other/target0', digest), 'shared');
});

test('a blob of a package that only the log has is adopted by whoever mounts it', async () => {
  const clock = new TestClock();
  const digest = digestOf('released');
  const memory = emptyOciBlobMemory();
  memory.content.set(parseDigest(digest), Buffer.from('released'));
  const blob = async (): Promise<{ digest: typeof digest; size: number; read: () => never }> => ({
    digest,
    size: 8,
    read: () => assert.fail('nothing is read'),
  });
  const packages = { ...unsupportedRepositories, blob };
  const world = await openWorld(clock, { drivers: memoryDrivers(clock, memory), packages });
  const source = { digest, from: repo('test/package') };
  assert.equal(await world.view.uploads.mount(ANYONE, repo('plain/a'), source), true);
  assert.equal(await readBlob(world, 'plain/a', digest), 'released');
  await putImage(world, 'plain/a', 'tagged', { layers: ['released'] });
});

test('a blob that lost some of its bytes is adopted anew by whoever mounts it', async () => {
  const clock = new TestClock();
  const digest = digestOf('released');
  const memory = emptyOciBlobMemory();
  memory.content.set(parseDigest(digest), Buffer.from('released'));
  memory.blobs.set(digest, { bytes: Buffer.from('release'), keptAtMs: clock.nowMs });
  const blob = async (): Promise<FoundBlob> => ({ digest, size: 8, read: () => assert.fail('nothing is read') });
  const packages = { ...unsupportedRepositories, blob };
  const world = await openWorld(clock, { drivers: memoryDrivers(clock, memory), packages });
  const source = { digest, from: repo('test/package') };
  assert.equal(await world.view.uploads.mount(ANYONE, repo('plain/a'), source), true);
  assert.equal(await readBlob(world, 'plain/a', digest), 'released');
});
