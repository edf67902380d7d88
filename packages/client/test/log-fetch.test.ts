import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRegistryError,
  OPERATOR_LOG_ID,
  packageLogId,
  parsePackageName,
  utf8,
  type wargApi,
} from '@waybill/protocol';
import { fetchLogs } from '../src/log-fetch.ts';
import type { LogCache } from '../src/ports.ts';
import { RegistryApi } from '../src/registry-api.ts';
import { Transport, TRANSPORT_LIMITS } from '../src/transport.ts';

const LOG = packageLogId(parsePackageName('test:one'));
const WANTED = { packages: [LOG], governance: [] };
const RECORD: wargApi.PublishedRecord = {
  envelope: { contents: utf8('contents'), keyId: 'key', signature: 'signature', cosignatures: [] },
  registryIndex: 1,
  fetchToken: 'token',
};

function apiThatAnswers(status: number, body: object): RegistryApi {
  const fetch = async (): Promise<Response> => Response.json(body, { status });
  return new RegistryApi(new Transport(new URL('http://127.0.0.1/'), fetch, {}, TRANSPORT_LIMITS));
}

function cacheOf(records: readonly wargApi.PublishedRecord[]): LogCache {
  return { read: async (logId) => (logId === OPERATOR_LOG_ID ? null : records), write: async () => undefined };
}

test('a registry that does not know a log it has served withholds it (threats L4)', async () => {
  for (const body of [
    { status: 404, type: 'log', id: LOG },
    { status: 404, type: 'fetchToken', id: 'token' },
  ]) {
    const fetched = fetchLogs(apiThatAnswers(404, body), cacheOf([RECORD]), 2, WANTED);
    await assert.rejects(fetched, (thrown) => isRegistryError(thrown, 'log/incomplete'));
  }
});

test('a log without a record below the length is missing, so that its absence must be proven', async () => {
  const api = apiThatAnswers(200, { more: false, operator: [], packages: { [LOG]: [] } });
  const { others, missing } = await fetchLogs(api, cacheOf([]), 2, WANTED);
  assert.equal(others.size, 0);
  assert.deepEqual(missing, [LOG]);
});
