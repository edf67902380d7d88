import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Publisher, wasmOf } from '../publisher.ts';
import { digestOf } from '@waybill/protocol';
import { assertEmpty, assertJson, assertProblem, bodyOf, RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;
let package_: Publisher;

const ID = `sha256:${'ab'.repeat(32)}`;

before(async () => {
  registry = await RunningRegistry.start();
  package_ = new Publisher(registry, 'test:one');
  await package_.start();
});
after(() => registry.dispose());

const GET_ROUTES = [
  'v1/fetch/checkpoint',
  `v1/package/${ID}/record/${ID}`,
  `v1/content/${ID}`,
  'v1/ledger',
  'v1/ledger/records/0',
  `content/sha256-${'ab'.repeat(32)}`,
];
const POST_ROUTES = [
  'v1/fetch/logs',
  'v1/fetch/names',
  `v1/package/${ID}/record`,
  'v1/proof/consistency',
  'v1/proof/inclusion',
  'v1/proof/absence',
  'v1/verify/checkpoint',
  'api/v1/operator/records',
];
const UPLOAD_ROUTE = `v1/package/${ID}/record/${ID}/content/${ID}`;

test('6: a wrong method is 405 without a body', async () => {
  for (const route of GET_ROUTES) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      assertEmpty(await registry.send(method, route, { body: '{}' }), 405);
    }
  }
  for (const route of POST_ROUTES) {
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD'])
      assertEmpty(await registry.send(method, route), 405);
  }
  for (const method of ['GET', 'PATCH', 'DELETE']) assertEmpty(await registry.send(method, UPLOAD_ROUTE), 405);
});

test('6: an unknown path is 404: with a message below /v1, empty elsewhere', async () => {
  const below = [
    'v1/',
    'v1/x',
    'v1/fetch',
    'v1/fetch/logs/',
    'v1/package',
    `v1/package/${ID}`,
    'v1/ledger/',
    'v1/ledger/records',
    'v1/verify',
    'v1//fetch/logs',
  ];
  for (const path of below) {
    assertProblem(await registry.get(path), 404);
    assertProblem(await registry.post(path, { json: {} }), 404);
  }
  for (const path of ['', 'x', 'content', 'content/', 'V1/fetch/checkpoint', 'api/v1', 'api/v1/operator']) {
    assertEmpty(await registry.get(path), 404);
    assertEmpty(await registry.post(path, { json: {} }), 404);
  }
});

test('0.2: .well-known says where OCI clients go, and names no other place for the CLI', async () => {
  const answer = await registry.get('.well-known/wasm-pkg/registry.json');
  assert.equal(answer.status, 200);
  assert.deepEqual(bodyOf(answer), { preferredProtocol: 'oci', oci: { registry: new URL(registry.url).host } });
});

test('6: HEAD works on GET routes', async () => {
  const digest = digestOf(wasmOf(package_.name));
  for (const route of ['v1/fetch/checkpoint', 'v1/ledger', 'v1/ledger/records/0', `v1/content/${digest}`, 'healthz']) {
    const [get, head] = [await registry.get(route), await registry.send('HEAD', route)];
    assertEmpty(head, 200);
    assert.equal(head.headers.get('content-type'), get.headers.get('content-type'));
  }
  assertEmpty(await registry.send('HEAD', 'v1/nothing'), 404);
});

test('6.4: warg-registry asks for another registry: 501 as JSON on every route below /v1', async () => {
  const headers = { 'warg-registry': 'other.example' };
  for (const [method, route] of [
    ['GET', 'v1/fetch/checkpoint'],
    ['POST', 'v1/fetch/logs'],
    ['POST', UPLOAD_ROUTE],
    ['GET', 'v1/nothing'],
  ] as const) {
    const answer = await registry.send(method, route, { headers, ...(method === 'POST' ? { body: '{}' } : {}) });
    assertProblem(answer, 501);
  }
  assert.equal((await registry.get('healthz', { headers })).status, 200);
  const canary = await registry.get('v1/ledger', { headers: { 'warg-registry': 'x'.repeat(4000) } });
  assert.ok(JSON.stringify(bodyOf(canary)).length < 400);
});

test('6: any origin may read, and post JSON', async () => {
  const answer = await registry.get('v1/fetch/checkpoint', { headers: { origin: 'https://a.example' } });
  assert.equal(answer.headers.get('access-control-allow-origin'), '*');
  const preflight = await registry.send('OPTIONS', 'v1/fetch/logs', {
    headers: {
      origin: 'https://a.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type',
    },
  });
  assertEmpty(preflight, 204);
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET,POST');
  assert.equal(
    preflight.headers.get('access-control-allow-headers'),
    'content-type,accept,waybill-record-versions,waybill-absent-logs',
  );
});

test('6.4: an authorization header is ignored, whatever it holds', async () => {
  for (const authorization of ['Bearer x', 'authorization', 'Basic !!!']) {
    const answer = await registry.get('v1/ledger', { headers: { authorization } });
    assert.equal(answer.status, 200);
  }
});

test('6: ids in a path may have their colon escaped', async () => {
  const digest = digestOf(wasmOf(package_.name));
  const plain = await registry.get(`v1/content/${digest}`);
  assertJson(await registry.get(`v1/content/${digest.replace(':', '%3A')}`), 200, bodyOf(plain));
});
