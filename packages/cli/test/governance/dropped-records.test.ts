import assert from 'node:assert/strict';
import { copyFile, readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { digestOf, parsePrivateKey, utf8 } from '@waybill/protocol';
import { EXIT } from '../../src/exit-code.ts';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from '../registry.ts';
import type { LocalServer } from '../local-server.ts';
import { asking, openFront } from './front.ts';

/* What a registry says is published must stand in its log, whatever log it is (spec/verification.md 7.1). */

const SENT_TO = /^\/api\/v1\/(operator|governance)\//;

let registry: TestRegistry;
let front: LocalServer;
let keeper: TestUser;
let at: readonly string[];
let operatorKey: string;

before(async () => {
  registry = await openRegistry();
  const answer = asking(registry.url);
  front = await openFront(async (url, init) =>
    SENT_TO.test(new URL(url).pathname) ? Response.json({ state: 'published' }, { status: 201 }) : answer(url, init),
  );
  at = ['--registry', front.url, '--json'];
  keeper = await openUser();
  await copyFile(registry.operatorKeyFile, keeper.file('root.key'));
  operatorKey = parsePrivateKey((await readFile(registry.operatorKeyFile, 'utf8')).trim()).publicKey.text;
  const begin = ['operator', 'governance', 'begin', '--key-file', 'root.key'];
  await keeper.ok(...begin, '--registry', registry.url.href);
});
after(async () => {
  await front.close();
  await registry.dispose();
  await keeper.dispose();
});

const DIGEST = digestOf(utf8('malicious'));

const RECORDS = [
  ['of a governance log', 'operator', 'governance', 'takedown', DIGEST, '--code', 'malware'],
  ['that begins one', 'operator', 'governance', 'begin', '--namespace', 'test'],
  ['of the operator log', 'operator', 'namespace', 'add', 'more'],
] as const;

for (const [title, ...command] of RECORDS) {
  test(`L3: a record ${title} that the registry says it has published, and drops, is missed`, async () => {
    const outcome = await keeper.run(...command, '--key-file', 'root.key', ...at);
    assert.deepEqual([outcome.code, codeOf(outcome)], [EXIT.tampered, 'log/incomplete'], outcome.stderr);
    assert.ok('evidence' in JSON.parse(outcome.stderr).error.detail);
    const signers = command[1] === 'governance' ? ['--signer', operatorKey] : [];
    const draft = `${title.replaceAll(' ', '-')}.json`;
    await keeper.ok(...command, '--draft', draft, ...signers, ...at);
    const { signed } = JSON.parse(await keeper.ok('operator', 'sign', draft, '--key-file', 'root.key', '--json'));
    const sent = await keeper.run('operator', 'send', signed, ...at);
    assert.deepEqual([sent.code, codeOf(sent)], [EXIT.tampered, 'log/incomplete'], sent.stderr);
    await keeper.ok('operator', 'send', signed, '--registry', registry.url.href);
  });
}
