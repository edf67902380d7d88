import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { isRegistryError, type wargApi } from '@waybill/protocol';
import { RegistryApi } from '../src/registry-api.ts';
import { Transport, type Fetch, type TransportLimits } from '../src/transport.ts';

const LIMITS: TransportLimits = {
  answerBytesMax: 1_000,
  startMsMax: 20,
  chunkMsMax: 60_000,
  graceMs: 60_000,
  bytesPerSecondMin: 1,
};
const BASE = new URL('http://127.0.0.1/registry/');
const ENDPOINT: wargApi.UploadEndpoint = { type: 'http', method: 'POST', url: 'v1/upload', headers: {} };
const CONTENT = new Blob([new Uint8Array(1_000)]);

function apiOver(fetch: Fetch): RegistryApi {
  return new RegistryApi(new Transport(BASE, fetch, {}, LIMITS));
}

test('an upload has time for its size: the answer starts after the last byte', async () => {
  const sent: string[] = [];
  const api = apiOver(async (url, { signal }) => {
    sent.push(url);
    await wait(5 * LIMITS.startMsMax, undefined, signal ? { signal } : {});
    return new Response(null, { status: 201 });
  });
  await api.upload(ENDPOINT, CONTENT);
  assert.deepEqual(sent, ['http://127.0.0.1/registry/v1/upload']);
  const nothing = api.upload(ENDPOINT, new Blob([]));
  await assert.rejects(nothing, (thrown) => isRegistryError(thrown, 'registry/unreachable'));
});

test('the answer to an upload is bounded as any other (threats T5)', async () => {
  const api = apiOver(async () => new Response(new Uint8Array(LIMITS.answerBytesMax + 1), { status: 201 }));
  await assert.rejects(api.upload(ENDPOINT, CONTENT), (thrown) => isRegistryError(thrown, 'registry/protocol'));
});

test('an upload endpoint asks for no header but the two that Warg knows', async () => {
  let calls = 0;
  const api = apiOver(async () => {
    calls++;
    return new Response(null, { status: 201 });
  });
  await api.upload(
    { ...ENDPOINT, headers: { authorization: 'Bearer t', 'content-type': 'application/wasm' } },
    CONTENT,
  );
  for (const endpoint of [
    { ...ENDPOINT, headers: { cookie: 'a=b' } },
    { ...ENDPOINT, url: 'http://[' },
  ]) {
    await assert.rejects(api.upload(endpoint, CONTENT), (thrown) => isRegistryError(thrown, 'registry/protocol'));
  }
  assert.equal(calls, 1);
});

test('a fault of the registry is no refusal and no lie; 501 is a refusal', async () => {
  for (const [status, code] of [
    [500, 'registry/unreachable'],
    [503, 'registry/unreachable'],
    [501, 'registry/refused'],
    [422, 'registry/refused'],
  ] as const) {
    const api = apiOver(async () => Response.json({ status, message: 'said' }, { status }));
    await assert.rejects(api.checkpoint(), (thrown) => isRegistryError(thrown, code));
  }
});
