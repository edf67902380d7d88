import assert from 'node:assert/strict';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, test } from 'node:test';
import { accessTokenOf, sha256, utf8 } from '@waybill/protocol';
import { createToken, listTokens, revokeToken, type CreateTokenOptions } from '../../src/access-tokens.ts';
import { backup } from '../../src/backup.ts';
import { fsck } from '../../src/fsck.ts';
import { openDatabase } from '../../src/storage/sqlite-module.ts';
import { keyOf, Publisher, releaseOf, wasmOf } from '../publisher.ts';
import { assertProblem, RunningRegistry, type Answer } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  const namespaces = ['test', 'team'];
  registry = await RunningRegistry.start({ tokens: 'required', namespaces, metrics: '127.0.0.1:0' });
});
after(() => registry.dispose());

async function tokenFor(changes: Partial<CreateTokenOptions> = {}): Promise<{ text: string; id: string }> {
  const terms = { account: 'ci', actions: ['publish'], namespaces: ['test'], lifetimeSeconds: 600 };
  const { text, listed } = await createToken({ data: registry.data(), ...terms, ...changes });
  return { text, id: listed.id };
}

const bearer = (text: string): { authorization: string } => ({ authorization: `Bearer ${text}` });

/** Starts a package of its own, with these headers. */
async function start(name: string, headers: Readonly<Record<string, string>>, at = registry): Promise<Answer> {
  const publisher = new Publisher(at, name);
  return publisher.post(await publisher.record([publisher.init]), headers);
}

function assertChallenge(answer: Answer, status: number, challenge: string | null): void {
  assertProblem(answer, status);
  assert.equal(answer.headers.get('www-authenticate'), challenge);
}

const REQUIRED = 'Bearer realm="waybill"';
const INVALID = 'Bearer realm="waybill", error="invalid_token"';
const SCOPE = 'Bearer realm="waybill", error="insufficient_scope"';

test('http.md 6.3: without a token 401, with one the record is taken; its upload and all reading need none', async () => {
  const publisher = new Publisher(registry, 'test:with-upload');
  const content = wasmOf('with upload');
  const record = await publisher.record([publisher.init, releaseOf('1.0.0', content)]);
  assertChallenge(await publisher.post(record), 401, REQUIRED);
  assert.equal((await publisher.status(record.id)).status, 404);
  const { text } = await tokenFor();
  assert.equal((await publisher.post(record, bearer(text))).status, 202);
  assert.equal((await publisher.upload(record.id, content)).status, 201);
  assert.equal((await publisher.settled(record.id)).status, 200);
  assert.equal((await registry.get('v1/fetch/checkpoint')).status, 200);
  assert.equal((await registry.post('v1/fetch/names', { json: { packages: [publisher.logId] } })).status, 200);
});

test('http.md 6.4: a token that is unknown, mistyped, cut off, expired or revoked is 401, each in the same words', async () => {
  const { text: revoked, id } = await tokenFor();
  await revokeToken(registry.data(), id);
  const { text: expired } = await tokenFor({ lifetimeSeconds: 1 });
  await sleep(1_100);
  const { text } = await tokenFor();
  const unknown = accessTokenOf(sha256(utf8('nobody'))).text;
  const twin = accessTokenOf(Uint8Array.from([...Buffer.from(id, 'hex'), ...new Uint8Array(24)])).text;
  const bodies = new Set<string>();
  for (const wrong of [revoked, expired, unknown, twin, text.slice(0, -1), `${text}0`, '', 'x'.repeat(8_000)]) {
    const answer = await start('test:never', bearer(wrong));
    assertChallenge(answer, 401, INVALID);
    bodies.add(new TextDecoder().decode(answer.bytes));
  }
  assert.equal(bodies.size, 1);
});

test('http.md 6.3: another scheme is no token, and the name of the scheme has no case', async () => {
  const { text } = await tokenFor();
  const basic = Buffer.from(`ci:${text}`).toString('base64');
  for (const authorization of [`Basic ${basic}`, text, 'Bearers x', '']) {
    assertChallenge(await start('test:scheme', { authorization }), 401, REQUIRED);
  }
  assert.equal((await start('test:scheme', { authorization: `bEARER ${text}` })).status, 202);
});

