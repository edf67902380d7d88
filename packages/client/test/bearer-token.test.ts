import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  accessTokenOf,
  digestOf,
  isRegistryError,
  packageLogId,
  parsePackageName,
  parseRecordId,
  sha256,
  utf8,
  type ErrorCode,
} from '@waybill/protocol';
import { parseBearerToken } from '../src/bearer-token.ts';
import { TokenFiles } from '../src/node/token-files.ts';
import { RegistryApi } from '../src/registry-api.ts';
import { Transport, TRANSPORT_LIMITS, type Fetch } from '../src/transport.ts';

const TEXT = accessTokenOf(sha256(utf8('token'))).text;
const NAME = parsePackageName('test:tool');
const ENVELOPE = { contents: utf8('contents'), keyId: 'key', signature: 'signature', cosignatures: [] };
const PUBLISHED = { recordId: digestOf(utf8('record')), state: 'processing' };

interface Sent {
  readonly url: string;
  readonly authorization: string | null;
  readonly redirect: string | undefined;
}

/** An API with the token whose requests are all answered with `answer`. */
function apiAt(base: string, answer: () => Response): { api: RegistryApi; transport: Transport; sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: Fetch = async (url, { headers, redirect }) => {
    sent.push({ url, authorization: new Headers(headers).get('authorization'), redirect });
    return answer();
  };
  const transport = new Transport(new URL(base), fetch, {}, TRANSPORT_LIMITS);
  return { api: new RegistryApi(transport, async () => parseBearerToken(TEXT)), transport, sent };
}

const json = (status: number, body: object, headers: Record<string, string> = {}): Response =>
  new Response(JSON.stringify(body), { status, headers });

function publish(api: RegistryApi): Promise<unknown> {
  return api.publish(packageLogId(NAME), NAME, ENVELOPE, false);
}

const withCode = (code: ErrorCode) => (thrown: unknown) => {
  assert.ok(isRegistryError(thrown, code), String(thrown));
  assert.ok(!thrown.message.includes(TEXT));
  return true;
};

test('S3: a token is shown when something is published, and at no other time or place', async () => {
  const { api, transport, sent } = apiAt('https://registry.test/', () => json(202, PUBLISHED));
  await publish(api);
  assert.deepEqual(sent, [
    {
      url: `https://registry.test/v1/package/${packageLogId(NAME)}/record`,
      authorization: `Bearer ${TEXT}`,
      redirect: 'manual',
    },
  ]);
  await api.checkpoint().catch(() => undefined);
  await api.recordStatus(packageLogId(NAME), parseRecordId(PUBLISHED.recordId)).catch(() => undefined);
  const endpoint = { type: 'http', url: 'https://elsewhere.test/upload', method: 'PUT', headers: {} } as const;
  await api.upload(endpoint, new Blob(['content']));
  assert.equal(sent.length, 4);
  assert.ok(sent.slice(1).every(({ authorization }) => authorization === null));
  assert.ok(!JSON.stringify(transport.exchanges).includes(TEXT));
});

test('S3: a read shows the token once something is not there without it, to the registry itself and to nobody else', async () => {
  const status = packageLogId(NAME);
  const recordId = parseRecordId(PUBLISHED.recordId);
  const base = 'https://registry.test/warg/';
  let isFound = false;
  const { api, transport, sent } = apiAt(base, () => json(isFound ? 200 : 404, isFound ? PUBLISHED : { status: 404 }));
  const own = new URL('content/x', base);
  assert.deepEqual(api.contentRequest(own), { headers: {}, redirect: 'follow' });
  await assert.rejects(api.recordStatus(status, recordId));
  const [first, second, ...more] = sent;
  assert.deepEqual([first?.authorization, second?.authorization, more], [null, `Bearer ${TEXT}`, []]);
  assert.equal(second?.redirect, 'manual');
  isFound = true;
  await api.recordStatus(status, recordId);
  assert.equal(sent.at(-1)?.authorization, `Bearer ${TEXT}`);
  assert.equal(await api.showToken(), false);
  assert.deepEqual(api.contentRequest(own), { headers: { authorization: `Bearer ${TEXT}` }, redirect: 'manual' });
  const others = ['https://elsewhere.test/warg/x', 'http://registry.test/warg/x', 'https://registry.test/other/x'];
  for (const other of [...others, 'https://registry.test:444/warg/x', 'https://registry.test.evil/warg/x']) {
    assert.deepEqual(api.contentRequest(new URL(other)), { headers: {}, redirect: 'follow' }, other);
  }
  assert.ok(!JSON.stringify(transport.exchanges).includes(TEXT));
});

