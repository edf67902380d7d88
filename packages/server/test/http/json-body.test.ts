import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Publisher, publishBody } from '../publisher.ts';
import { assertJson, assertProblem, bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;
let package_: Publisher;
let goodRecord: Record<string, unknown>;

before(async () => {
  registry = await RunningRegistry.start();
  package_ = new Publisher(registry, 'test:one');
  const { envelope } = await package_.start();
  goodRecord = publishBody(package_.name, envelope);
});
after(() => registry.dispose());

function postText(target: string, body: string): Promise<Answer> {
  return registry.post(target, { body, headers: { 'content-type': 'application/json' } });
}

function jsonRoutes(): [string, Record<string, unknown>][] {
  return [
    ['v1/fetch/logs', { logLength: 2 }],
    ['v1/fetch/names', { packages: [] }],
    [package_.recordPath, goodRecord],
    ['v1/proof/consistency', { from: 1, to: 2 }],
    ['v1/proof/inclusion', { logLength: 2, leafs: [0] }],
    ['v1/proof/absence', { logLength: 2, logs: [`sha256:${'00'.repeat(32)}`] }],
  ];
}

test('6: every JSON route reads its good body, with parameters in the content type', async () => {
  for (const [route, json] of jsonRoutes()) {
    for (const type of ['application/json', 'application/json; charset=utf-8', 'Application/JSON ;x=1']) {
      const answer = await registry.post(route, { json, headers: { 'content-type': type } });
      assert.ok(answer.status === 200 || answer.status === 202, route);
    }
  }
});

test('6: without its content type a JSON route answers 415', async () => {
  for (const [route, json] of jsonRoutes()) {
    const body = JSON.stringify(json);
    assertProblem(await registry.post(route, { body }), 415);
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', 'application/json+x']) {
      assertProblem(await registry.post(route, { body, headers: { 'content-type': type } }), 415);
    }
    assertProblem(await registry.post(route), 415);
  }
});

test('6: a body over 2 MiB is refused with 413, one of exactly 2 MiB is read', async () => {
  const limit = 2 * 1024 * 1024;
  for (const [route, json] of jsonRoutes()) {
    const body = JSON.stringify(json);
    const fits = await postText(route, body.padEnd(limit, ' '));
    assert.ok(fits.status === 200 || fits.status === 202, route);
    const refused = await postText(route, body.padEnd(limit + 1, ' '));
    assertProblem(refused, 413);
    // The rest of the body is not read.
    assert.equal(refused.headers.get('connection'), 'close');
  }
});

test('6: what is no JSON is 400 (threats W8)', async () => {
  const malformed = ['', ' ', '{', '{"from":1,"to":2,}', "{'from':1}", '[1,]', 'NaN', '{"from":01,"to":2}', '\ufeff{}'];
  for (const [route] of jsonRoutes()) {
    for (const body of malformed) assertProblem(await postText(route, body), 400);
  }
});

test('6: JSON of another shape is 422', async () => {
  for (const [route, json] of jsonRoutes()) {
    for (const body of ['null', '[]', '"x"', '1', '{}', 'true']) assertProblem(await postText(route, body), 422);
    for (const member of Object.keys(json)) {
      const wrong = { ...json, [member]: { deep: [true] } };
      assertProblem(await registry.post(route, { json: wrong }), 422);
    }
  }
});

test('6: numbers that Rust has no integer for are refused', async () => {
  for (const from of ['1.5', '-1', '1e400', '"1"', 'true', '[]', '9007199254740993', '18446744073709551616']) {
    const { status } = await postText('v1/proof/consistency', `{"from":${from},"to":2}`);
    assert.ok(status === 400 || status === 422, from);
  }
});

test('6: unknown members are refused in fetch/logs, ignored elsewhere', async () => {
  for (const [route, json] of jsonRoutes()) {
    const answer = await registry.post(route, { json: { ...json, extra: 1 } });
    if (route === 'v1/fetch/logs') assertProblem(answer, 422);
    else assert.ok(answer.status < 300, route);
  }
});

