import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  digestOf,
  isRegistryError,
  packageLogId,
  parsePackageName,
  utf8,
  wargApi,
  type Digest,
} from '@waybill/protocol';
import { OCI_MEDIA_TYPE } from '@waybill/protocol/oci';
import { createToken, revokeToken } from '../../src/access-tokens.ts';
import { joseKeyOf } from '../joint-record.ts';
import { Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';

/* A real server with a private namespace, by every way in: spec/http.md 7, spec/oci.md 11.9, SECURITY.md O4. */

type Headers = Readonly<Record<string, string>>;

let registry: RunningRegistry;
let publisher: Headers;
let reader: Headers;
let elsewhere: Headers;
let revoked: Headers;

const SECRET = wasmOf('secret');
const SHARED = wasmOf('shared');
const LAYER = wasmOf('layer');
const CONFIG = utf8('{}');
const WARG = parsePackageName('private:warg');
const NOWHERE = parsePackageName('private:nowhere');
const bearer = (text: string): Headers => ({ authorization: `Bearer ${text}` });
const basic = (text: string): Headers => ({ authorization: `Basic ${Buffer.from(`ci:${text}`).toString('base64')}` });

async function tokenFor(
  actions: readonly string[],
  namespaces: readonly string[],
): Promise<{ text: string; id: string }> {
  const terms = { account: 'ci', actions, namespaces, lifetimeSeconds: 600 };
  const { text, listed } = await createToken({ data: registry.data(), ...terms });
  return { text, id: listed.id };
}

before(async () => {
  registry = await RunningRegistry.start({
    tokens: 'optional',
    namespaces: ['test', 'private', 'other'],
    privateNamespaces: ['private', 'other'],
    ociPrefixes: ['plain'],
    gateway: true,
  });
  publisher = bearer((await tokenFor(['publish'], ['private'])).text);
  reader = bearer((await tokenFor(['read'], ['private'])).text);
  elsewhere = bearer((await tokenFor(['publish', 'read'], ['test', 'other'])).text);
  const gone = await tokenFor(['read', 'publish'], ['*']);
  revoked = bearer(gone.text);
  await revokeToken(registry.data(), gone.id);
  await publishAs('private:warg', [SECRET, SHARED], publisher);
  await publishAs('test:open', [SHARED], {});
  await pushImage('private/oci', '1.0.0', LAYER, publisher);
  await pushImage('test/oci', '1.0.0', wasmOf('public'), elsewhere);
});
after(() => registry.dispose());

/** Starts a package with a release of each of the contents, all of which are wanted. */
async function publishAs(name: string, contents: readonly Uint8Array[], headers: Headers): Promise<Publisher> {
  const author = new Publisher(registry, name);
  const releases = contents.map((content, index) => releaseOf(`1.0.${index}`, content));
  const record = await author.record([author.init, ...releases]);
  const posted = await author.post(record, headers);
  assert.equal(posted.status, 202, said(posted));
  for (const content of contents) assert.equal((await author.upload(record.id, content)).status, 201);
  const path = `${author.recordPath}/${record.id}`;
  const { state } = wargApi.decodeRecordStatus((await registry.get(path, { headers })).bytes);
  assert.equal(state, 'published');
  author.head = record.id;
  return author;
}

async function pushBlob(repository: string, bytes: Uint8Array, headers: Headers): Promise<Answer> {
  const target = `v2/${repository}/blobs/uploads/?digest=${digestOf(bytes)}`;
  return registry.post(target, { body: bytes, headers: { 'content-type': 'application/octet-stream', ...headers } });
}

async function pushImage(repository: string, tag: string, layer: Uint8Array, headers: Headers): Promise<void> {
  for (const blob of [CONFIG, layer]) assert.equal((await pushBlob(repository, blob, headers)).status, 201);
  const body = JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MEDIA_TYPE.manifest,
    config: { mediaType: OCI_MEDIA_TYPE.empty, digest: digestOf(CONFIG), size: CONFIG.length },
    layers: [{ mediaType: OCI_MEDIA_TYPE.wasm, digest: digestOf(layer), size: layer.length }],
  });
  const target = `v2/${repository}/manifests/${tag}`;
  const type = { 'content-type': OCI_MEDIA_TYPE.manifest };
  const answer = await registry.send('PUT', target, { body, headers: { ...type, ...headers } });
  assert.equal(answer.status, 201, said(answer));
}

