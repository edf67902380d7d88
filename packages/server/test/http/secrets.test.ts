import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createToken } from '../../src/access-tokens.ts';

const WAYBILL = fileURLToPath(new URL('../../../../cli/bin/waybill.mjs', import.meta.url));
const CANARY = 'canary-5e1f0b7c';
const TERMS = { account: 'ci', actions: ['publish'], namespaces: ['test'], lifetimeSeconds: 600 };

let folder: string;
let server: ChildProcess;
let url: string;
let output = '';

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-secrets-'));
  const options = [
    '--json',
    '--log-level',
    'trace',
    '--listen',
    '127.0.0.1:0',
    '--namespace',
    'test',
    '--tokens',
    'required',
  ];
  server = spawn(process.execPath, [WAYBILL, 'serve', '--data', path.join(folder, 'data'), ...options]);
  const { stdout, stderr } = server;
  if (stdout === null || stderr === null) assert.fail();
  for (const stream of [stdout, stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [line] = await once(createInterface(stdout), 'line');
  ({ url } = JSON.parse(line));
});
after(async () => {
  if (server.exitCode === null) {
    server.kill('SIGKILL');
    await once(server, 'exit');
  }
  await rm(folder, { recursive: true });
});

test('W12: what a client sends to prove itself never reaches the logs, whatever the level', async () => {
  const headers = {
    authorization: `Bearer ${CANARY}`,
    cookie: `session=${CANARY}`,
    'proxy-authorization': CANARY,
    'x-api-key': CANARY,
  };
  const json = { ...headers, 'content-type': 'application/json' };
  const digest = `sha256:${'ab'.repeat(32)}`;
  const { text } = await createToken({ data: path.join(folder, 'data'), ...TERMS });
  const withToken = { 'content-type': 'application/json', authorization: `Bearer ${text}` };
  const requests: [string, RequestInit][] = [
    [`v1/package/${digest}/record`, { headers: withToken, method: 'POST', body: '{}' }],
    [`v1/package/${digest}/record`, { headers: json, method: 'POST', body: '{}' }],
    ['v1/fetch/checkpoint', { headers }],
    ['v1/nothing', { headers }],
    ['healthz', { headers }],
    [`content/sha256-${'ab'.repeat(32)}`, { headers }],
    ['v1/fetch/logs', { headers: json, method: 'POST', body: '{' }],
    ['v1/fetch/logs', { headers: json, method: 'POST', body: '{"logLength":1}' }],
    ['v1/fetch/logs', { headers, method: 'POST', body: '{}' }],
    [`v1/package/${digest}/record/${digest}/content/${digest}`, { headers, method: 'POST', body: 'x' }],
    ['api/v1/operator/records', { headers: json, method: 'POST', body: '{}' }],
    ['v1/ledger', { headers: { ...headers, 'warg-registry': CANARY } }],
    ['v1/fetch/checkpoint', { headers, method: 'DELETE' }],
  ];
  for (const [target, init] of requests) await (await fetch(new URL(target, url), init)).arrayBuffer();
  server.kill('SIGTERM');
  const [code] = await once(server, 'close');
  assert.equal(code, 0);
  // The log was on, so that silence about the canary means something.
  assert.ok(output.includes('/v1/fetch/checkpoint'));
  for (const secret of [text.slice(20, 68), CANARY]) assert.ok(!output.includes(secret), output);
});
