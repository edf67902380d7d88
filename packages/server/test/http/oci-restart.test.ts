import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createToken, revokeToken } from '../../src/access-tokens.ts';
import { digestOf, IMAGE, imageOf } from '../core/oci/oci-world.ts';
import { bodyOf, RunningRegistry, type Answer } from '../running-registry.ts';
import { basic, bearer } from './oci-server.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start({ tokens: 'required', ociPrefixes: ['plain'], metrics: '127.0.0.1:0' });
});
after(() => registry.dispose());

const REPOSITORY = 'v2/plain/kept';

async function newToken(): Promise<{ text: string; id: string }> {
  const terms = { account: 'ci', actions: ['publish'], namespaces: ['*'], lifetimeSeconds: 600 };
  const { text, listed } = await createToken({ data: registry.data(), ...terms });
  return { text, id: listed.id };
}

function locationOf({ headers }: Answer): string {
  return headers.get('location') ?? assert.fail('no location');
}

test('an upload that was begun, and what was pushed, are there after a restart; a revoked token is not', async () => {
  const { text, id } = await newToken();
  const headers = basic(text);
  const push = (body: string): Promise<Answer> =>
    registry.post(`${REPOSITORY}/blobs/uploads/?digest=${digestOf(body)}`, { headers, body });
  assert.equal((await push('{}')).status, 201);
  const image = imageOf([]);
  const put = { headers: { ...headers, 'content-type': IMAGE }, body: image };
  assert.equal((await registry.send('PUT', `${REPOSITORY}/manifests/v1`, put)).status, 201);
  const session = locationOf(await registry.post(`${REPOSITORY}/blobs/uploads/`, { headers, body: '' }));
  const first = { headers: { ...headers, 'content-range': '0-4' }, body: 'abcde' };
  assert.equal((await registry.send('PATCH', session, first)).status, 202);
  await registry.restart();
  const found = await registry.get(`${REPOSITORY}/manifests/v1`);
  assert.deepEqual([found.status, found.headers.get('docker-content-digest')], [200, digestOf(image)]);
  const place = await registry.get(session, { headers });
  assert.deepEqual([place.status, place.headers.get('range')], [204, '0-4']);
  const digest = digestOf('abcdefgh');
  const last = { headers: { ...headers, 'content-range': '5-7' }, body: 'fgh' };
  assert.equal((await registry.send('PUT', `${session}?digest=${digest}`, last)).status, 201);
  const blob = await registry.get(`${REPOSITORY}/blobs/${digest}`);
  assert.equal(Buffer.from(blob.bytes).toString(), 'abcdefgh');
  const asked = bodyOf(await registry.get('oci/token?scope=repository:plain/kept:push', { headers }));
  assert.ok(typeof asked === 'object' && asked !== null && 'token' in asked && typeof asked.token === 'string');
  await revokeToken(registry.data(), id);
  for (const shown of [headers, bearer(asked.token)]) {
    assert.equal((await registry.post(`${REPOSITORY}/blobs/uploads/`, { headers: shown, body: '' })).status, 401);
  }
  const series = 'waybill_refusals_total{code="token/invalid"}';
  assert.equal(await registry.metric(series), 2);
  assert.ok(!(await registry.metrics()).includes('plain/kept'));
});