function said({ bytes }: Answer): string {
  return new TextDecoder().decode(bytes);
}

/** All that an answer tells, with whatever the question names taken out. */
function told(answer: Answer, ...named: readonly string[]): unknown {
  const headers = Object.fromEntries(answer.headers);
  delete headers['date'];
  const all = JSON.stringify({ status: answer.status, headers, body: said(answer) });
  return named.reduce((left, name) => left.replaceAll(name, '…'), all);
}

function logsOf(name: string, headers: Headers, more: Headers = {}): Promise<Answer> {
  return headLength().then((logLength) =>
    registry.post('v1/fetch/logs', {
      json: { logLength, packages: { [packageLogId(parsePackageName(name))]: null } },
      headers: { ...headers, ...more },
    }),
  );
}

async function headLength(): Promise<number> {
  return wargApi.decodeSignedCheckpoint((await registry.get('v1/fetch/checkpoint')).bytes).contents.logLength;
}

/** Reads of a repository, each a path below `v2/<repository>/`. */
function ociReads(layer: Digest): readonly string[] {
  return [
    'manifests/1.0.0',
    'manifests/latest',
    `manifests/${layer}`,
    `blobs/${layer}`,
    'tags/list',
    'tags/list?n=1',
    `referrers/${layer}`,
  ];
}

test('O4: who may not read in a private namespace is answered the same for what is there and what is not', async () => {
  for (const [who, headers, status] of [
    ['nobody', {}, 401],
    ['an account of another namespace', elsewhere, 403],
    ['a token that was revoked', revoked, 401],
  ] as const) {
    for (const read of ociReads(digestOf(LAYER))) {
      for (const method of ['GET', 'HEAD']) {
        const answers = [];
        for (const repository of ['private/oci', 'private/non']) {
          const answer = await registry.send(method, `v2/${repository}/${read}`, { headers });
          assert.equal(answer.status, status, `${who}: ${method} ${read}`);
          answers.push(told(answer, repository));
        }
        assert.equal(answers[0], answers[1], `${who}: ${method} ${read}`);
      }
    }
  }
  const asked = await registry.get('v2/private/oci/manifests/1.0.0');
  assert.match(asked.headers.get('www-authenticate') ?? '', /^Bearer .*scope="repository:private\/oci:pull"$/);
});

test('O4: who may read there, reads, by every scheme, and nobody keeps it for others', async () => {
  const { text: token } = await tokenFor(['read'], ['private']);
  for (const headers of [reader, publisher, bearer(token), basic(token)]) {
    const manifest = await registry.get('v2/private/oci/manifests/1.0.0', { headers });
    const list = await registry.get('v2/private/oci/tags/list', { headers });
    const blob = await registry.get(`v2/private/oci/blobs/${digestOf(LAYER)}`, { headers });
    const digest = manifest.headers.get('docker-content-digest') ?? '';
    const referrers = await registry.get(`v2/private/oci/referrers/${digest}`, { headers });
    const byDigest = await registry.get(`v2/private/oci/manifests/${digest}`, { headers });
    for (const answer of [manifest, list, blob, referrers, byDigest]) {
      assert.equal(answer.status, 200, said(answer));
      assert.equal(answer.headers.get('cache-control'), 'private, no-store');
      assert.match(answer.headers.get('vary') ?? '', /authorization/i);
    }
    assert.deepEqual(blob.bytes, LAYER);
    assert.match(said(referrers), /log-proof/);
  }
  // What is public is kept as ever.
  const open = await registry.get('v2/test/oci/manifests/1.0.0');
  const digest = open.headers.get('docker-content-digest') ?? '';
  const kept = await registry.get(`v2/test/oci/manifests/${digest}`);
  assert.equal(kept.headers.get('cache-control'), 'public, max-age=31536000, immutable');
});

