import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { decodeJwt, SignJWT } from 'jose';
import { isRegistryError } from '@waybill/protocol';
import { openOciTokenSeal } from '../../src/oci-token-key.ts';
import { digestOf, disposeCore, IMAGE, imageOf } from '../core/oci/oci-world.ts';
import { assertOciError, basic, bearer, jsonOf, OciServer, type OciAnswer } from './oci-server.ts';

let server: OciServer;

before(async () => {
  server = await OciServer.start({ tokenPolicy: 'required' });
});
after(async () => {
  await server.stop();
  await disposeCore();
});

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

function assertChallenge(answer: OciAnswer, challenge: string): void {
  assertOciError(answer, 401, 'UNAUTHORIZED');
  assert.equal(answer.headers['www-authenticate'], challenge);
}

function realmOf({ url }: OciServer): string {
  return `Bearer realm="${url.href}oci/token",service="${url.host}"`;
}

/** A token for these scopes, made with these headers. */
async function tokenFor(scope: string, headers = {}, at = server): Promise<string> {
  const answer = await at.get(`/oci/token?service=x&scope=${encodeURIComponent(scope)}`, headers);
  assert.equal(answer.status, 200, answer.body.toString());
  return jsonOf(answer).token;
}

test('whoever shows nothing is asked at /v2/, whatever the policy and the method; reading needs nothing', async () => {
  for (const tokenPolicy of ['off', 'optional', 'required'] as const) {
    const asked = await OciServer.start({ tokenPolicy });
    for (const target of ['/v2/', '/v2', '/v2/?x=y']) {
      assertChallenge(await asked.get(target), realmOf(asked));
      const head = await asked.send('HEAD', target);
      assert.deepEqual([head.status, head.headers['www-authenticate']], [401, realmOf(asked)]);
    }
    assertOciError(await asked.get(`/v2/plain/a/blobs/${digestOf('x')}`), 404, 'BLOB_UNKNOWN');
    assert.equal((await asked.get('/v2/', bearer(await tokenFor('', {}, asked)))).status, 200);
    await asked.stop();
  }
});

test('the realm is where clients reach the server', async () => {
  const proxied = await OciServer.start({ publicUrl: 'https://registry.example/warg/' });
  assertChallenge(
    await proxied.get('/v2/', { host: 'evil.example', 'x-forwarded-host': 'evil.example' }),
    'Bearer realm="https://registry.example/warg/oci/token",service="registry.example"',
  );
  await proxied.stop();
});

test('Basic: where it is asked for; the name is any, and the token may stand in its place', async () => {
  const simple = await OciServer.start({ tokenPolicy: 'required', login: 'basic' });
  assertChallenge(await simple.get('/v2/'), 'Basic realm="waybill", charset="UTF-8"');
  const { text } = await simple.token();
  for (const headers of [basic(text), basic(text, ''), basic('x-oauth', text), basic('', text), bearer(text)]) {
    assert.equal((await simple.get('/v2/', headers)).status, 200);
    await simple.pushBlob('plain/basic', 'x', headers);
  }
  await simple.stop();
});

