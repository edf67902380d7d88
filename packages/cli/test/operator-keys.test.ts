import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFile, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { codeOf, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

let registry: TestRegistry;
/** Every start of it; the first one's folder is that of all. */
const opened: TestRegistry[] = [];
let user: TestUser;
let serverKey: string;
let root: { readonly keyId: string; readonly file: string };

/** The registry listens elsewhere after each start, and is the same. */
const at = (): string[] => ['--registry', registry.url.href];

before(async () => {
  registry = await openRegistry();
  opened.push(registry);
  user = await openUser();
  await user.ok('key', 'new');
  serverKey = path.join(registry.folder, 'operator.key');
  root = { keyId: registry.operatorKeyId, file: user.file('root.key') };
  await copyFile(serverKey, root.file);
});

after(async () => {
  await user.dispose();
  await registry.stop();
  for (const { folder } of opened) await rm(folder, { recursive: true });
});

async function newKey(name: string): Promise<{ readonly keyId: string; readonly publicKey: string }> {
  return JSON.parse(await user.ok('operator', 'key', 'new', user.file(name), '--json'));
}

async function startWith(keyFile: string): Promise<void> {
  await registry.stop();
  await copyFile(user.file(keyFile), serverKey);
  registry = await openRegistry({ data: opened[0]?.folder ?? '' });
  opened.push(registry);
}

/** Drafted online, signed where no registry is known, sent online. */
async function carry(name: string, ...command: readonly string[]): Promise<string> {
  const draft = user.file(`${name}.json`);
  const signed = user.file(`${name}.signed.json`);
  await user.ok('operator', ...command, '--draft', draft, ...at());
  const offline = await openUser();
  try {
    const { entries } = JSON.parse(await offline.ok('operator', 'sign', draft, '--key-file', root.file, '--json'));
    assert.equal(entries.length, 1);
  } finally {
    await offline.dispose();
  }
  await user.ok('operator', 'send', signed, ...at());
  return signed;
}

async function commitKeys(): Promise<string[]> {
  const keys = JSON.parse(await user.ok('operator', 'key', 'list', '--json', ...at()));
  return keys.flatMap(({ keyId, permissions }: { keyId: string; permissions: string[] }) =>
    permissions.includes('commit') ? [keyId] : [],
  );
}

test('commit keys change under an offline root, and a client that pinned the root goes on (threats L7, T7)', async () => {
  await user.ok('publish', CORE_MODULE, '--package', 'test:tool', '--version', '1.0.0', ...at());
  const [first, second] = [await newKey('first.key'), await newKey('second.key')];
  await user.ok('operator', 'key', 'grant', first.publicKey, '--key-file', root.file, ...at());
  await startWith('first.key');
  assert.equal(registry.operatorKeyId, root.keyId);
  assert.equal(registry.commitKeyId, first.keyId);
  await user.ok('publish', CORE_MODULE, '--package', 'test:tool', '--version', '1.0.1', ...at());

  await carry('grant', 'key', 'grant', second.publicKey);
  const serving = await user.run('operator', 'key', 'revoke', first.keyId, '--key-file', root.file, '--json', ...at());
  assert.equal(codeOf(serving), 'registry/refused');
  assert.match(serving.stderr, /this server signs its checkpoints with that key/);
  await startWith('second.key');
  await carry('revoke', 'key', 'revoke', first.keyId);
  assert.deepEqual(await commitKeys(), [root.keyId, second.keyId]);
  await user.ok('get', 'test:tool@1.0.1', '-o', user.file('tool.wasm'), ...at());
  const fresh = await openUser();
  await fresh.ok('get', 'test:tool@1.0.0', '-o', fresh.file('tool.wasm'), '--operator-key', root.keyId, ...at());
  await fresh.dispose();
});

test('P8: a commit key neither grants nor revokes', async () => {
  const thief = await newKey('thief.key');
  for (const [command, subject] of [
    ['grant', thief.publicKey],
    ['revoke', root.keyId],
  ] as const) {
    const keyFile = ['--key-file', user.file('second.key')];
    const outcome = await user.run('operator', 'key', command, subject, ...keyFile, '--json', ...at());
    assert.equal(codeOf(outcome), 'record/unauthorized');
    const { stderr } = await user.run('operator', 'key', command, subject, ...keyFile, ...at());
    assert.match(stderr, /\nnext: see which keys may: waybill operator key list/);
  }
});

test('a server whose key was revoked does not start', async () => {
  await assert.rejects(startWith('first.key'), { code: 'operator/changed' });
  await startWith('second.key');
});

test('a draft that another record has overtaken is drafted again, one that was sent is sent once', async () => {
  const draft = user.file('late.json');
  await user.ok('operator', 'namespace', 'add', 'late', '--draft', draft, ...at());
  const signed = await carry('early', 'namespace', 'add', 'early');
  await user.ok('operator', 'send', signed, ...at());
  await user.ok('operator', 'sign', draft, '--key-file', root.file);
  const late = await user.run('operator', 'send', user.file('late.signed.json'), '--json', ...at());
  assert.equal(codeOf(late), 'publish/conflict');
  const { stderr } = await user.run('operator', 'send', user.file('late.signed.json'), ...at());
  assert.match(stderr, /draft it again.*\nnext: give the command again/s);
  await carry('after', 'namespace', 'add', 'after');
  assert.match(await user.ok('operator', 'send', signed, ...at()), /\ndone, by record/);
  const names = JSON.parse(await user.ok('operator', 'namespace', 'list', '--json', ...at()));
  assert.deepEqual(
    names.map(({ namespace }: { namespace: string }) => namespace),
    ['test', 'early', 'after'],
  );
});

test('a draft is signed later: a key for now is refused, and nothing is written', async () => {
  const draft = user.file('keyed.json');
  const add = ['operator', 'namespace', 'add', 'keyed', '--draft', draft, '--key-file', root.file];
  const outcome = await user.run(...add, '--json', ...at());
  assert.deepEqual([codeOf(outcome), /--key-file/.test(outcome.stderr)], ['usage/invalid', true]);
  const policy = ['operator', 'governance', 'policy', '--start', 'open', '--draft', draft];
  for (const flags of [
    ['--sign', 'default'],
    ['--key-file', root.file],
  ]) {
    assert.equal(codeOf(await user.run(...policy, ...flags, '--json', ...at())), 'usage/invalid');
  }
  await assert.rejects(stat(draft), { code: 'ENOENT' });
});

test('what is no file, or too large for a record, is refused before it is read', async () => {
  const large = user.file('large.json');
  await writeFile(large, '');
  await truncate(large, 2 ** 40);
  const pipe = user.file('pipe.json');
  if (process.platform !== 'win32') execFileSync('mkfifo', [pipe]);
  for (const file of [large, user.home, ...(process.platform === 'win32' ? [] : [pipe])]) {
    const outcome = await user.run('record', 'show', file, '--json');
    assert.equal(codeOf(outcome), 'usage/invalid', outcome.stderr);
  }
});

test('of two records at once the one that was second is made anew', async () => {
  const add = (name: string): Promise<string> =>
    user.ok('operator', 'namespace', 'add', name, '--key-file', root.file, ...at());
  await Promise.all(['one', 'two', 'three'].map(add));
  const names = JSON.parse(await user.ok('operator', 'namespace', 'list', '--json', ...at()));
  assert.equal(names.length, 6);
});

test('what is no draft is not signed, what is not signed is not sent, and no key file is written over', async () => {
  const draft = user.file('unsigned.json');
  await user.ok('operator', 'namespace', 'add', 'other', '--draft', draft, ...at());
  assert.equal(codeOf(await user.run('operator', 'send', draft, '--json', ...at())), 'usage/invalid');
  const envelope = JSON.parse(await readFile(draft, 'utf8'));
  const cases = {
    'text.json': 'not JSON',
    'package.json': JSON.stringify({ ...envelope, contentBytes: 'AAAA' }),
    'empty.json': JSON.stringify({ ...envelope, contentBytes: '' }),
  };
  for (const [name, text] of Object.entries(cases)) {
    await writeFile(user.file(name), text);
    const outcome = await user.run('operator', 'sign', user.file(name), '--key-file', root.file, '--json');
    assert.notEqual(outcome.code, 0, name);
    await assert.rejects(stat(user.file(name.replace('.json', '.signed.json'))), { code: 'ENOENT' });
  }
  const kept = await readFile(root.file, 'utf8');
  assert.equal((await user.run('operator', 'key', 'new', root.file)).code, 64);
  assert.equal(await readFile(root.file, 'utf8'), kept);
  assert.equal((await stat(user.file('thief.key'))).mode & 0o777, 0o600);
  const none = await user.run('operator', 'key', 'grant', 'ecdsa-p256:nonsense', '--json', ...at());
  assert.equal(none.code, 64);
});