async function issued(scope: string, headers: Headers): Promise<Headers> {
  const answer = await registry.get(`oci/token?service=x&scope=${encodeURIComponent(scope)}`, { headers });
  const body = bodyOf(answer);
  assert.ok(typeof body === 'object' && body !== null && 'token' in body);
  return bearer(String(body.token));
}

test('O4: a token that was issued here reads where it was issued for, for an account that may', async () => {
  const { text: token, id } = await tokenFor(['read'], ['private']);
  const target = 'v2/private/oci/manifests/1.0.0';
  const own = await issued('repository:private/oci:pull', basic(token));
  assert.equal((await registry.get(target, { headers: own })).status, 200);
  for (const [what, headers, status] of [
    ['anonymous', await issued('repository:private/oci:pull', {}), 401],
    ['for another repository', await issued('repository:private/warg:pull', basic(token)), 401],
    ['for nothing', await issued('', basic(token)), 401],
    ['of another account', await issued('repository:private/oci:pull', elsewhereBasic()), 403],
  ] as const) {
    const [there, nowhere] = [
      await registry.get(target, { headers }),
      await registry.get('v2/private/non/manifests/1.0.0', { headers }),
    ];
    assert.equal(there.status, status, what);
    assert.equal(told(there, 'private/oci'), told(nowhere, 'private/non'), what);
  }
  const pushing = await issued('repository:private/oci:push', publisher);
  assert.equal((await registry.get(target, { headers: pushing })).status, 200);
  await revokeToken(registry.data(), id);
  assert.equal((await registry.get(target, { headers: own })).status, 401);
});

function elsewhereBasic(): Headers {
  return basic((elsewhere['authorization'] ?? '').slice('Bearer '.length));
}

async function catalog(headers: Headers, query = ''): Promise<{ names: unknown; link: string | null }> {
  const answer = await registry.get(`v2/_catalog${query}`, { headers });
  return { names: Object(bodyOf(answer)).repositories, link: answer.headers.get('link') };
}

test('O4: the catalog has what the caller may read, and its pages tell of nothing else', async () => {
  const open = ['test/oci', 'test/open'];
  assert.deepEqual(await catalog({}), { names: open, link: null });
  assert.deepEqual(await catalog(elsewhere), { names: open, link: null });
  assert.deepEqual((await catalog(reader)).names, ['private/oci', 'private/warg', ...open]);
  assert.deepEqual(await catalog({}, '?last=private/a'), { names: open, link: null });
  assert.deepEqual(await catalog({}, '?n=2'), { names: open, link: null });
  assert.deepEqual((await catalog({}, '?n=1')).names, ['test/oci']);
  assert.match((await catalog(reader, '?n=1')).link ?? '', /last=private%2Foci/);
});

test('O4: nothing is mounted from where the caller may not read, and the answer does not tell', async () => {
  const mount = (digest: Digest, from: string): Promise<Answer> =>
    registry.post(`v2/plain/mine/blobs/uploads/?mount=${digest}${from}`);
  for (const from of ['', '&from=private/oci', '&from=private/non']) {
    assert.equal((await mount(digestOf(LAYER), from)).status, 202, from);
  }
  assert.equal((await registry.get(`v2/plain/mine/blobs/${digestOf(LAYER)}`)).status, 404);
  const { text: token } = await tokenFor(['publish'], ['private', 'plain']);
  const target = `v2/plain/mine/blobs/uploads/?mount=${digestOf(LAYER)}&from=private/oci`;
  assert.equal((await registry.post(target, { headers: bearer(token) })).status, 201);
});

test('O4: nobody publishes in a private namespace whom nobody knows: the answers tell what is there', async () => {
  for (const repository of ['private/oci', 'private/non']) {
    assert.equal((await pushBlob(repository, CONFIG, {})).status, 401);
    assert.equal((await pushBlob(repository, CONFIG, reader)).status, 403);
  }
  for (const name of ['private:warg', 'private:nowhere']) {
    const author = new Publisher(registry, name);
    const record = await author.record([author.init]);
    assert.equal((await author.post(record)).status, 401);
    assert.equal((await author.post(record, reader)).status, 403);
  }
  const claims = [];
  for (const packageName of ['private:oci', 'private:non']) {
    const logId = packageLogId(parsePackageName(packageName));
    const json = { packageName, publicKey: joseKeyOf('owner').publicKey.text };
    const answer = await registry.post(`api/v1/package/${logId}/claim`, { json });
    assert.equal(answer.status, 401);
    claims.push(told(answer));
  }
  assert.equal(claims[0], claims[1]);
});

