import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CORE_MODULE,
  openRegistry,
  openUser,
  type CommandOutcome,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

let registry: TestRegistry;
let operator: TestUser;
let user: TestUser;
let at: readonly string[];
let data: readonly string[];

before(async () => {
  registry = await openRegistry({ tokens: 'required', namespaces: ['test', 'team'] });
  at = ['--registry', registry.url.href];
  data = ['--data', registry.folder];
  operator = await openUser();
  user = await openUser();
  await user.ok('key', 'new');
});
after(async () => {
  await registry.dispose();
  await operator.dispose();
  await user.dispose();
});

interface Made {
  readonly token: string;
  readonly id: string;
}

async function make(...args: readonly string[]): Promise<Made> {
  return JSON.parse(await operator.ok('token', 'create', ...args, ...data, '--json'));
}

async function login(token: string): Promise<string> {
  await writeFile(path.join(user.home, 'token.txt'), `${token}\n`);
  return user.ok('login', registry.url.href, '--token-file', 'token.txt');
}

function publish(name: string, as: TestUser = user): Promise<CommandOutcome> {
  return as.run('publish', CORE_MODULE, '--package', name, '--version', '1.0.0', ...at, '--json');
}

function assertRefused({ code, stderr }: CommandOutcome, exit: number, error: string): void {
  assert.deepEqual([code, JSON.parse(stderr).error.code], [exit, error], stderr);
}

test('a token is made, kept, shown, revoked beside the server, and forgotten', async () => {
  assertRefused(await publish('test:tool'), 77, 'token/required');
  const { token, id } = await make('ci', '--namespace', 'test');
  const said = await login(token);
  assert.ok(!said.includes(token));
  assert.equal((await publish('test:tool')).code, 0);
  assertRefused(await publish('team:tool'), 77, 'token/scope');
  const reader = await openUser();
  await reader.ok('get', 'test:tool', '-o', 'tool.wasm', ...at);
  await reader.dispose();
  // In a process of its own, beside the server in this one.
  const { code } = await operator.spawn('token', 'revoke', id, ...data);
  assert.equal(code, 0);
  assertRefused(await publish('test:other'), 77, 'token/invalid');
  assert.match(await user.ok('logout', registry.url.href), /forgot/);
  assert.match(await user.ok('logout', registry.url.href), /no token/);
  assertRefused(await publish('test:other'), 77, 'token/required');
});

test('a token from the environment wins, an expired one is refused, and a mistyped one is not sent', async () => {
  const key = (await user.ok('key', 'export')).trim();
  const publishWith = async (token: string, name: string): Promise<CommandOutcome> => {
    const ci = await openUser({ WAYBILL_TOKEN: token, WAYBILL_KEY: key });
    const outcome = await publish(name, ci);
    await ci.dispose();
    return outcome;
  };
  const { token } = await make('env', '--namespace', '*', '--expires', '1d');
  assert.equal((await publishWith(token, 'team:env')).code, 0);
  assertRefused(await publishWith(`${token.slice(0, -1)}x`, 'team:env2'), 64, 'text/token');
  const { token: brief } = await make('brief', '--namespace', '*', '--expires', '1s');
  await sleep(1_100);
  assertRefused(await publishWith(brief, 'team:late'), 77, 'token/invalid');
});

test('standard output of a new token is the token alone, and lists never show one', async () => {
  const { code, stdout, stderr } = await operator.run('token', 'create', 'piped', '--namespace', 'team,test', ...data);
  assert.equal(code, 0);
  assert.match(stdout, /^wbt_[0-9a-f]{72}\n$/);
  const token = stdout.trim();
  assert.ok(stderr.includes('piped') && !stderr.includes(token));
  const list = await operator.ok('token', 'list', ...data);
  const listed = JSON.parse(await operator.ok('token', 'list', ...data, '--json'));
  for (const text of [list, JSON.stringify(listed)]) assert.ok(!text.includes(token.slice(20)));
  const { created, expires, ...one } = listed.find(({ account }: { account: string }) => account === 'piped');
  assert.deepEqual(one, {
    id: token.slice(4, 20),
    account: 'piped',
    actions: ['publish'],
    namespaces: ['team', 'test'],
    lastUsed: null,
    revoked: null,
    state: 'active',
  });
  assert.equal(Date.parse(expires) - Date.parse(created), 90 * 86_400_000);
  assert.match(list, /piped {2}active {2}publish in team,test/);
});

