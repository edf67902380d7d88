import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { digestHex, digestOf, packageLogId, parsePackageName, utf8, wargApi } from '@waybill/protocol';
import { encodeRecordContents, PACKAGE_LOG, timestampFromMs } from '@waybill/protocol';
import { keyOf, publishBody, releaseOf, signContents } from '../publisher.ts';
import { RegistryAddress } from './registry-address.ts';
import { skipFor } from '../scale.ts';
import { ServerProcess } from './server-process.ts';
import { readTrace, straceObstacle, traced, type SystemCall } from './strace.ts';

const obstacle = straceObstacle();
const CALLS = 'trace=fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64,rename,renameat,renameat2';
const CONTENT = utf8('some content');

/** Publishes one record with content on a server that was running before; returns what it did, call by call. */
async function tracePublish(folder: string): Promise<SystemCall[]> {
  const data = path.join(folder, 'data');
  const trace = path.join(folder, 'trace');
  await (await ServerProcess.start(data)).server.stop();
  const { server, url } = await ServerProcess.start(data, traced(trace, '-e', CALLS));
  const registry = new RegistryAddress(url);
  const name = parsePackageName('test:ordered');
  const key = keyOf(name);
  const entries = [{ type: 'init', key: key.publicKey } as const, releaseOf('1.0.0', CONTENT)];
  const draft = { prev: null, time: timestampFromMs(Date.now()), entries };
  const record = await signContents(encodeRecordContents(PACKAGE_LOG, draft), key);
  const target = `v1/package/${packageLogId(name)}/record`;
  const posted = await registry.post(target, { json: publishBody(name, record.envelope) });
  assert.equal(wargApi.decodeRecordStatus(posted.bytes).state, 'sourcing');
  const upload = await registry.post(`${target}/${record.id}/content/${digestOf(CONTENT)}`, { body: CONTENT });
  assert.equal(upload.status, 201);
  await server.stop();
  return readTrace(trace);
}

/** The calls between two lines, and the steps found among them one after another. */
class Window {
  readonly #calls: readonly SystemCall[];
  #line: number;

  constructor(calls: readonly SystemCall[], after: SystemCall | null, before: SystemCall) {
    this.#line = after?.endLine ?? 0;
    this.#calls = calls.filter((call) => call.startLine > this.#line && call.endLine < before.startLine);
  }

  /** The last call of that kind, which must have succeeded, and begun after the step before had ended. */
  step(name: RegExp, args: RegExp): void {
    const call = this.#calls.findLast((found) => name.test(found.name) && args.test(found.args));
    assert.ok(call !== undefined, `no ${name.source} of ${args.source} before the answer`);
    assert.ok(call.startLine > this.#line, `${name.source} of ${args.source} came too early`);
    assert.doesNotMatch(call.result, /^-1/);
    this.#line = call.endLine;
  }
}

const SYNC = /^f(data)?sync$/;
const WRITE = /^p?write(64|v)?$/;

test(
  'an answer is written after the fsync of content, its folder, the database and the last-signed file',
  { skip: skipFor(obstacle) },
  async (context) => {
    assert.equal(obstacle, null);
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-order-'));
    context.after(() => rm(folder, { recursive: true }));
    const calls = await tracePublish(folder);
    const answer = (status: number): SystemCall =>
      calls.find(({ args }) => args.includes(`"HTTP/1.1 ${status}`)) ?? assert.fail(`no answer ${status}`);
    const hex = digestHex(digestOf(CONTENT));

    const accepted = new Window(calls, null, answer(202));
    accepted.step(WRITE, /registry\.sqlite-wal>/);
    accepted.step(SYNC, /registry\.sqlite-wal>/);

    const published = new Window(calls, answer(202), answer(201));
    published.step(WRITE, /\/content\/uploads\/[0-9a-f-]+>/);
    published.step(SYNC, /\/content\/uploads\/[0-9a-f-]+>/);
    published.step(SYNC, /\/content\/sha256>/);
    published.step(/^rename/, new RegExp(`/content/uploads/.*/content/sha256/${hex.slice(0, 2)}/${hex}"`));
    published.step(SYNC, new RegExp(`/content/sha256/${hex.slice(0, 2)}>`));
    published.step(WRITE, /registry\.sqlite-wal>/);
    published.step(SYNC, /registry\.sqlite-wal>/);
    published.step(WRITE, /\/last-signed>/);
    published.step(SYNC, /\/last-signed>/);
  },
);
