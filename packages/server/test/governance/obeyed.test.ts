import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import {
  digestOf,
  packageLogId,
  parsePackageName,
  timestampFromMs,
  wargApi,
  type Digest,
  type GovernanceEntry,
  type JosePrivateKey,
} from '@waybill/protocol';
import { governingKey, Governor, listing, OPEN_POLICY } from '../governance.ts';
import { holderNamed, signJointly } from '../joint-record.ts';
import { logLength } from '../operator.ts';
import { keyOf, Publisher, releaseOf, wasmOf, type LooseRecord } from '../publisher.ts';
import { assertEmpty, assertJson, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* What governance logs say is done: spec/governance.md 5.3 and 6.4. Each test has a namespace of its own. */

const ORIGIN = 'registry.example/main';
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve'];

let registry: RunningRegistry;
let operator: JosePrivateKey;
let registryLog: Governor;
let namespace: string;
let owner: Governor;
let used = 0;

before(async () => {
  registry = await RunningRegistry.start({ origin: ORIGIN, namespaces: WORDS.map((word) => `space-${word}`) });
  operator = await governingKey(registry);
  registryLog = new Governor(registry, null, { origin: ORIGIN, keys: [operator] });
  assert.equal((await registryLog.begin()).status, 201);
});
after(() => registry.dispose());
beforeEach(() => {
  namespace = `space-${WORDS[used++]}`;
  owner = new Governor(registry, namespace, { origin: ORIGIN, keys: [operator] });
});

async function says(log: Governor, ...entries: readonly GovernanceEntry[]): Promise<void> {
  const isBegun = log.head !== null;
  const answer = isBegun ? await log.append(entries) : await log.begin(...entries);
  assert.equal(answer.status, 201, new TextDecoder().decode(answer.bytes));
}

/** A package of this test's namespace by a key of this name. */
function publisher(word: string, by: string): Publisher {
  return new Publisher(registry, `${namespace}:${word}`, keyOf(by));
}

/** Posts a first record with a release. */
async function postFirst(of: Publisher, content: Uint8Array): Promise<{ record: LooseRecord; answer: Answer }> {
  const record = await of.record([of.init, releaseOf('1.0.0', content)]);
  return { record, answer: await of.post(record) };
}

function assertMessage(answer: Answer, status: number, words: RegExp): void {
  const { message } = Object(bodyOf(answer));
  assert.equal(answer.status, status, message);
  assert.match(message, words);
}

const takedown = (digest: Digest): GovernanceEntry => ({ type: 'takedown', digest, code: 'malware', reason: 'steals' });
const reinstate = (digest: Digest): GovernanceEntry => ({ type: 'reinstate', digest });

test('P2: where keys are listed, who is not begins no package, before content is asked for', async () => {
  await says(owner, listing('alice'));
  const content = wasmOf('listed');
  assertMessage((await postFirst(publisher('wanted', 'stranger'), content)).answer, 422, /other keys/);
  const alice = publisher('wanted', 'alice');
  await alice.publish([alice.init, releaseOf('1.0.0', content)], [content]);
  await says(owner, listing('bob'));
  const more = wasmOf('listed once');
  await alice.publish([releaseOf('1.1.0', more)], [more]);
  await says(owner, OPEN_POLICY);
  await publisher('anybody', 'stranger').start();
});

test('the starters of a record of version 1 are who signs it and holds its root', async () => {
  await says(owner, listing('alice'));
  const first = async (word: string, holder: readonly string[], by: readonly string[]): Promise<Answer> => {
    const name = parsePackageName(`${namespace}:${word}`);
    const home = { log: packageLogId(name), origin: ORIGIN };
    const time = timestampFromMs(Date.now());
    const record = await signJointly([{ type: 'root', holder: holderNamed(...holder) }], {
      prev: null,
      time,
      home,
      by,
    });
    return registry.post(`v1/package/${home.log}/record`, { json: wargApi.publishBody(name, record.envelope) });
  };
  assertMessage(await first('foreign', ['bob', 'carol'], ['bob', 'carol']), 422, /may not begin/);
  assert.equal((await first('joint', ['alice', 'bob'], ['alice', 'bob'])).status, 202);
});

test('a policy that comes while a record waits for content rejects it, and does not try again', async () => {
  const late = publisher('late', 'stranger');
  const content = wasmOf('late');
  const { record, answer } = await postFirst(late, content);
  assert.equal(answer.status, 202);
  await says(owner, listing('alice'));
  assertMessage(await late.upload(record.id, content), 422, /may not begin/);
  const { state, reason } = Object(bodyOf(await late.status(record.id)));
  assert.equal(state, 'rejected');
  assert.match(reason, /may not begin/);
  assertMessage(await late.post(record), 422, /may not begin/);
});

test('in an abandoned namespace no package begins, and those that are there go on', async () => {
  const there = publisher('there', 'alice');
  await there.start();
  await says(owner, { type: 'abandon', successor: null, message: 'moved' });
  assertMessage((await postFirst(publisher('new', 'alice'), wasmOf('new'))).answer, 422, /abandoned/);
  await there.publish([{ type: 'yank', version: releaseVersion() }]);
});

function releaseVersion() {
  const entry = releaseOf('1.0.0', wasmOf('any'));
  return entry.type === 'release' ? entry.version : assert.fail();
}

test('P2: the policy of the registry is that of namespaces without one, and of no others', async () => {
  await says(registryLog, listing('curator'));
  try {
    assertMessage((await postFirst(publisher('a', 'alice'), wasmOf('default'))).answer, 422, /other keys/);
    await publisher('b', 'curator').start();
    await says(owner, takedown(digestOf(wasmOf('not a policy'))));
    assertMessage((await postFirst(publisher('a', 'alice'), wasmOf('default'))).answer, 422, /other keys/);
    await says(owner, listing('alice'));
    await publisher('a', 'alice').start();
    assertMessage((await postFirst(publisher('c', 'curator'), wasmOf('default'))).answer, 422, /other keys/);
  } finally {
    await says(registryLog, OPEN_POLICY);
  }
});

function contentFile(digest: Digest): string {
  return `content/${digest.replace(':', '-')}`;
}

/** Status of both addresses of content. */
async function served(digest: Digest): Promise<number[]> {
  const answers = [await registry.get(`v1/content/${digest}`), await registry.get(contentFile(digest))];
  return answers.map(({ status }) => status);
}

test('L13: what the registry takes down is served nowhere and not accepted again, every log still verifies, and it can come back', async () => {
  const content = wasmOf('bad');
  const digest = digestOf(content);
  const first = publisher('first', 'alice');
  await first.publish([first.init, releaseOf('1.0.0', content)], [content]);
  assert.deepEqual(await served(digest), [200, 200]);
  await says(registryLog, takedown(digest));
  const recordId = registryLog.head;
  const message = `content ${digest} is taken down by record ${recordId} (malware: steals)`;
  for (const path of [`v1/content/${digest}`, contentFile(digest)]) {
    const answer = await registry.get(path, { headers: { range: 'bytes=0-3', 'if-none-match': `"${digest}"` } });
    assertJson(answer, 451, { status: 451, message, code: 'malware', reason: 'steals', recordId });
    assert.equal(answer.headers.get('link'), `<${registry.url.href}>; rel="blocked-by"`);
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    assertEmpty(await registry.send('HEAD', path), 451);
  }
  const parts = `api/v1/content/${digest}/parts`;
  for (const answer of [await registry.get(parts), await registry.post(parts, { json: { runs: [[0, 1]] } })]) {
    assert.deepEqual([answer.status, answer.headers.get('cache-control')], [451, 'no-store']);
  }
  assertMessage((await postFirst(publisher('again', 'alice'), content)).answer, 451, /taken down/);
  const record = await first.record([releaseOf('2.0.0', content)]);
  assertMessage(await first.post(record), 451, /taken down/);
  const packages = { [first.logId]: null };
  assert.equal(
    (await registry.post('v1/fetch/logs', { json: { logLength: await logLength(registry), packages } })).status,
    200,
  );
  await says(registryLog, reinstate(digest));
  assert.deepEqual(await served(digest), [200, 200]);
  await first.publish([releaseOf('2.0.0', content)]);
});

test('content that is taken down while a record waits for it is not received, and the record is rejected', async () => {
  const [content, other] = [wasmOf('hidden'), wasmOf('beside')];
  const digest = digestOf(content);
  const waiting = publisher('waiting', 'alice');
  const record = await waiting.record([waiting.init, releaseOf('1.0.0', content), releaseOf('1.1.0', other)]);
  assert.equal((await waiting.post(record)).status, 202);
  await says(owner, takedown(digest));
  assertMessage(await waiting.upload(record.id, content), 451, /taken down/);
  const { state, reason } = Object(bodyOf(await waiting.status(record.id)));
  assert.equal(state, 'rejected');
  assert.match(reason, /taken down/);
  assert.deepEqual(await served(digest), [404, 404]);
});

test('content that came before it was taken down is not released by what waits for more', async () => {
  const [content, other] = [wasmOf('uploaded'), wasmOf('missing')];
  const waiting = publisher('more', 'alice');
  const record = await waiting.record([waiting.init, releaseOf('1.0.0', content), releaseOf('1.1.0', other)]);
  assert.equal((await waiting.post(record)).status, 202);
  assert.equal((await waiting.upload(record.id, content)).status, 201);
  await says(registryLog, takedown(digestOf(content)));
  assertMessage(await waiting.upload(record.id, other), 451, /taken down/);
  assert.equal(Object(bodyOf(await waiting.status(record.id))).state, 'rejected');
});

test('what a namespace takes down is released in it no more, and elsewhere as ever', async () => {
  const content = wasmOf('disputed');
  const digest = digestOf(content);
  const here = publisher('here', 'alice');
  await here.publish([here.init, releaseOf('1.0.0', content)], [content]);
  await says(owner, takedown(digest));
  assert.deepEqual(await served(digest), [200, 200]);
  assertMessage((await postFirst(publisher('again', 'alice'), content)).answer, 451, /taken down/);
  const elsewhere = new Publisher(registry, 'space-twelve:elsewhere', keyOf('alice'));
  await elsewhere.publish([elsewhere.init, releaseOf('1.0.0', content)]);
  await says(registryLog, takedown(digest));
  await says(owner, reinstate(digest));
  assertMessage((await postFirst(publisher('again', 'alice'), content)).answer, 451, /taken down/);
  await says(registryLog, reinstate(digest));
  const again = publisher('again', 'alice');
  await again.publish([again.init, releaseOf('1.0.0', content)]);
});

test('http 4.22: who holds content that is taken down is told with the reason alone, and again once it is reinstated', async () => {
  const content = wasmOf('looked up');
  const of = publisher('held', 'alice');
  await of.publish([of.init, releaseOf('1.0.0', content)], [content]);
  const digest = digestOf(content);
  const lookUp = (): Promise<Answer> => registry.get(`api/v1/content/${digest}/releases`);
  // A namespace speaks for its own packages, and the address of a digest names none.
  await says(owner, takedown(digest));
  assert.equal((await lookUp()).status, 200);
  await says(registryLog, takedown(digest));
  const refused = await lookUp();
  assert.equal(refused.headers.get('cache-control'), 'no-store');
  assertMessage(refused, 451, /malware: steals/);
  await says(registryLog, reinstate(digest));
  assert.equal((await lookUp()).status, 200);
});