test('S3: over plain http no read shows a token, whatever is not there', async () => {
  const { api, sent } = apiAt('http://registry.test/', () => json(404, { status: 404 }));
  await assert.rejects(api.recordStatus(packageLogId(NAME), parseRecordId(PUBLISHED.recordId)));
  assert.deepEqual(
    sent.map(({ authorization }) => authorization),
    [null],
  );
});

test('S3: a token is not sent on where the registry redirects', async () => {
  for (const status of [301, 302, 303, 307, 308]) {
    const location = { location: 'https://elsewhere.test/' };
    const { api, sent } = apiAt('https://registry.test/', () => new Response(null, { status, headers: location }));
    await assert.rejects(publish(api), withCode('registry/unreachable'));
    assert.equal(sent.length, 1);
  }
});

test('S3: a token never goes over plain http, but to this machine', async () => {
  const { api, sent } = apiAt('http://registry.test/', () => json(202, PUBLISHED));
  await assert.rejects(publish(api), withCode('usage/invalid'));
  assert.deepEqual(sent, []);
  for (const host of ['127.0.0.1:8090', '[::1]', 'localhost']) {
    await publish(apiAt(`http://${host}/`, () => json(202, PUBLISHED)).api);
  }
});

test('what a registry says of tokens is told apart from what it says of keys', async () => {
  const cases: readonly (readonly [number, string | null, ErrorCode])[] = [
    [401, 'Bearer realm="waybill"', 'token/required'],
    [401, 'bearer', 'token/required'],
    [401, 'Bearer realm="waybill", error="invalid_token"', 'token/invalid'],
    [403, 'Bearer error="insufficient_scope"', 'token/scope'],
    [401, null, 'admission/denied'],
    [401, 'Basic realm="proxy"', 'admission/denied'],
    [403, null, 'registry/refused'],
    [422, 'Bearer', 'registry/refused'],
  ];
  for (const [status, challenge, code] of cases) {
    const headers = challenge === null ? {} : { 'www-authenticate': challenge };
    const { api } = apiAt('https://registry.test/', () => json(status, { status, message: 'no' }, headers));
    await assert.rejects(publish(api), withCode(code));
  }
});

test('a token is one word that can stand in a header; one of ours has no typo', () => {
  assert.equal(parseBearerToken(` ${TEXT}\n`), TEXT);
  assert.equal(parseBearerToken('eyJhbGciOiJFUzI1NiJ9.e30.c2ln'), 'eyJhbGciOiJFUzI1NiJ9.e30.c2ln');
  for (const text of ['', ' ', 'two words', 'a\r\nx: y', 'ünï', 'x'.repeat(5_000), TEXT.slice(0, -1), `${TEXT}0`]) {
    assert.throws(() => parseBearerToken(text), withCode('text/token'));
  }
});

test('U3: each registry has a token of its own, in a file for its user alone', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-token-'));
  try {
    const files = new TokenFiles(folder);
    const [one, other] = [new URL('https://one.test/'), new URL('https://one.test/path/')];
    await files.keep(one, parseBearerToken(TEXT));
    assert.equal(await files.read(one), TEXT);
    assert.equal(await files.read(other), null);
    assert.equal(await files.read(new URL('https://one.test:444/')), null);
    assert.equal(await files.read(new URL('http://one.test/')), null);
    if (process.platform !== 'win32') assert.equal((await stat(files.fileOf(one))).mode & 0o777, 0o600);
    assert.equal(await readFile(files.fileOf(one), 'utf8'), `${TEXT}\n`);
    await writeFile(files.fileOf(one), 'cut off in\nthe middle');
    await assert.rejects(files.read(one), withCode('text/token'));
    assert.deepEqual([await files.forget(one), await files.forget(one), await files.read(one)], [true, false, null]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