test('http.md 6.5: a token that does not cover the namespace or the action is 403', async () => {
  const { text: inTest } = await tokenFor();
  const { text: inBoth } = await tokenFor({ namespaces: ['test', 'team'] });
  const { text: reader } = await tokenFor({ actions: ['read'], namespaces: ['*'] });
  const { text: everywhere } = await tokenFor({ namespaces: ['*'] });
  assertChallenge(await start('team:a', bearer(inTest)), 403, SCOPE);
  assertChallenge(await start('test:b', bearer(reader)), 403, SCOPE);
  for (const [name, text] of [
    ['test:c', inTest],
    ['team:c', inBoth],
    ['team:d', everywhere],
  ] as const) {
    assert.equal((await start(name, bearer(text))).status, 202);
  }
  // A name of no namespace is what the log of the operator says, to those alone whose token covers it.
  assert.equal((await start('nowhere:a', bearer(inTest))).status, 403);
  assert.equal((await start('nowhere:a', bearer(everywhere))).status, 404);
});

test('S3: a stolen token cannot release: the log of the package takes its own keys only', async () => {
  const { text } = await tokenFor();
  const owner = new Publisher(registry, 'test:stolen');
  const first = await owner.record([owner.init]);
  assert.equal((await owner.post(first, bearer(text))).status, 202);
  const thief = new Publisher(registry, 'test:stolen', keyOf('thief'));
  thief.head = first.id;
  const forged = await thief.record([releaseOf('6.6.6', wasmOf('evil'))]);
  assertChallenge(await thief.post(forged, bearer(text)), 401, null);
});

test('a token that is revoked beside the server is refused from the next request on', async () => {
  const { text, id } = await tokenFor();
  for (let round = 0; round < 3; round++)
    assert.equal((await start(`test:round-${'abc'[round]}`, bearer(text))).status, 202);
  await revokeToken(registry.data(), id);
  assertChallenge(await start('test:round-d', bearer(text)), 401, INVALID);
});

test('refusals are counted by their codes, and the day of use is written when the server stops', async () => {
  const { text, id } = await tokenFor();
  assert.equal((await start('test:used', bearer(text))).status, 202);
  await start('test:counted', {});
  for (const code of ['token/required', 'token/invalid', 'token/scope']) {
    assert.ok((await registry.metric(`waybill_refusals_total{code="${code}"}`)) > 0, code);
  }
  await registry.restart();
  const listed = (await listTokens(registry.data())).find((token) => token.id === id);
  assert.equal(listed?.lastUsedDay, Math.floor(Date.now() / 86_400_000));
});

test('where tokens are optional, one that is shown counts; where none is asked for, none is looked at', async () => {
  const optional = await RunningRegistry.start({ tokens: 'optional' });
  const off = await RunningRegistry.start();
  try {
    assert.equal((await start('test:without', {}, optional)).status, 202);
    assert.equal((await start('test:proxy', { authorization: 'Basic eDp5' }, optional)).status, 202);
    assertChallenge(await start('test:wrong', bearer('wrong'), optional), 401, INVALID);
    assert.equal((await start('test:wrong', bearer('wrong'), off)).status, 202);
  } finally {
    await optional.dispose();
    await off.dispose();
  }
});

test('a list of publishers holds besides: both must allow', async () => {
  const { writeFile } = await import('node:fs/promises');
  const publishers = path.join(registry.folder, 'publishers.toml');
  await writeFile(publishers, `[namespace.test]\nkeys = ["${keyOf('listed').publicKey.id}"]\n`);
  const both = await RunningRegistry.start({ tokens: 'required', publishers });
  try {
    const terms = { account: 'ci', actions: ['publish'], namespaces: ['test'], lifetimeSeconds: 600 };
    const { text } = await createToken({ data: both.data(), ...terms });
    const listed = new Publisher(both, 'test:listed', keyOf('listed'));
    const record = await listed.record([listed.init]);
    assertChallenge(await listed.post(record), 401, REQUIRED);
    assertChallenge(await start('test:unlisted', bearer(text), both), 401, null);
    assert.equal((await listed.post(record, bearer(text))).status, 202);
  } finally {
    await both.dispose();
  }
});

test('a backup carries the tokens, as hashes, and fsck names one that is damaged', async () => {
  const { text, id } = await tokenFor({ account: 'kept' });
  const out = path.join(registry.folder, 'backup');
  await backup({ data: registry.data(), out, keys: false, onProgress: () => undefined });
  const copied = (await listTokens(out)).find((token) => token.id === id);
  assert.equal(copied?.account, 'kept');
  const database = openDatabase(path.join(out, 'registry.sqlite'), 'write');
  database.exec(`UPDATE tokens SET scope = x'ff' WHERE id = x'${id}'`);
  database.close();
  const { flaws } = await fsck({ data: out, repair: false, content: false, onProgress: () => undefined });
  const named = flaws.filter(({ kind }) => kind === 'token');
  assert.deepEqual(
    named.map(({ at }) => at),
    [`token ${id}`],
  );
  assert.ok(!JSON.stringify(flaws).includes(text.slice(20)));
});
