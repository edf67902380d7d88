import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { digestOf, encodeBase64, packageLogId, parsePackageName, type Digest, type RecordId } from '@waybill/protocol';
import { appendOperator, logLength } from '../operator.ts';
import { keyOf, publishBody, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { assertEmpty, assertJson, assertProblem, bodyOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

function sourcing(publisher: Publisher, recordId: RecordId, digests: readonly Digest[]): unknown {
  const missing = digests.map((digest) => {
    const url = `v1/package/${publisher.logId}/record/${recordId}/content/${digest}`;
    return [digest, { upload: [{ type: 'http', method: 'POST', url, headers: {} }] }];
  });
  return { recordId, state: 'sourcing', missingContent: Object.fromEntries(missing) };
}

test('6.1: a record goes from sourcing to published by its uploads, and GET then gives its index', async () => {
  const publisher = new Publisher(registry, 'test:flow');
  const [one, two] = [wasmOf('flow one'), wasmOf('flow two')];
  const entries = [publisher.init, releaseOf('1.0.0', one), releaseOf('2.0.0', two)];
  const record = await publisher.record(entries);
  assertJson(await publisher.post(record), 202, sourcing(publisher, record.id, [digestOf(one), digestOf(two)]));
  // Version1.md 7: a GET never says `sourcing`; the Rust client takes it for the end.
  assertJson(await publisher.status(record.id), 200, { recordId: record.id, state: 'processing' });
  assertEmpty(await publisher.upload(record.id, two), 201);
  assertJson(await publisher.post(record), 202, sourcing(publisher, record.id, [digestOf(one)]));
  const length = await logLength(registry);
  assertEmpty(await publisher.upload(record.id, one), 201);
  const published = { recordId: record.id, state: 'published', registryIndex: length };
  assertJson(await publisher.status(record.id), 200, published);
  assert.equal(await logLength(registry), length + 1);
  assertJson(await publisher.post(record), 202, published);
});

test('6.2: with nothing missing the answer to the post is the published record', async () => {
  const publisher = new Publisher(registry, 'test:nothing-missing');
  const length = await logLength(registry);
  const record = await publisher.record([publisher.init]);
  assertJson(await publisher.post(record), 202, { recordId: record.id, state: 'published', registryIndex: length });
});

test('6.2: content that is here already counts as present', async () => {
  const content = wasmOf('shared');
  const first = new Publisher(registry, 'test:shared-one');
  await first.publish([first.init, releaseOf('1.0.0', content)], [content]);
  const second = new Publisher(registry, 'test:shared-two');
  const length = await logLength(registry);
  const record = await second.record([second.init, releaseOf('1.0.0', content)]);
  assertJson(await second.post(record), 202, { recordId: record.id, state: 'published', registryIndex: length });
});

test('6.2 (1): the log id must be that of the name', async () => {
  const publisher = new Publisher(registry, 'test:right');
  const { envelope } = await publisher.record([publisher.init]);
  assertProblem(await registry.post(publisher.recordPath, { json: publishBody('test:wrong', envelope) }), 400);
  const bad = { json: { ...publishBody('test:right', envelope), packageName: 'Test:right' } };
  assertProblem(await registry.post(publisher.recordPath, bad), 422);
});

test('6.2 (2): a record that does not decode is 400', async () => {
  const publisher = new Publisher(registry, 'test:undecodable');
  const { envelope } = await publisher.record([publisher.init]);
  const record = {
    contentBytes: encodeBase64(envelope.contents),
    keyId: envelope.keyId,
    signature: envelope.signature,
  };
  const post = (changed: Record<string, string>): ReturnType<RunningRegistry['post']> =>
    registry.post(publisher.recordPath, {
      json: { packageName: 'test:undecodable', record: { ...record, ...changed } },
    });
  assertProblem(await post({ contentBytes: encodeBase64(envelope.contents.subarray(1)) }), 400);
  assertProblem(await post({ contentBytes: '' }), 400);
  assertProblem(await post({ signature: '' }), 400);
  assertProblem(await post({ signature: envelope.signature.replace('ecdsa-p256', 'ECDSA-P256') }), 400);
  assertProblem(await post({ contentBytes: 'AAA' }), 422);
  assertProblem(await post({ contentBytes: `${record.contentBytes}\n` }), 422);
  assert.equal((await post({})).status, 202);
});

test('6.2 (3): content sources are not fetched: 501', async () => {
  const publisher = new Publisher(registry, 'test:sources');
  const content = wasmOf('sources');
  const { envelope } = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
  const body = publishBody(publisher.name, envelope);
  const contentSources = { [digestOf(content)]: [{ type: 'httpGet', url: 'http://127.0.0.1:1/x' }] };
  assertProblem(await registry.post(publisher.recordPath, { json: { ...body, contentSources } }), 501);
  assertProblem(await registry.post(publisher.recordPath, { json: { ...body, contentSources: { x: [] } } }), 501);
  for (const none of [{}, null]) {
    const answer = await registry.post(publisher.recordPath, { json: { ...body, contentSources: none } });
    assert.equal(answer.status, 202);
  }
});

test('6.2 (4): an undefined namespace is 404, an imported one 409', async () => {
  const stranger = new Publisher(registry, 'wasi:http');
  const record = await stranger.record([stranger.init]);
  assertJson(await stranger.post(record), 404, { status: 404, type: 'namespace', id: 'wasi' });
  const entry = { type: 'importNamespace', namespace: 'wasi', registry: 'wasi.dev' } as const;
  assert.equal((await appendOperator(registry, [entry])).status, 201);
  assertJson(await stranger.post(record), 409, { status: 409, type: 'namespaceImport', id: 'wasi' });
  assertJson(await stranger.status(record.id), 404, { status: 404, type: 'log', id: stranger.logId });
});

test('6.2 (6): an unknown key and a bad signature are 401', async () => {
  const owner = new Publisher(registry, 'test:keys');
  const stranger = new Publisher(registry, 'test:keys', keyOf('stranger'));
  const foreignInit = await stranger.record([owner.init]);
  assertProblem(await owner.post(foreignInit), 401);
  await owner.start();
  stranger.head = owner.head;
  assertProblem(await owner.post(await stranger.record([releaseOf('2.0.0', wasmOf('keys'))])), 401);
  const { id, envelope } = await owner.record([releaseOf('2.0.0', wasmOf('keys'))]);
  const { signature } = (await owner.record([releaseOf('3.0.0', wasmOf('keys'))])).envelope;
  assertProblem(await owner.post({ id, envelope: { ...envelope, signature } }), 401);
  // The right signature of the wrong context: an operator record's.
  assertProblem(await owner.post({ id, envelope: { ...envelope, keyId: stranger.key.publicKey.id } }), 401);
  assert.equal((await owner.post({ id, envelope })).status, 202);
});

test('6.2: a breach of the log rules is 422 straight from the post, and nothing stays of it', async () => {
  const publisher = new Publisher(registry, 'test:rules');
  assertProblem(await publisher.post(await publisher.record([publisher.init, publisher.init])), 422);
  await publisher.start();
  const again = await publisher.record([releaseOf('1.0.0', wasmOf('again'))]);
  assertProblem(await publisher.post(again), 422);
  assertJson(await publisher.status(again.id), 404, { status: 404, type: 'record', id: again.id });
  await publisher.publish([releaseOf('1.0.1', wasmOf('again'))], [wasmOf('again')]);
});

test('6.2: a stale `prev` is 409 with the record to follow', async () => {
  const publisher = new Publisher(registry, 'test:stale');
  const first = await publisher.start();
  const content = wasmOf('stale');
  const second = await publisher.publish([releaseOf('1.1.0', content)], [content]);
  publisher.head = first.id;
  const late = await publisher.record([releaseOf('1.2.0', content)]);
  assertJson(await publisher.post(late), 409, { status: 409, type: 'record', id: second.id });
  publisher.head = null;
  const fresh = await publisher.record([publisher.init, releaseOf('1.2.0', content)]);
  assertJson(await publisher.post(fresh), 409, { status: 409, type: 'record', id: second.id });
});

test('6.2: a package that waits for content is 409 for another record, with the id of the one that waits', async () => {
  const publisher = new Publisher(registry, 'test:reserved');
  await publisher.start();
  const [mine, other] = [wasmOf('mine'), wasmOf('other')];
  const waiting = await publisher.record([releaseOf('2.0.0', mine)]);
  assertJson(await publisher.post(waiting), 202, sourcing(publisher, waiting.id, [digestOf(mine)]));
  const second = await publisher.record([releaseOf('3.0.0', other)]);
  assertJson(await publisher.post(second), 409, { status: 409, type: 'record', id: waiting.id });
  assertEmpty(await publisher.upload(waiting.id, mine), 201);
  assertJson(await publisher.post(second), 409, { status: 409, type: 'record', id: waiting.id });
  publisher.head = waiting.id;
  await publisher.publish([releaseOf('3.0.0', other)], [other]);
});

test('9.2: the same record posted a hundred times at once is published once, with one answer for all', async () => {
  const publisher = new Publisher(registry, 'test:flood');
  const length = await logLength(registry);
  const record = await publisher.record([publisher.init]);
  const answers = await Promise.all(Array.from({ length: 100 }, () => publisher.post(record)));
  const published = { recordId: record.id, state: 'published', registryIndex: length };
  for (const answer of answers) {
    // A machine that is slow enough answers before the commit: then it is told to ask again.
    const isWaiting = isDeepStrictEqual(bodyOf(answer), { recordId: record.id, state: 'processing' });
    assertJson(answer, 202, isWaiting ? bodyOf(answer) : published);
  }
  assertJson(await publisher.settled(record.id), 200, published);
  assert.equal(await logLength(registry), length + 1);
});

test('9.2: the same record that waits for content, posted a hundred times at once, gives one list to all', async () => {
  const publisher = new Publisher(registry, 'test:flood-sourcing');
  const content = wasmOf('flood');
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
  const answers = await Promise.all(Array.from({ length: 100 }, () => publisher.post(record)));
  for (const answer of answers) assertJson(answer, 202, sourcing(publisher, record.id, [digestOf(content)]));
  assertEmpty(await publisher.upload(record.id, content), 201);
});

test('9.2: two records for one place, posted at once: one is published, the other is told which', async () => {
  const publisher = new Publisher(registry, 'test:race');
  await publisher.start();
  const entries = ['a', 'b'].map(
    (name) => ({ type: 'grant', key: keyOf(name).publicKey, permissions: ['release'] }) as const,
  );
  const records = await Promise.all(entries.map((entry) => publisher.record([entry])));
  const answers = await Promise.all(records.map((record) => publisher.post(record)));
  const statuses = answers.map(({ status }) => status);
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [202, 409],
  );
  const winner = records[statuses.indexOf(202)] ?? assert.fail();
  const loser = answers[statuses.indexOf(409)] ?? assert.fail();
  assertJson(loser, 409, { status: 409, type: 'record', id: winner.id });
});

test('6: GET of a record that is not there names the log or the record', async () => {
  const publisher = new Publisher(registry, 'test:unknown');
  const record = await publisher.record([publisher.init]);
  assertJson(await publisher.status(record.id), 404, { status: 404, type: 'log', id: publisher.logId });
  await publisher.start();
  assertJson(await publisher.status(record.id), 404, { status: 404, type: 'record', id: record.id });
  const other = new Publisher(registry, 'test:unknown-other');
  const foreign = await other.start();
  assertJson(await publisher.status(foreign.id), 404, { status: 404, type: 'record', id: foreign.id });
});

test('6: a package name is at most 128 characters long', async () => {
  const fits = new Publisher(registry, `test:${'a'.repeat(123)}`);
  assert.equal((await fits.post(await fits.record([fits.init]))).status, 202);
  const long = new Publisher(registry, `test:${'a'.repeat(124)}`);
  assertProblem(await long.post(await long.record([long.init])), 400);
  assert.equal(long.logId, packageLogId(parsePackageName(long.name)));
});
