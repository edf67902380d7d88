import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { REPOSITORY_LENGTH_MAX } from '@waybill/protocol/oci';
import { isRegistryError, RegistryError, type ErrorCode } from '@waybill/protocol';
import { STATUS } from '../../src/http/problem.ts';
import { ociProblem, wireOf } from '../../src/http/oci/oci-problem.ts';
import { digestOf, disposeCore } from '../core/oci/oci-world.ts';
import { assertOciError, jsonOf, OciServer } from './oci-server.ts';

interface Told {
  readonly route: string;
  readonly status: number;
}

let server: OciServer;
const told: Told[] = [];
const refused: string[] = [];
let failure: unknown = null;

before(async () => {
  server = await OciServer.start({
    observer: {
      requestAnswered: ({ route, status }) => told.push({ route, status }),
      refused: (code) => refused.push(code),
    },
    change: (registry) => {
      const catalog = registry.catalog.bind(registry);
      registry.catalog = (...asked) => (failure === null ? catalog(...asked) : Promise.reject(failure));
      return registry;
    },
  });
});
after(async () => {
  await server.stop();
  await disposeCore();
});

/** Names of repositories that have the API's own words in them: the last one in the path counts. */
const NAMES = [
  'plain/blobs',
  'plain/blobs/uploads',
  'plain/manifests',
  'plain/manifests/latest',
  'plain/tags/list',
  'plain/tags',
  'plain/referrers/x',
  'plain/v2/a',
  'plain/a__b/c--d/e.f_g',
  `plain/${'a'.repeat(REPOSITORY_LENGTH_MAX - 'plain/'.length)}`,
];

test('what stands last in the path decides, whatever the repository is called', async () => {
  for (const name of NAMES) {
    const { digest } = await server.pushImage(name, 'latest', { layers: [name] });
    assert.equal((await server.get(`/v2/${name}/blobs/${digestOf(name)}`)).body.toString(), name);
    assert.equal((await server.get(`/v2/${name}/manifests/${digest}`)).status, 200);
    assert.deepEqual(jsonOf(await server.get(`/v2/${name}/tags/list`)), { name, tags: ['latest'] });
    assert.equal((await server.get(`/v2/${name}/referrers/${digest}`)).status, 200);
    const session = await server.startUpload(name);
    assert.equal((await server.get(session)).status, 204);
    assert.equal((await server.send('DELETE', session)).status, 204);
  }
});

const BAD_NAMES = [
  'UPPER/a',
  'plain/',
  'plain//a',
  'plain/-a',
  'plain/a-',
  'plain/a..b',
  'plain/a___b',
  'plain/.',
  'plain/..',
  'plain%2Fa',
  'plain/%61',
  'plain/a b'.replace(' ', '%20'),
  `plain/${'a'.repeat(REPOSITORY_LENGTH_MAX)}`,
];

test('a name that is none is refused, wherever it stands', async () => {
  for (const name of BAD_NAMES) {
    const digest = digestOf('x');
    for (const [method, below] of [
      ['GET', `/blobs/${digest}`],
      ['GET', '/manifests/latest'],
      ['PUT', '/manifests/latest'],
      ['GET', '/tags/list'],
      ['GET', `/referrers/${digest}`],
      ['POST', '/blobs/uploads/'],
      ['PATCH', '/blobs/uploads/00000000-0000-4000-8000-000000000000'],
      ['DELETE', `/blobs/${digest}`],
    ] as const) {
      assertOciError(await server.send(method, `/v2/${name}${below}`), 400, 'NAME_INVALID');
    }
  }
});

test('tags and digests at their limits', async () => {
  const long = 'a'.repeat(128);
  await server.pushImage('plain/tags', long);
  assert.equal((await server.get(`/v2/plain/tags/manifests/${long}`)).status, 200);
  for (const bad of [`${long}a`, '.a', '-a', 'a+b', 'a%20b', 'a%2Fb', '%C3%BC']) {
    assertOciError(await server.get(`/v2/plain/tags/manifests/${bad}`), 400, 'MANIFEST_INVALID');
  }
  for (const bad of [
    'sha256:',
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `md5:${'a'.repeat(32)}`,
    'x:y',
  ]) {
    assertOciError(await server.get(`/v2/plain/tags/manifests/${bad}`), 400, 'DIGEST_INVALID');
    assertOciError(await server.get(`/v2/plain/tags/blobs/${bad}`), 400, 'DIGEST_INVALID');
  }
  assertOciError(await server.get('/v2/plain/tags/manifests/%zz'), 400, 'UNSUPPORTED');
});