test('W8: a duplicate key is malformed, at any depth and however it is written', async () => {
  const { record } = goodRecord;
  const recordText = JSON.stringify(record);
  const bodies = [
    `{"packageName":"test:one","packageName":"test:one","record":${recordText}}`,
    `{"packageName":"test:one","packageNam\\u0065":"test:one","record":${recordText}}`,
    `{"packageName":"test:one","record":${recordText.replace('{', '{"keyId":"x",')}}`,
  ];
  for (const body of bodies) assertProblem(await postText(package_.recordPath, body), 400);
  const good = `{"packageName":"test:one","record":${recordText}}`;
  assert.equal((await postText(package_.recordPath, good)).status, 202);
  assertProblem(await postText('v1/fetch/logs', '{"logLength":2,"logLength":2}'), 400);
});

test('W8: nesting is bounded before anything is built', async () => {
  for (const depth of [33, 1_000, 300_000]) {
    const arrays = '['.repeat(depth - 1) + ']'.repeat(depth - 1);
    assertProblem(await postText('v1/fetch/names', `{"packages":[],"x":${arrays}}`), 400);
    assertProblem(await postText('v1/fetch/logs', `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`), 400);
  }
  const within = '['.repeat(31) + ']'.repeat(31);
  assertJson(await postText('v1/fetch/names', `{"packages":[],"x":${within}}`), 200, { packages: {} });
});

test('W7: keys that reach a prototype elsewhere change nothing here, at any depth', async () => {
  const recordText = JSON.stringify(goodRecord['record']);
  for (const key of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    // `__proto__` is no key of any Warg message and is refused as such; the others are unknown members.
    const [refused, ignored] = key === '__proto__' ? [400, 400] : [422, 200];
    assertProblem(await postText('v1/fetch/logs', `{"logLength":2,"${key}":{"limit":1}}`), refused);
    assertProblem(await postText('v1/fetch/logs', `{"${key}":{"logLength":2}}`), refused);
    assertProblem(await postText('v1/fetch/logs', `{"logLength":2,"packages":{"${key}":null}}`), refused);
    assertProblem(await postText('v1/fetch/names', `{"${key}":{"packages":[]}}`), refused);
    const inRecord = `{"packageName":"test:one","record":{"${key}":${recordText}}}`;
    assertProblem(await postText(package_.recordPath, inRecord), refused);
    const deep = await postText('v1/fetch/names', `{"packages":[],"x":[{"${key}":{"packages":["x"]}}]}`);
    assert.equal(deep.status, ignored);
  }
  assert.equal(Reflect.get({}, 'limit'), undefined);
  assert.equal(Reflect.get({}, 'packages'), undefined);
});

test('6: an unparsable id in a path is 400', async () => {
  const good = `sha256:${'ab'.repeat(32)}`;
  const bad = [
    'x',
    'sha256:',
    'sha256:00',
    good.toUpperCase(),
    `SHA256:${'ab'.repeat(32)}`,
    `${good}0`,
    `md5:${'ab'.repeat(32)}`,
  ];
  for (const id of bad) {
    assertProblem(await registry.post(`v1/package/${id}/record`, { json: goodRecord }), 400);
    assertProblem(await registry.get(`v1/package/${id}/record/${good}`), 400);
    assertProblem(await registry.get(`v1/package/${good}/record/${id}`), 400);
    assertProblem(await registry.post(`v1/package/${good}/record/${good}/content/${id}`, { body: 'x' }), 400);
    assertProblem(await registry.get(`v1/content/${id}`), 400);
  }
  const escaped = await registry.get(`v1/package/${package_.logId.replace(':', '%3A')}/record/${good}`);
  assertJson(escaped, 404, { status: 404, type: 'record', id: good });
});

test('6: an error says nothing of the inside of the server', async () => {
  const answer = await postText('v1/fetch/logs', '{');
  assert.deepEqual(Object.keys(Object(bodyOf(answer))).toSorted(), ['message', 'status']);
});
