import assert from 'node:assert/strict';
import path from 'node:path';
import { createToken, revokeToken } from '@waybill/server';
import { refuses, succeeds } from './command.ts';
import { COMPONENT_FILE, MODULE_FILE } from './content.ts';
import { publishLongLog } from './long-log.ts';
import { peerTest } from './peers.ts';
import { newWargPerson, newWaybillPerson } from './person.ts';
import { startRecordingProxy, type PassedRequest } from './recording-proxy.ts';
import { randomKey, startWaybill, startWaybillWithTokens } from './registry.ts';
import { assertSameBytes, newHome, openScene } from './scene.ts';
import { moduleFile, tellStories } from './stories.ts';

const WARG_ON_OURS = { start: startWaybill, newcomer: newWargPerson };
const RACERS = 4;
const RACE_ROUNDS = 5;
/** warg asks for 100 records of a log at a time. */
const PAGE_RECORDS = 100;
const LONG_LOG_RECORDS = 250;

tellStories('warg with our server', ['warg'], WARG_ON_OURS);

peerTest('warg starts a package, and then releases into it', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const owner = await newWargPerson(scene.registry.url, newHome(scene.folder));
  await succeeds(owner.run('publish', 'init', 'test:init'));
  await refuses(owner.run('publish', 'init', 'test:init'));
  await succeeds(owner.release('test:init', '1.0.0', MODULE_FILE));
  await succeeds(
    owner.run(
      'publish',
      'release',
      '--no-wait',
      '--name',
      'test:init',
      '--version',
      '1.1.0',
      moduleFile(scene, 'no wait'),
    ),
  );
  const { stdout } = await succeeds(owner.run('info', 'test:init'));
  assert.match(stdout, /test:init/);
});

peerTest('warg asks once after a publish, and the record is published', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const proxy = await startRecordingProxy(scene.registry.url);
  t.after(() => proxy.stop());
  const owner = await newWargPerson(proxy.url, newHome(scene.folder));
  const friend = await newWargPerson(proxy.url, newHome(scene.folder));
  const publishes = [
    () => owner.release('test:polled', '1.0.0', COMPONENT_FILE),
    () => owner.release('test:polled', '1.1.0', MODULE_FILE),
    () => owner.grant('test:polled', friend.publicKey),
    () => friend.release('test:polled', '1.2.0', MODULE_FILE),
    () => owner.revoke('test:polled', friend.keyId),
    () => owner.yank('test:polled', '1.1.0'),
  ];
  for (const publish of publishes) {
    proxy.passed.length = 0;
    await succeeds(publish());
    assert.equal(proxy.passed.filter(isRecordPost).length, 1);
    assert.equal(proxy.passed.filter(isStatusPoll).length, 1, JSON.stringify(proxy.passed));
  }
});

function isRecordPost({ method, path: target }: PassedRequest): boolean {
  return method === 'POST' && target.endsWith('/record');
}

function isStatusPoll({ method, path: target }: PassedRequest): boolean {
  return method === 'GET' && target.includes('/record/');
}

peerTest('four wargs publish at once, again and again', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const proxy = await startRecordingProxy(scene.registry.url);
  t.after(() => proxy.stop());
  const people = await Promise.all(
    Array.from({ length: RACERS }, () => newWargPerson(proxy.url, newHome(scene.folder))),
  );
  const [owner, ...friends] = people;
  assert.ok(owner);
  await succeeds(owner.release('test:crowd', '0.0.0', MODULE_FILE));
  for (const { publicKey } of friends) await succeeds(owner.grant('test:crowd', publicKey));
  for (let round = 1; round <= RACE_ROUNDS; round++) {
    const file = moduleFile(scene, `round ${round}`);
    await Promise.all(people.map((person, i) => succeeds(person.release('test:crowd', `${round}.${i}.0`, file))));
  }
  const reader = await newWaybillPerson(scene.registry.url, newHome(scene.folder));
  const { stdout } = await succeeds(reader.run('info', 'test:crowd', '--json'));
  assert.match(stdout, new RegExp(`"records":${RACERS + RACERS * RACE_ROUNDS}\\b`));
  console.log(`${proxy.passed.filter(({ status }) => status === 409).length} publishes were answered with 409`);
});