test('a path that is none is not there; another method is told which there are', async () => {
  for (const target of ['/v2/x', '/v2/plain/a', '/v2/plain/a/blobs/', '/v2/plain/a/tags/', '/v2/blobs/x', '/v2//']) {
    const answer = await server.get(target);
    assert.equal(answer.status, 404, target);
    assertOciError(answer, 404, 'UNSUPPORTED');
  }
  for (const [method, target, allow] of [
    ['POST', '/v2/', 'GET, HEAD'],
    ['PUT', `/v2/plain/a/blobs/${digestOf('x')}`, 'GET, HEAD, DELETE'],
    ['PATCH', '/v2/plain/a/manifests/x', 'GET, HEAD, PUT, DELETE'],
    ['GET', '/v2/plain/a/blobs/uploads/', 'POST'],
    ['DELETE', '/v2/plain/a/tags/list', 'GET, HEAD'],
    ['PROPFIND', '/v2/_catalog', 'GET, HEAD'],
    ['POST', '/.well-known/wasm-pkg/registry.json', 'GET, HEAD'],
  ] as const) {
    const answer = await server.send(method, target);
    assertOciError(answer, 405, 'UNSUPPORTED');
    assert.equal(answer.headers.allow, allow);
  }
  // What is not of this view is answered by the rest of the server.
  assert.equal((await server.get('/healthz')).body.toString(), 'ok\n');
  assert.equal((await server.get('/v22/')).body.length, 0);
});

test('where wkg looks for the registry: its host, and nothing at which it gives up', async () => {
  const answer = await server.get('/.well-known/wasm-pkg/registry.json');
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.deepEqual(jsonOf(answer), { preferredProtocol: 'oci', oci: { registry: server.url.host } });
  const proxied = await OciServer.start({ publicUrl: 'https://registry.example/below/' });
  const { oci } = jsonOf(await proxied.get('/.well-known/wasm-pkg/registry.json'));
  assert.deepEqual(oci, { registry: 'registry.example' });
  await proxied.stop();
  for (const publicUrl of ['http://0.0.0.0:8090/', 'http://[::]:8090/']) {
    const everywhere = await OciServer.start({ publicUrl });
    assertOciError(await everywhere.get('/.well-known/wasm-pkg/registry.json'), 404, 'UNSUPPORTED');
    await everywhere.stop();
  }
});

test('W12: requests are counted by templates, and refusals by codes, never by names', async () => {
  told.length = 0;
  refused.length = 0;
  const secret = 'plain/secret';
  const { digest } = await server.pushImage(secret, 'secret');
  const session = await server.startUpload(secret);
  for (const target of [
    session,
    `/v2/${secret}/blobs/${digest}`,
    `/v2/${secret}/manifests/secret`,
    `/v2/${secret}/tags/list?last=secret`,
    `/v2/${secret}/referrers/${digest}`,
    '/v2/_catalog',
    '/v2/',
    '/v2/secret',
    '/oci/token?scope=secret',
    `/v2/${secret}/_oci/ext/discover`,
    '/.well-known/wasm-pkg/registry.json',
  ]) {
    await server.get(target);
  }
  const routes = new Set(told.map(({ route }) => route));
  assert.deepEqual(
    [...routes].toSorted(),
    [
      '/.well-known/wasm-pkg/registry.json',
      '/oci/token',
      '/v2/',
      '/v2/:name/_oci/ext/discover',
      '/v2/:name/blobs/:digest',
      '/v2/:name/blobs/uploads/',
      '/v2/:name/blobs/uploads/:id',
      '/v2/:name/manifests/:reference',
      '/v2/:name/referrers/:digest',
      '/v2/:name/tags/list',
      '/v2/_catalog',
      'other',
    ].toSorted(),
  );
  assert.deepEqual(new Set(refused), new Set(['oci/blob-unknown', 'token/required']));
});

test('what goes wrong inside is not told', async () => {
  for (const [thrown, status, code, retry] of [
    [new Error('secret'), 500, 'UNSUPPORTED', undefined],
    [new RegistryError('storage/damaged', 'secret'), 500, 'UNSUPPORTED', undefined],
    [new RegistryError('storage/busy', 'secret'), 503, 'TOOMANYREQUESTS', '1'],
    [new RegistryError('request/too-many', 'come back'), 429, 'TOOMANYREQUESTS', '1'],
  ] as const) {
    failure = thrown;
    const answer = await server.get('/v2/_catalog');
    assertOciError(answer, status, code);
    assert.equal(answer.headers['retry-after'], retry);
    assert.ok(!answer.body.toString().includes('secret'));
    assert.ok(isRegistryError(thrown) || status === 500);
  }
  failure = null;
});

const CLOSED_LIST = new Set(
  (
    'BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID ' +
    'MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS'
  ).split(' '),
);

test('every code of the registry has one of the closed list, and 401 is for credentials alone', () => {
  for (const code of Object.keys(STATUS) as ErrorCode[]) {
    const wire = wireOf(code);
    assert.ok(CLOSED_LIST.has(wire.code), code);
    assert.ok(wire.status >= 400 && wire.status < 600);
    assert.equal(wire.status === 401, wire.code === 'UNAUTHORIZED', code);
    const { errors } = JSON.parse(
      Buffer.from(ociProblem(new RegistryError(code, 'why')).body as Uint8Array).toString(),
    );
    assert.equal(errors.length, 1);
  }
  assert.deepEqual(wireOf('content/taken-down'), { status: 451, code: 'DENIED' });
  assert.deepEqual(wireOf('record/signature'), { status: 403, code: 'DENIED' });
});
