import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { sampleOf } from './scale.ts';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  user = await openUser();
  await user.ok('key', 'new');
  await user.ok('publish', CORE_MODULE, '--package', 'test:tool', '--version', '1.0.0', ...at);
});

after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** A command line, its exit code, and the error code it reports where there is one. */
const MISTAKES: readonly (readonly [code: number, error: string | null, ...args: readonly string[]])[] = [
  [64, null, 'frob'],
  [64, null, 'get'],
  [64, null, 'get', 'test:tool', '--bogus'],
  [64, 'text/package-name', 'get', 'Test:Tool'],
  [64, 'usage/invalid', 'get', 'test:tool@not a range'],
  [64, 'usage/invalid', 'get', 'test:tool', '--registry', 'http://example.com'],
  [64, 'text/version', 'yank', 'test:tool@1'],
  [64, 'usage/invalid', 'record', 'test:tool'],
  [64, 'usage/invalid', 'publish', 'no-such-file.wasm', '--package', 'test:tool', '--version', '2.0.0'],
  [64, 'usage/invalid', 'serve', '--listen', '0.0.0.0:0'],
  [64, 'usage/invalid', 'serve', '--listen', '127.0.0.1:0', '--data', CORE_MODULE],
  [64, 'usage/invalid', 'serve', '--metrics', '9090'],
  [64, 'usage/invalid', 'completion', 'constructor'],
  [64, 'usage/invalid', 'key', 'new'],
  [68, 'release/not-found', 'get', 'test:tool@^9'],
  [68, 'log/not-found', 'get', 'test:none'],
  [68, 'key/not-found', 'key', 'info', '--name', 'other'],
  [69, 'registry/unreachable', 'get', 'test:tool', '--registry', 'http://127.0.0.1:1'],
  [77, 'namespace/undefined', 'publish', CORE_MODULE, '--package', 'none:tool', '--version', '1.0.0'],
  [77, 'record/release-again', 'publish', CORE_MODULE, '--package', 'test:tool', '--version', '1.0.0'],
  [77, 'record/yank-unreleased', 'yank', 'test:tool@3.0.0'],
  [77, 'registry/refused', 'record', 'test:tool', '--release', `1.0.0+twin=${CORE_MODULE}`],
  [68, 'log/not-found', 'yank', 'test:none@1.0.0'],
];

test('each mistake ends with its exit code and error code', async () => {
  const outcomes = sampleOf(MISTAKES, 8).map(async ([code, error, ...args]) => {
    const needsRegistry =
      error !== null && !args.includes('--registry') && ['get', 'publish', 'record', 'yank'].includes(args[0] ?? '');
    const given = [...args, ...(needsRegistry ? at : []), ...(error === null ? [] : ['--json'])];
    const outcome = await user.run(...given);
    assert.equal(outcome.code, code, `waybill ${given.join(' ')}: ${outcome.stderr}`);
    assert.equal(outcome.stdout, '', given.join(' '));
    if (error !== null) assert.equal(JSON.parse(outcome.stderr).error.code, error, given.join(' '));
  });
  await Promise.all(outcomes);
});

test('locking everybody out needs --final', async () => {
  const { keyId } = JSON.parse(await user.ok('key', 'info', '--json'));
  await user.ok('publish', CORE_MODULE, '--package', 'test:last', '--version', '1.0.0', ...at);
  const refused = await user.run('revoke', 'test:last', '--from', keyId, ...at, '--json');
  assert.equal(refused.code, 77);
  await user.ok('revoke', 'test:last', '--from', keyId, '--final', ...at);
});

test('several statements in one record, ranges, and a yank', async () => {
  const { publicKey } = JSON.parse(await user.ok('key', 'new', '--name', 'second', '--json'));
  const record = ['record', 'test:tool', '--grant', `${publicKey}=release`, '--release', `1.1.0=${COMPONENT}`];
  const done = JSON.parse(
    await user.ok(...record, '--release', `2.0.0-rc.1=${CORE_MODULE}`, '--yank', '1.0.0', ...at, '--json'),
  );
  assert.equal(done.startedLog, false);
  const resolved = async (wanted: string): Promise<string> =>
    JSON.parse(await user.ok('get', wanted, '-o', 'out.wasm', '--json', ...at)).version;
  assert.equal(await resolved('test:tool'), '1.1.0');
  assert.equal(await resolved('test:tool@>=1'), '1.1.0');
  assert.equal(await resolved('test:tool@2.0.0-rc.1'), '2.0.0-rc.1');
  const yanked = await user.run('get', 'test:tool@1.0.0', '-o', 'out.wasm', ...at);
  assert.equal(yanked.code, 0);
  assert.match(yanked.stderr, /^warning: version 1\.0\.0 was yanked$/m);
  await user.ok('publish', COMPONENT, '--package', 'test:tool', '--version', '1.2.0', '--key', 'second', ...at);
  assert.match(await user.ok('log', 'show', 'test:tool', ...at), /yank 1\.0\.0/);
});