test('a token comes through a pipe, and its file is for its user alone', async () => {
  const { token } = await make('pipe', '--namespace', 'test');
  const { code, stdout } = await user.pipe(token, 'login', registry.url.href, '--json');
  assert.equal(code, 0);
  const { file } = JSON.parse(stdout);
  if (process.platform !== 'win32') assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await publish('test:pipe')).code, 0);
  await user.ok('logout', registry.url.href);
});

test('a token at the command line is refused, and not repeated', async () => {
  const { token, id } = await make('slip', '--namespace', 'test');
  const slips = [
    ['login', token],
    ['login', registry.url.href, '--token-file', token],
    ['logout', token],
    ['login', registry.url.href, '--token-file', 'another-registrys-secret-token'],
    ['token', 'revoke', token, ...data],
  ];
  for (const slip of slips) {
    const { code, stdout, stderr } = await user.run(...slip);
    assert.equal(code, 64, stderr);
    assert.ok(![token.slice(20), 'another-registrys'].some((secret) => `${stdout}${stderr}`.includes(secret)));
  }
  await operator.ok('token', 'revoke', id, ...data);
});

test('mistakes with tokens are told', async () => {
  const create = ['token', 'create', 'ci', ...data, '--json'];
  const mistakes: readonly (readonly [number, string, ...(readonly string[])])[] = [
    [64, 'usage/invalid', 'token', 'create', 'me@example', '--namespace', 'test', ...data, '--json'],
    [64, 'usage/invalid', ...create, '--namespace', 'test', '--expires', 'soon'],
    [64, 'usage/invalid', ...create, '--namespace', 'test', '--expires', '367d'],
    [64, 'usage/invalid', ...create, '--namespace', 'test', '--action', 'fly'],
    [64, 'text/namespace', ...create, '--namespace', 'Test'],
    [64, 'usage/invalid', 'token', 'list', '--data', 'nowhere', '--json'],
    [64, 'text/token', 'token', 'revoke', 'ci', ...data, '--json'],
    [68, 'token/not-found', 'token', 'revoke', '0123456789abcdef', ...data, '--json'],
  ];
  for (const [exit, error, ...args] of mistakes) assertRefused(await operator.run(...args), exit, error);
});

test('tokens are made in other processes while records are published', async () => {
  const { token } = await make('busy', '--namespace', 'test');
  await login(token);
  const makers = ['one', 'two', 'three'].map((account) =>
    operator.spawn('token', 'create', account, '--namespace', 'test', ...data),
  );
  for (const name of ['test:busy-a', 'test:busy-b', 'test:busy-c']) assert.equal((await publish(name)).code, 0);
  for (const { code, stderr } of await Promise.all(makers)) assert.equal(code, 0, stderr);
  const listed = JSON.parse(await operator.ok('token', 'list', ...data, '--json'));
  const accounts = new Set(listed.map(({ account }: { account: string }) => account));
  for (const account of ['one', 'two', 'three']) assert.ok(accounts.has(account));
  await user.ok('logout', registry.url.href);
});

test('the commands for tokens have help with examples, and completions', async () => {
  for (const command of ['create', 'list', 'revoke']) {
    assert.match(await user.ok('token', command, '--help'), new RegExp(`waybill token ${command}`));
  }
  const proposals = await user.ok('__complete', 'token', '');
  assert.deepEqual(proposals.trim().split('\n').toSorted().slice(0, 3), ['create', 'list', 'revoke']);
});