test('what is shown and not valid is refused everywhere, in the same words', async () => {
  const { text } = await server.token();
  const revoked = await server.token();
  await revoked.revoke();
  const bodies = new Set<string>();
  const wrong = [
    basic('wrong'),
    basic(''),
    basic(text.slice(0, -1)),
    basic(revoked.text),
    { authorization: 'Basic !!!' },
    { authorization: 'Basic' },
    bearer('wrong'),
    bearer(''),
    bearer(revoked.text),
    bearer(`${text}0`),
    bearer('a.b.c'),
    bearer('x'.repeat(8_000)),
  ];
  for (const headers of wrong) {
    for (const target of ['/v2/', '/v2/plain/a/tags/list', '/v2/_catalog']) {
      const answer = await server.get(target, headers);
      assertOciError(answer, 401, 'UNAUTHORIZED');
      assert.match(String(answer.headers['www-authenticate']), /^Bearer realm="http/);
      bodies.add(answer.body.toString());
    }
    const asked = await server.get('/oci/token', headers);
    assertOciError(asked, 401, 'UNAUTHORIZED');
    assert.match(String(asked.headers['www-authenticate']), /^Basic /);
    bodies.add(asked.body.toString());
  }
  assert.equal(bodies.size, 1);
});

test('another scheme is somebody else’s', async () => {
  for (const authorization of ['Negotiate x', 'Digest username="x"', '', 'Basically x']) {
    assert.equal((await server.get('/v2/_catalog', { authorization })).status, 200);
    assertOciError(await server.get('/v2/', { authorization }), 401, 'UNAUTHORIZED');
  }
});

test('where no token is looked at, whatever is shown is nobody', async () => {
  const open = await OciServer.start({ tokenPolicy: 'off' });
  for (const headers of [{}, basic('wrong'), bearer('wrong')]) {
    await open.pushBlob('plain/open', 'x', headers);
    assert.equal((await open.get('/oci/token', headers)).status, 200);
  }
  assert.equal((await open.get('/v2/', basic('wrong'))).status, 200);
  await open.stop();
});

test('a token answer: both names, how long it is valid, and a JSON Web Token that says the same', async () => {
  const { text } = await server.token(['plain']);
  const answer = await server.get('/oci/token?scope=repository:plain/a:pull,push', basic(text));
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const body = jsonOf(answer);
  assert.equal(body.token, body.access_token);
  assert.equal(body.expires_in, 300);
  assert.equal(body.issued_at, new Date(Math.floor(server.clock.nowMs / 1_000) * 1_000).toISOString());
  const claims = decodeJwt(body.token);
  assert.equal(Number(claims.exp) - Number(claims.iat), 300);
  assert.equal(claims.aud, server.url.host);
  assert.deepEqual(claims['access'], [{ type: 'repository', name: 'plain/a', actions: ['pull', 'push'] }]);
  assert.ok(!JSON.stringify(claims).includes(text));
});

/** Scopes asked for, of whom: with a token for `plain`, with one for `other` that only reads, with none. */
const GRANTS: readonly (readonly [string, readonly string[], readonly string[], readonly string[]])[] = [
  ['', [], [], []],
  ['repository:plain/a:pull', ['plain/a:pull'], ['plain/a:pull'], ['plain/a:pull']],
  ['repository:plain/a:pull,push', ['plain/a:pull,push'], ['plain/a:pull'], ['plain/a:pull']],
  ['repository:plain/a:*', ['plain/a:pull,push,delete'], ['plain/a:pull'], ['plain/a:pull']],
  ['repository:plain/a:push', ['plain/a:push'], [], []],
  ['repository:other/a:push', [], [], []],
  ['repository:plain/a:pull repository:plain/a:push', ['plain/a:pull,push'], ['plain/a:pull'], ['plain/a:pull']],
  [
    'repository:plain/a:pull&scope=repository:other/b:pull',
    ['plain/a:pull', 'other/b:pull'],
    ['plain/a:pull', 'other/b:pull'],
    ['plain/a:pull', 'other/b:pull'],
  ],
  ['repository:host:5000/plain/a:pull', ['plain/a:pull'], ['plain/a:pull'], ['plain/a:pull']],
  ['registry:catalog:*', [], [], []],
  ['repository:UPPER:pull', [], [], []],
  ['nonsense', [], [], []],
  ['repository:plain/a:fly', [], [], []],
];

function grantsOf(token: string): readonly string[] {
  const access = decodeJwt(token)['access'];
  assert.ok(Array.isArray(access));
  return access.map(({ name, actions }) => `${name}:${actions.join(',')}`);
}

test('what is granted is what is asked for and covered; less than asked for, or nothing, is no error', async () => {
  const { text: plain } = await server.token(['plain']);
  const { text: reader } = await server.token(['other'], ['read']);
  for (const [query, ofPlain, ofReader, ofNobody] of GRANTS) {
    for (const [headers, expected] of [
      [basic(plain), ofPlain],
      [basic(reader), ofReader],
      [{}, ofNobody],
    ] as const) {
      const answer = await server.get(`/oci/token?scope=${query.replaceAll(' ', '+')}`, headers);
      assert.equal(answer.status, 200);
      assert.deepEqual(grantsOf(jsonOf(answer).token), expected, query);
    }
  }
});

test('a token for very many repositories is cut, and still fits its header', async () => {
  const scope = Array.from({ length: 100 }, (_, i) => `repository:plain/${'a'.repeat(150)}-${i}:pull,push`).join(' ');
  const { text } = await server.token();
  const form = new URLSearchParams({ grant_type: 'password', username: 'ci', password: text, scope }).toString();
  const answer = await server.send('POST', '/oci/token', { body: form.slice(0, 16_000), headers: FORM });
  const { token } = jsonOf(answer);
  assert.equal(grantsOf(token).length, 20);
  assert.equal((await server.get('/v2/', bearer(token))).status, 200);
});

test('the form: password, or a token kept as a refresh token; anything else is malformed', async () => {
  const { text } = await server.token(['plain']);
  const post = (fields: Record<string, string>, headers: Record<string, string> = FORM): Promise<OciAnswer> =>
    server.send('POST', '/oci/token', { body: new URLSearchParams(fields).toString(), headers });
  const scope = 'repository:plain/a:push';
  for (const fields of [
    { grant_type: 'password', username: 'ci', password: text, scope, client_id: 'x', access_type: 'offline' },
    { grant_type: 'refresh_token', refresh_token: text, scope },
  ]) {
    assert.deepEqual(grantsOf(jsonOf(await post(fields)).access_token), ['plain/a:push']);
  }
  assertOciError(await post({ grant_type: 'password', username: 'ci', password: 'wrong' }), 401, 'UNAUTHORIZED');
  assertOciError(await post({ grant_type: 'refresh_token' }), 401, 'UNAUTHORIZED');
  assertOciError(await post({ grant_type: 'authorization_code' }), 400, 'UNSUPPORTED');
  assertOciError(await post({}), 400, 'UNSUPPORTED');
  assertOciError(await post({ scope }, { 'content-type': 'application/json' }), 415, 'UNSUPPORTED');
  assertOciError(await post({ grant_type: 'password', scope: 'x'.repeat(20_000) }), 413, 'MANIFEST_INVALID');
  assertOciError(await server.send('PUT', '/oci/token'), 405, 'UNSUPPORTED');
});

async function upload(headers: Record<string, string>, repository = 'plain/a'): Promise<OciAnswer> {
  return server.send('POST', `/v2/${repository}/blobs/uploads/`, { body: '', headers });
}

test('S3: what may be pushed with which credentials', async () => {
  const { text: plain } = await server.token(['plain']);
  const { text: reader } = await server.token(['*'], ['read']);
  const both = 'repository:plain/a:pull,push';
  for (const [headers, status, code] of [
    [{}, 401, 'UNAUTHORIZED'],
    [bearer(await tokenFor(both)), 401, 'UNAUTHORIZED'],
    [bearer(await tokenFor('repository:plain/a:pull', basic(plain))), 401, 'UNAUTHORIZED'],
    [bearer(await tokenFor('repository:plain/b:pull,push', basic(plain))), 401, 'UNAUTHORIZED'],
    [bearer(await tokenFor(both, basic(reader))), 403, 'DENIED'],
    [basic(reader), 403, 'DENIED'],
    [bearer(reader), 403, 'DENIED'],
    [bearer(await tokenFor(both, basic(plain))), 202, null],
    [basic(plain), 202, null],
    [bearer(plain), 202, null],
  ] as const) {
    const answer = await upload(headers);
    if (code === null) assert.equal(answer.status, status);
    else assertOciError(answer, status, code);
    const challenge = `${realmOf(server)},scope="repository:plain/a:pull,push"`;
    assert.equal(answer.headers['www-authenticate'], status === 401 ? challenge : undefined);
  }
  assertOciError(await upload(basic(plain), 'other/a'), 403, 'DENIED');
});

/** What each request asks a client without credentials to get a token for. */
const SCOPES: readonly (readonly [string, string, string])[] = [
  ['POST', '/blobs/uploads/', 'pull,push'],
  ['PATCH', '/blobs/uploads/00000000-0000-4000-8000-000000000000', 'pull,push'],
  ['PUT', `/blobs/uploads/00000000-0000-4000-8000-000000000000?digest=${digestOf('')}`, 'pull,push'],
  ['GET', '/blobs/uploads/00000000-0000-4000-8000-000000000000', 'pull,push'],
  ['DELETE', '/blobs/uploads/00000000-0000-4000-8000-000000000000', 'pull,push'],
  ['PUT', '/manifests/v1', 'pull,push'],
  ['DELETE', '/manifests/v1', 'delete'],
  ['DELETE', `/blobs/${digestOf('')}`, 'delete'],
];

test('a challenge names the repository and what a token must cover', async () => {
  for (const [method, below, actions] of SCOPES) {
    const body = method === 'PUT' ? imageOf([]) : '';
    const headers = { 'content-type': IMAGE };
    const answer = await server.send(method, `/v2/plain/a${below}`, { body, headers });
    assertChallenge(answer, `${realmOf(server)},scope="repository:plain/a:${actions}"`);
    const { text } = await server.token();
    const token = await tokenFor(`repository:plain/a:${actions}`, basic(text));
    const allowed = await server.send(method, `/v2/plain/a${below}`, {
      body,
      headers: { ...headers, ...bearer(token) },
    });
    assert.ok(allowed.status !== 401 && allowed.status !== 403, `${method} ${below}: ${allowed.status}`);
  }
});

test('O4: a token for the target alone ends in a mount or an upload, never in a challenge', async () => {
  const { text } = await server.token();
  const digest = await server.pushBlob('other/source', 'to be mounted', basic(text));
  const token = await tokenFor('repository:plain/a:pull,push', basic(text));
  for (const [source, statuses] of [
    [`mount=${digest}&from=other/source`, [201, 202]],
    [`mount=${digest}&from=other/nothing`, [202]],
    [`mount=${digestOf('missing')}&from=other/source`, [202]],
    [`mount=${digestOf('missing')}`, [202]],
  ] as const) {
    const answer = await server.send('POST', `/v2/plain/a/blobs/uploads/?${source}`, { headers: bearer(token) });
    assert.ok((statuses as readonly number[]).includes(answer.status), `${source}: ${answer.status}`);
  }
});

test('a token that is revoked is refused from the next request on, and so is all that was made with it', async () => {
  const { text, revoke } = await server.token(['plain']);
  const token = await tokenFor('repository:plain/a:pull,push', basic(text));
  assert.equal((await upload(bearer(token))).status, 202);
  await revoke();
  for (const headers of [bearer(token), bearer(text), basic(text)]) {
    assertOciError(await upload(headers), 401, 'UNAUTHORIZED');
    assertOciError(await server.get('/v2/', headers), 401, 'UNAUTHORIZED');
  }
});

test('a token is valid for its time, for this registry, and in its algorithm only', async () => {
  const other = await OciServer.start({ tokenPolicy: 'required' });
  const { text } = await server.token();
  const token = await tokenFor('repository:plain/a:pull,push', basic(text));
  const [head = '', payload = '', signature = ''] = token.split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const keyText = (await readFile(path.join(server.folder, 'oci-token.key'), 'utf8')).trim();
  const key = Buffer.from(keyText, 'hex');
  const claims = { ...decodeJwt(token) };
  const now = Math.floor(server.clock.nowMs / 1_000);
  const signed = (changes: Record<string, unknown>, alg = 'HS256'): Promise<string> =>
    new SignJWT({ ...claims, ...changes }).setProtectedHeader({ alg }).sign(key);
  assert.equal((await server.get('/v2/', bearer(await signed({})))).status, 200);
  const longer = Buffer.from(JSON.stringify({ ...claims, exp: now + 9_999 })).toString('base64url');
  const sha512 = Buffer.from('{"alg":"HS512"}').toString('base64url');
  for (const forged of [
    `${none}.${payload}.`,
    `${none}.${payload}.${signature}`,
    `${head}.${longer}.${signature}`,
    `${sha512}.${payload}.${createHmac('sha512', key).update(`${sha512}.${payload}`).digest('base64url')}`,
    `${head}.${payload}.${signature.slice(0, -2)}`,
    await signed({ aud: 'elsewhere.example' }),
    await signed({ aud: undefined }),
    await signed({ exp: undefined }),
    await signed({ exp: now }),
    await signed({ nbf: now + 60 }),
    await signed({ access: 'all' }),
    await signed({ token: '0123456789abcdef' }),
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new Uint8Array(32)),
  ]) {
    assertOciError(await server.get('/v2/', bearer(forged)), 401, 'UNAUTHORIZED');
  }
  assertOciError(await other.get('/v2/', bearer(token)), 401, 'UNAUTHORIZED');
  server.clock.nowMs += 299_000;
  assert.equal((await server.get('/v2/', bearer(token))).status, 200);
  server.clock.nowMs += 2_000;
  assertOciError(await server.get('/v2/', bearer(token)), 401, 'UNAUTHORIZED');
  await other.stop();
});

test('the key is its owner’s only, is kept, and what is no key is not taken for one', async () => {
  const file = path.join(server.folder, 'oci-token.key');
  const { mode } = await stat(file);
  assert.equal(mode & 0o777, 0o600);
  const claims = { audience: 'a', issuedAt: 0, expiresAt: 300, tokenId: null, grants: [] };
  const text = await (await openOciTokenSeal(server.folder)).seal(claims);
  const again = await openOciTokenSeal(server.folder);
  assert.deepEqual(await again.open(text, { audience: 'a', nowMs: 1_000 }), claims);
  const kept = await readFile(file);
  await writeFile(file, 'no key');
  await assert.rejects(openOciTokenSeal(server.folder), (failure) => isRegistryError(failure, 'key/not-found'));
  await writeFile(file, kept);
});