test('an exported log validates anywhere; a damaged one names its record, exit code 1', async () => {
  await user.ok('log', 'export', 'test:tool', '-o', 'tool.log', ...at);
  assert.equal(JSON.parse(await user.ok('log', 'validate', 'tool.log', '--json')).valid, true);
  const file = path.join(user.home, 'tool.log');
  const bytes = await readFile(file);
  bytes[bytes.length - 40] = (bytes[bytes.length - 40] ?? 0) ^ 1;
  await writeFile(file, bytes);
  const { code, stdout } = await user.run('log', 'validate', 'tool.log', '--json');
  assert.equal(code, 1);
  const verdict = JSON.parse(stdout);
  assert.equal(verdict.valid, false);
  assert.ok(verdict.recordIndex > 0);
  await writeFile(file, bytes.subarray(0, bytes.length - 1));
  assert.equal((await user.run('log', 'validate', 'tool.log')).code, 1);
});

test('a key goes out and in again, by file and by environment', async () => {
  const other = await openUser();
  try {
    await writeFile(path.join(other.home, 'my.key'), await user.ok('key', 'export'));
    const imported = JSON.parse(await other.ok('key', 'import', 'my.key', '--name', 'copy', '--json'));
    const mine = JSON.parse(await user.ok('key', 'info', '--json'));
    assert.equal(imported.keyId, mine.keyId);
    assert.deepEqual(JSON.parse(await other.ok('key', 'list', '--json')), [{ name: 'copy', keyId: mine.keyId }]);
    const ci = await openUser({ WAYBILL_KEY: (await user.ok('key', 'export')).trim() });
    await ci.ok('publish', CORE_MODULE, '--package', 'test:ci', '--version', '1.0.0', ...at);
    await ci.dispose();
  } finally {
    await other.dispose();
  }
});

test('namespaces are the operator’s, by signed records on a running registry', async () => {
  const keyFile = ['--key-file', path.join(registry.folder, 'operator.key')];
  await user.ok('operator', 'namespace', 'add', 'later', ...keyFile, ...at);
  await user.ok('operator', 'namespace', 'import', 'wasi', 'wasi.dev', ...keyFile, ...at);
  const names = JSON.parse(await user.ok('operator', 'namespace', 'list', '--json', ...at));
  assert.deepEqual(names.slice(1), [
    { namespace: 'later', importedFrom: null },
    { namespace: 'wasi', importedFrom: 'wasi.dev' },
  ]);
  await user.ok('publish', CORE_MODULE, '--package', 'later:tool', '--version', '1.0.0', ...at);
  assert.equal(
    (await user.run('publish', CORE_MODULE, '--package', 'wasi:http', '--version', '1.0.0', ...at)).code,
    77,
  );
  assert.equal((await user.run('operator', 'namespace', 'add', 'later', ...keyFile, ...at)).code, 77);
});

test('settings are kept, and the registry among them is used', async () => {
  const other = await openUser();
  try {
    await other.ok('config', 'registry', registry.url.href);
    assert.equal((await other.ok('config', 'registry')).trim(), registry.url.href);
    await other.ok('info', 'test:tool');
    assert.equal((await other.run('config', 'colour', 'red')).code, 64);
  } finally {
    await other.dispose();
  }
});

test('a pipe gets the bytes and nothing else', async () => {
  const { code, stdout, stderr } = await user.spawn('get', 'test:tool@2.0.0-rc.1', '-o', '-', ...at);
  assert.equal(code, 0);
  assert.equal(stderr, '');
  assert.equal(stdout.length > 0, true);
});

test('every command has help with an example, and shells have completions', async () => {
  const commands = [
    'publish',
    'get',
    'yank',
    'grant',
    'revoke',
    'record',
    'info',
    'find',
    'verify',
    'update',
    'add',
    'install',
    'why',
    'outdated',
    'head',
    'login',
    'logout',
    'serve',
    'completion',
  ];
  const help = await user.ok('--help');
  for (const command of commands) assert.match(help, new RegExp(`\\b${command}\\b`));
  for (const command of sampleOf(commands, 3)) {
    assert.match(await user.ok(command, '--help'), new RegExp(`waybill ${command}`));
  }
  assert.match(await user.ok('completion', 'bash'), /complete .* waybill/);
  assert.match(await user.ok('__complete', 'pub'), /publish/);
});
