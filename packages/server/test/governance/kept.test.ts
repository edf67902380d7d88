import assert from 'node:assert/strict';
import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { digestBytes, digestHex, digestOf, REGISTRY_LOG_ID, wargApi } from '@waybill/protocol';
import { backup } from '../../src/backup.ts';
import { openWriteDesk } from '../../src/commit-thread/write-desk.ts';
import { openDatabase } from '../../src/storage/sqlite-module.ts';
import { check } from '../fsck/sample-registry.ts';
import { governingKey, Governor, holderOfKeys, listing } from '../governance.ts';
import { joseKeyOf } from '../joint-record.ts';
import { logLength } from '../operator.ts';
import { keyOf, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { RunningRegistry } from '../running-registry.ts';

/* Governance logs at rest: over a restart, in a backup, and under damage. */

const ORIGIN = 'registry.example/main';
const BAD = wasmOf('bad');
const GOOD = wasmOf('good');

let registry: RunningRegistry;
let owner: Governor;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN, namespaces: ['test', 'other'] });
  const given = { origin: ORIGIN, keys: [await governingKey(registry)] };
  const alice = new Publisher(registry, 'test:alice', keyOf('alice'));
  await alice.publish([alice.init, releaseOf('1.0.0', BAD), releaseOf('1.1.0', GOOD)], [BAD, GOOD]);
  owner = new Governor(registry, 'test', given);
  const whole = new Governor(registry, null, given);
  const takedown = { type: 'takedown', digest: digestOf(BAD), code: 'malware' } as const;
  const answers = [
    await owner.begin(listing('alice')),
    await owner.append([listing('alice', 'bob')]),
    await whole.begin(takedown),
  ];
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
});
after(() => registry.dispose());

/** A copy of the data folder with the server stopped, which then goes on. */
async function copyAtRest(name: string): Promise<string> {
  const data = path.join(registry.folder, name);
  await registry.stopKeepingFiles();
  await cp(registry.data(), data, { recursive: true });
  await registry.restart();
  return data;
}

test('what governance logs say holds after a restart', async () => {
  await registry.restart();
  const stranger = new Publisher(registry, 'test:stranger', keyOf('stranger'));
  assert.equal((await stranger.post(await stranger.record([stranger.init]))).status, 422);
  assert.equal((await registry.get(`v1/content/${digestOf(BAD)}`)).status, 451);
  await new Publisher(registry, 'test:bob', keyOf('bob')).start();
  const json = { logLength: await logLength(registry), packages: { [owner.home.log]: null, [REGISTRY_LOG_ID]: null } };
  const headers = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };
  const { packages } = wargApi.decodeFetchLogsResponse((await registry.post('v1/fetch/logs', { json, headers })).bytes);
  assert.deepEqual(
    [...packages.values()].map(({ length }) => length),
    [2, 1],
  );
});

test('fsck calls a registry with governance logs clean', async () => {
  const { flaws, remarks } = await check(await copyAtRest('clean'));
  assert.deepEqual({ flaws, remarks }, { flaws: [], remarks: [] });
});

test('a backup holds governance logs, and content that is taken down', async () => {
  const out = path.join(registry.folder, 'backup');
  const report = await backup({ data: registry.data(), out, keys: true, onProgress: () => undefined });
  assert.deepEqual(report.damaged, []);
  assert.ok(report.contents >= 1);
  assert.deepEqual(
    (await check(out)).flaws.map(({ kind }) => kind),
    ['last-signed'],
  );
});