test('http.md 7.2: logs, names and records are there for who may read them, and for nobody else', async () => {
  const { logId } = new Publisher(registry, WARG);
  const nowhere = packageLogId(NOWHERE);
  for (const headers of [{}, elsewhere]) {
    const omit = { 'waybill-absent-logs': 'omit' };
    for (const more of [{}, omit]) {
      const [there, absent] = [await logsOf(WARG, headers, more), await logsOf(NOWHERE, headers, more)];
      assert.equal(there.status, more === omit ? 200 : 404);
      assert.equal(told(there, logId), told(absent, nowhere));
    }
    const namesOf = (id: string): Promise<Answer> =>
      registry.post('v1/fetch/names', { json: { packages: [id] }, headers });
    assert.equal((await namesOf(logId)).status, 404);
    assert.equal(told(await namesOf(logId), logId), told(await namesOf(nowhere), nowhere));
  }
  assert.equal((await logsOf(WARG, revoked)).status, 401);
  assert.equal(told(await logsOf(WARG, revoked)), told(await logsOf(NOWHERE, revoked)));
  const found = wargApi.decodeFetchLogsResponse((await logsOf(WARG, reader)).bytes);
  const [record] = found.packages.get(logId) ?? [];
  assert.ok(record !== undefined);
  const names = await registry.post('v1/fetch/names', { json: { packages: [logId] }, headers: reader });
  assert.deepEqual(bodyOf(names), { packages: { [logId]: WARG } });
  const status = (id: string, headers: Headers): Promise<Answer> =>
    registry.get(`v1/package/${id}/record/${record.fetchToken}`, { headers });
  assert.equal((await status(logId, reader)).status, 200);
  for (const headers of [{}, elsewhere]) {
    assert.equal(told(await status(logId, headers), logId), told(await status(nowhere, headers), nowhere));
  }
  // A page goes on only for whom it began.
  const json = { logLength: await headLength(), packages: { [logId]: record.fetchToken } };
  assert.equal((await registry.post('v1/fetch/logs', { json })).status, 404);
});

test('http.md 7.8: that a log is there is no secret: who asks for a proof that it is not is told what would help', async () => {
  const logLength = await headLength();
  for (const [headers, status] of [
    [{}, 401],
    [elsewhere, 403],
    [revoked, 401],
    [reader, 422],
  ] as const) {
    const json = { logLength, logs: [packageLogId(WARG)] };
    const answer = await registry.post('v1/proof/absence', { json, headers });
    assert.equal(answer.status, status, said(answer));
    assert.doesNotMatch(said(answer), /private:warg|in private/);
  }
  const open = { logLength, logs: [packageLogId(parsePackageName('test:open'))] };
  assert.equal((await registry.post('v1/proof/absence', { json: open })).status, 422);
  const nowhere = { logLength, logs: [packageLogId(NOWHERE)] };
  assert.equal((await registry.post('v1/proof/absence', { json: nowhere })).status, 200);
});

function contentReads(digest: Digest): readonly string[] {
  return [
    `v1/content/${digest}`,
    `content/${digest.replace(':', '-')}`,
    `api/v1/content/${digest}/parts`,
    `api/v1/content/${digest}/releases`,
  ];
}

test('http.md 7.3: content that only private packages name is found by who may read there', async () => {
  const unknown = digestOf(utf8('nothing'));
  for (const content of [SECRET, LAYER]) {
    const digest = digestOf(content);
    for (const [index, read] of contentReads(digest).entries()) {
      const absent = contentReads(unknown)[index] ?? assert.fail();
      for (const headers of [{}, elsewhere, revoked]) {
        const [there, nothing] = [await registry.get(read, { headers }), await registry.get(absent, { headers })];
        assert.notEqual(told(there), '');
        assert.equal(
          told(there, digest, digest.replace(':', '-')),
          told(nothing, unknown, unknown.replace(':', '-')),
          read,
        );
      }
      const shown = await registry.get(read, { headers: reader });
      assert.equal(shown.status, 200, `${read}: ${said(shown)}`);
      assert.match(shown.headers.get('cache-control') ?? '', /no-store/);
    }
    assert.deepEqual((await registry.get(contentReads(digest)[1] ?? '', { headers: reader })).bytes, content);
  }
});