peerTest('warg reads a log of several pages', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const log = { name: 'test:long', records: LONG_LOG_RECORDS, file: MODULE_FILE };
  await publishLongLog(scene.registry.url, randomKey(), log);
  const proxy = await startRecordingProxy(scene.registry.url);
  t.after(() => proxy.stop());
  const reader = await newWargPerson(proxy.url, newHome(scene.folder));
  const received = path.join(reader.home, 'long.wasm');
  const { stdout } = await succeeds(reader.download(log.name, null, received));
  assert.match(stdout, new RegExp(`Downloaded version: ${LONG_LOG_RECORDS - 1}\\.0\\.0`));
  assertSameBytes(received, MODULE_FILE);
  const pages = proxy.passed.filter(({ path: target }) => target === '/v1/fetch/logs').length;
  assert.equal(pages, Math.floor(LONG_LOG_RECORDS / PAGE_RECORDS) + 1);
});

peerTest('warg tells its user that a package is unknown', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const reader = await newWargPerson(scene.registry.url, newHome(scene.folder));
  const message = /Package `test:nothing` was not found or you do not have access/;
  await refuses(reader.download('test:nothing', null, path.join(reader.home, 'none.wasm')), 1, message);
  await refuses(reader.release('nowhere:nothing', '1.0.0', MODULE_FILE), 1, /namespace `?nowhere/i);
});

peerTest('warg and waybill read what the other has published', ['warg'], async (t) => {
  const scene = await openScene(t, WARG_ON_OURS);
  const people = [await scene.newcomer(), await newWaybillPerson(scene.registry.url, newHome(scene.folder))];
  for (const [i, author] of people.entries()) {
    const name = `test:by-${i === 0 ? 'warg' : 'waybill'}`;
    await succeeds(author.release(name, '1.0.0', COMPONENT_FILE));
    for (const reader of people) {
      await succeeds(author.grant(name, reader.publicKey));
      await succeeds(reader.release(name, `1.${people.indexOf(reader) + 1}.0`, MODULE_FILE));
      const received = path.join(reader.home, `${i}.wasm`);
      await succeeds(reader.download(name, '1.0.0', received));
      assertSameBytes(received, COMPONENT_FILE);
    }
  }
});

peerTest(
  'warg publishes with the token that it was given, and tells its user of one that is not taken',
  ['warg'],
  async (t) => {
    const scene = await openScene(t, { start: startWaybillWithTokens, newcomer: newWargPerson });
    const data = path.join(scene.folder, 'registry');
    const tokenFor = (namespaces: readonly string[]) =>
      createToken({ data, account: 'warg', actions: ['publish'], namespaces, lifetimeSeconds: 600 });
    const owner = await newWargPerson(scene.registry.url, newHome(scene.folder));
    await refuses(owner.release('test:token', '1.0.0', MODULE_FILE), 1, /with a token only/);
    const { text, listed } = await tokenFor(['test']);
    owner.keepToken(text);
    await succeeds(owner.release('test:token', '1.0.0', MODULE_FILE));
    await succeeds(owner.release('test:token', '1.1.0', COMPONENT_FILE));
    await revokeToken(data, listed.id);
    await refuses(owner.release('test:token', '1.2.0', MODULE_FILE), 1, /token is not valid/);
    owner.keepToken((await tokenFor(['other'])).text);
    await refuses(owner.release('test:token', '1.2.0', MODULE_FILE), 1, /does not cover publish in test/);
    const reader = await newWargPerson(scene.registry.url, newHome(scene.folder));
    const received = path.join(reader.home, 'token.wasm');
    await succeeds(reader.download('test:token', '1.1.0', received));
    assertSameBytes(received, COMPONENT_FILE);
  },
);
