import assert from 'node:assert/strict';
import { cp, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  digestHex,
  digestOf,
  packageLogId,
  parsePackageName,
  timestampFromMs,
  utf8,
  wargApi,
  type Digest,
  type GovernanceEntry,
  type PackageEntry,
} from '@waybill/protocol';
import { backup } from '../../src/backup.ts';
import { check } from '../fsck/sample-registry.ts';
import { governingKey, Governor } from '../governance.ts';
import { holderNamed, signJointly } from '../joint-record.ts';
import { RunningRegistry } from '../running-registry.ts';
import { releaseAs, treeOf, type TestTree } from '../test-tree.ts';

/* Trees where content is taken down, checked and copied: spec/content.md 4.11. */

const ORIGIN = 'registry.example/trees';
const BAD = treeOf({ 'bad/only': 'named here alone', 'bad/shared': 'shared', 'bad/also': 'released as a file' });
const GOOD = treeOf({ good: 'good', 'from/bad': 'shared' });
const LATER = treeOf({ later: 'named here alone' });
const WAITING = treeOf({ here: 'here', missing: 'missing' });

let registry: RunningRegistry;
let governor: Governor;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN, anyContent: true });
  governor = new Governor(registry, null, { origin: ORIGIN, keys: [await governingKey(registry)] });
  assert.equal((await governor.begin()).status, 201);
  await publish('test:bad', [treeRelease(BAD)], BAD);
  await publish('test:good', [treeRelease(GOOD)], GOOD);
});
after(() => registry.dispose());

const treeRelease = ({ index }: TestTree): PackageEntry => releaseAs('tree', '1.0.0', index);
const contentPath = (digest: Digest): string => `content/${digest.replace(':', '-')}`;

/** Uploads what is missing, round by round, up to so many contents. */
async function publish(
  text: string,
  releases: readonly PackageEntry[],
  tree: TestTree,
  uploads = 100,
): Promise<number> {
  const name = parsePackageName(text);
  const log = packageLogId(name);
  const entries: readonly PackageEntry[] = [{ type: 'root', holder: holderNamed(text) }, ...releases];
  const record = await signJointly(entries, {
    prev: null,
    time: timestampFromMs(Date.now()),
    home: { log, origin: ORIGIN },
    by: [text],
  });
  const json = wargApi.publishBody(name, record.envelope);
  const contents = new Map([...tree.contents, [tree.digest, tree.index]]);
  for (let left = uploads; ;) {
    const answer = await registry.post(`v1/package/${log}/record`, { json });
    if (answer.status !== 202) return answer.status;
    const status = wargApi.decodeRecordStatus(answer.bytes);
    if (status.state !== 'sourcing' || left === 0) return answer.status;
    for (const [digest, body] of contents) {
      if (!status.missingContent.has(digest) || left-- <= 0) continue;
      const sent = await registry.post(`v1/package/${log}/record/${record.id}/content/${digest}`, { body });
      assert.equal(sent.status, 201);
    }
    left = Math.max(left, 0);
  }
}

async function statusOf(text: string): Promise<readonly number[]> {
  const digest = digestOf(utf8(text));
  return [(await registry.get(contentPath(digest))).status, (await registry.get(`v1/content/${digest}`)).status];
}

const takedown = (digest: Digest): GovernanceEntry => ({ type: 'takedown', digest, code: 'malware', reason: 'steals' });

test('a taken-down index closes the files that it alone names, until something else names them', async () => {
  assert.deepEqual(await statusOf('named here alone'), [200, 200]);
  assert.equal((await governor.append([takedown(BAD.digest)])).status, 201);
  assert.deepEqual(await statusOf('named here alone'), [451, 451]);
  assert.deepEqual(await statusOf('shared'), [200, 200]);
  assert.deepEqual(await statusOf('good'), [200, 200]);
  assert.equal((await registry.get(contentPath(BAD.digest))).status, 451);
  const also = utf8('released as a file');
  assert.deepEqual(await statusOf('released as a file'), [451, 451]);
  assert.equal(await publish('test:also', [releaseAs('other', '1.0.0', also)], BAD), 202);
  assert.deepEqual(await statusOf('released as a file'), [200, 200]);
});

test('a restart closes the same, and a reinstatement opens it', async () => {
  await registry.restart();
  assert.deepEqual(await statusOf('named here alone'), [451, 451]);
  assert.equal((await governor.append([{ type: 'reinstate', digest: BAD.digest }])).status, 201);
  assert.deepEqual(await statusOf('named here alone'), [200, 200]);
  assert.equal((await governor.append([takedown(BAD.digest)])).status, 201);
  assert.deepEqual(await statusOf('named here alone'), [451, 451]);
});

test('a tree may name what only an index closed, and nothing that is taken down itself', async () => {
  const single = digestOf(utf8('taken down itself'));
  assert.equal((await governor.append([takedown(single)])).status, 201);
  const tree = treeOf({ a: 'taken down itself', b: 'b' });
  const log = packageLogId(parsePackageName('test:refused'));
  const rejected = publish('test:refused', [treeRelease(tree)], tree, 1);
  await assert.rejects(rejected, /451/);
  assert.equal((await registry.get(`v1/package/${log}/record`)).status, 405);
  assert.equal(await publish('test:later', [treeRelease(LATER)], LATER), 202);
  assert.deepEqual(await statusOf('named here alone'), [200, 200]);
});

test('L13: what a taken-down index closes is not kept for content that has slices of it', async () => {
  const noise = Array.from({ length: 24_000 }, (_, i) => digestHex(digestOf(utf8(`noise ${i}`)))).join('');
  const trees = [treeOf({ file: noise }), treeOf({ file: `${noise} and more` })];
  for (const [i, tree] of trees.entries())
    await publish(i === 0 ? 'test:alike' : 'test:alike-too', [treeRelease(tree)], tree);
  await until(async () => (await sharedFiles()).length === 1);
  const [shared] = await sharedFiles();
  const base = trees.find(({ contents }) => ![...contents.keys()].some((digest) => digestHex(digest) === shared));
  assert.equal((await governor.append([takedown(base?.digest ?? assert.fail('one stands alone'))])).status, 201);
  // The next walk would be some seconds away.
  await registry.restart();
  await until(async () => (await sharedFiles()).length === 0);
});

async function sharedFiles(): Promise<readonly string[]> {
  const names = await readdir(registry.data('content', 'shared'), { recursive: true }).catch(() => []);
  return names.map((name) => path.basename(name)).filter((name) => name.length === 64);
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    assert.ok(tries < 600, 'it does not come');
    await sleep(50);
  }
}

test('D7: backups and fsck know the files of trees, published and on their way', async () => {
  await publish('test:waiting', [treeRelease(WAITING)], WAITING, 2);
  const out = path.join(registry.folder, 'copy');
  const report = await backup({ data: registry.data(), out, keys: true, onProgress: () => undefined });
  assert.deepEqual(report.damaged, []);
  await cp(registry.data('last-signed'), path.join(out, 'last-signed'));
  const checked = await check(out);
  assert.deepEqual([checked.flaws, checked.remarks], [[], []]);
  const lost = digestOf(utf8('good'));
  await rm(path.join(out, 'content', 'sha256', digestHex(lost).slice(0, 2), digestHex(lost)));
  const { flaws } = await check(out);
  assert.deepEqual(
    flaws.map(({ kind, at }) => [kind, at]),
    [['content', lost]],
  );
});