test('http.md 7.3: content that a public package names, too, is for all, and the look-up names that package alone', async () => {
  const digest = digestOf(SHARED);
  const whole = await registry.get(`content/${digest.replace(':', '-')}`);
  assert.equal(whole.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  assert.deepEqual(whole.bytes, SHARED);
  const packagesFor = async (headers: Headers, query = ''): Promise<unknown[]> => {
    const body = Object(bodyOf(await registry.get(`api/v1/content/${digest}/releases${query}`, { headers })));
    return [body.releases.map((release: Record<string, unknown>) => release['package']), body.next];
  };
  assert.deepEqual(await packagesFor({}), [['test:open'], null]);
  assert.deepEqual(await packagesFor({}, '?limit=1'), [['test:open'], null]);
  assert.deepEqual(await packagesFor(reader), [['private:warg', 'test:open'], null]);
  const [first, next] = await packagesFor(reader, '?limit=1');
  assert.deepEqual(first, ['private:warg']);
  assert.deepEqual(await packagesFor(reader, `?limit=1&after=${String(next)}`), [['test:open'], null]);
});

test('O4: to name a digest shows nobody that one has its bytes: private content is to be uploaded again', async () => {
  const thief = new Publisher(registry, 'test:thief');
  const record = await thief.record([thief.init, releaseOf('1.0.0', SECRET)]);
  const status = wargApi.decodeRecordStatus((await thief.post(record)).bytes);
  assert.ok(status.state === 'sourcing');
  assert.deepEqual([...status.missingContent.keys()], [digestOf(SECRET)]);
  assert.equal((await registry.get(`content/${digestOf(SECRET).replace(':', '-')}`)).status, 404);
  await registry.restart();
  const again = wargApi.decodeRecordStatus((await thief.post(record)).bytes);
  assert.equal(again.state, 'sourcing');
  // Within its namespace it is there, and what is public is there for all.
  const inside = new Publisher(registry, 'private:inside');
  const [kept, open] = [releaseOf('1.0.0', SECRET), releaseOf('1.1.0', SHARED)];
  const own = await inside.record([inside.init, kept, open]);
  assert.equal(wargApi.decodeRecordStatus((await inside.post(own, publisher)).bytes).state, 'published');
});

test('http.md 7.6: parts, logs and states that a token has shown are kept by nobody', async () => {
  const parts = `api/v1/content/${digestOf(SECRET)}/parts`;
  const json = { runs: [[0, 1]] };
  assert.equal((await registry.post(parts, { json })).status, 404);
  const answers = [await registry.post(parts, { json, headers: reader }), await logsOf(WARG, reader)];
  for (const answer of answers) {
    assert.equal(answer.status, 200, said(answer));
    assert.equal(answer.headers.get('cache-control'), 'private, no-store');
  }
  const absent = await registry.get(`content/${digestOf(SECRET).replace(':', '-')}`);
  assert.equal(absent.headers.get('cache-control'), 'no-store');
});

test('a server does not start with a private namespace that its log does not define', async () => {
  for (const privateNamespaces of [['nowhere'], ['test', 'nowhere']]) {
    await assert.rejects(RunningRegistry.start({ tokens: 'optional', privateNamespaces }), (thrown) =>
      isRegistryError(thrown, 'usage/invalid'),
    );
  }
});

test('what is public is read as ever, with a token and without', async () => {
  for (const headers of [{}, elsewhere, reader]) {
    assert.equal((await logsOf('test:open', headers)).status, 200);
    assert.equal((await registry.get('v2/test/oci/tags/list', { headers })).status, 200);
  }
  assert.equal((await registry.get('v1/fetch/checkpoint', { headers: revoked })).status, 200);
  assert.equal((await registry.get('v2/test/nowhere/tags/list')).status, 404);
});