test('content that is taken down may be deleted: neither fsck nor a backup calls that damage', async () => {
  const [data, out] = [await copyAtRest('deleted'), path.join(registry.folder, 'backup of deleted')];
  const fileOf = (content: Uint8Array): string => {
    const hex = digestHex(digestOf(content));
    return path.join(data, 'content', 'sha256', hex.slice(0, 2), hex);
  };
  await rm(fileOf(BAD));
  const { flaws, remarks } = await check(data);
  assert.deepEqual(
    { flaws, remarks },
    { flaws: [], remarks: [`content ${digestOf(BAD)} is not here, and is taken down`] },
  );
  const asked = { keys: true, onProgress: () => undefined };
  assert.deepEqual((await backup({ data, out, ...asked })).damaged, []);
  await rm(fileOf(GOOD));
  assert.deepEqual(
    (await check(data)).flaws.map(({ kind, at }) => [kind, at]),
    [['content', digestOf(GOOD)]],
  );
  const { damaged } = await backup({ data, out: `${out} once more`, ...asked });
  assert.deepEqual(
    damaged.map(({ at }) => at),
    [digestOf(GOOD)],
  );
});

const DAMAGES: readonly (readonly [string, string])[] = [
  ['a byte of its contents', "contents = CAST(substr(contents, 1, 40) || x'00' || substr(contents, 42) AS BLOB)"],
  ['its signature', 'signature = substr(signature, 1, length(signature) - 1)'],
  ['its place in its log', 'log_position = 7'],
  ['a name that it has not', "name = 'test:bob'"],
];

test('damage to a governance record is found by fsck (threats L7, D7)', async () => {
  const sound = await copyAtRest('sound');
  for (const [what, change] of DAMAGES) {
    for (const log of [owner.home.log, REGISTRY_LOG_ID]) {
      const data = path.join(registry.folder, 'damaged');
      await cp(sound, data, { recursive: true });
      const database = openDatabase(path.join(data, 'registry.sqlite'), 'write');
      const row = 'registry_index = (SELECT min(registry_index) FROM records WHERE log_id = ?)';
      database.prepare(`UPDATE records SET ${change} WHERE ${row}`).run(digestBytes(log));
      database.close();
      const { flaws } = await check(data, { content: false });
      assert.ok(
        flaws.some(({ kind }) => kind === 'record' || kind === 'name'),
        `${what}: ${JSON.stringify(flaws)}`,
      );
      await rm(data, { recursive: true });
    }
  }
});

test('a log that was begun by whom the operator log does not let is named as void', async () => {
  const data = await copyAtRest('void');
  const stranger = joseKeyOf('stranger');
  const log = new Governor(registry, 'other', { origin: ORIGIN, keys: [stranger] });
  const { id: recordId, envelope } = await log.sign([{ type: 'root', holder: holderOfKeys([stranger]) }]);
  const places = { storeFile: path.join(data, 'registry.sqlite'), lastSignedFile: path.join(data, 'last-signed') };
  const desk = await openWriteDesk({ ...places, dataDirectory: data });
  const registryIndex = desk.head?.checkpoint.contents.logLength ?? assert.fail();
  const records = [{ registryIndex, logId: log.home.log, logPosition: 0, recordId, envelope }];
  await desk.run({ type: 'commit', batch: { records, names: [], holdings: [], settled: [] } });
  await desk.run({ type: 'close' });
  const { flaws } = await check(data);
  const [{ kind, at, problem } = assert.fail(), ...others] = flaws;
  assert.deepEqual([kind, at, others], ['record', `record ${registryIndex}`, []]);
  assert.match(problem, /void.*defineNamespace/);
});

test('a record that waits over a restart is judged by what the logs say when its content has come', async () => {
  const waiting = new Publisher(registry, 'test:waiting', keyOf('bob'));
  const content = wasmOf('waited for');
  const record = await waiting.record([waiting.init, releaseOf('1.0.0', content)]);
  assert.equal((await waiting.post(record)).status, 202);
  assert.equal((await owner.append([listing('alice')])).status, 201);
  await registry.restart();
  assert.equal((await waiting.upload(record.id, content)).status, 422);
  await registry.restart();
  const status = wargApi.decodeRecordStatus((await waiting.status(record.id)).bytes);
  assert.equal(status.state, 'rejected');
  assert.deepEqual((await check(await copyAtRest('rejected'))).flaws, []);
});
