import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { filesBelow, writeFolder } from './folder-files.ts';
import {
  codeOf,
  COMPONENT,
  CORE_MODULE,
  openRegistry,
  openUser,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

/* A private namespace, as users meet it: spec/http.md 7. */

let registry: TestRegistry;
let operator: TestUser;
let author: TestUser;
let at: readonly string[];

const FILES = { 'component.wasm': new Uint8Array(), 'notes.txt': 'of the team', 'wit/world.wit': 'package team:site;' };

before(async () => {
  registry = await openRegistry({
    tokens: 'optional',
    namespaces: ['test', 'team'],
    privateNamespaces: ['team'],
  });
  at = ['--registry', registry.url.href];
  operator = await openUser();
  author = await openUser();
  await author.ok('key', 'new');
  await login(author, await make('publish', 'team'));
  await publish(CORE_MODULE, 'team:tool');
  const folder = { ...FILES, 'component.wasm': await readFile(COMPONENT) };
  for (const name of ['team:site', 'test:site']) await publish(await writeFolder(author.file(name), folder), name);
  await writeFolder(author.file('own'), { ...folder, 'notes.txt': 'of nobody else' });
  await publish('own', 'team:own');
});
after(async () => {
  for (const one of [registry, operator, author]) await one.dispose();
});

async function make(action: string, namespace: string): Promise<string> {
  const args = ['ci', '--action', action, '--namespace', namespace, '--data', registry.folder, '--json'];
  return JSON.parse(await operator.ok('token', 'create', ...args)).token;
}

async function login(user: TestUser, token: string): Promise<void> {
  await writeFile(user.file('token.txt'), `${token}\n`);
  await user.ok('login', registry.url.href, '--token-file', 'token.txt');
}

async function publish(what: string, name: string, version = '1.0.0'): Promise<void> {
  // A token that covers one namespace is in the way of another, where none is needed.
  const covers = name.startsWith('team:');
  if (!covers) await author.ok('logout', registry.url.href);
  await author.ok('publish', what, '--package', name, '--version', version, ...at);
  if (!covers) await login(author, await make('publish', 'team'));
}

async function withUser(work: (user: TestUser) => Promise<void>): Promise<void> {
  const user = await openUser();
  try {
    await work(user);
  } finally {
    await user.dispose();
  }
}

test('who has a token that covers it gets what is private, and who has none is told what would help', async () => {
  await withUser(async (user) => {
    const refused = await user.run('get', 'team:tool', '-o', 'tool.wasm', '--json', ...at);
    assert.deepEqual([refused.code, codeOf(refused)], [77, 'token/required']);
    await login(user, await make('read', 'test'));
    assert.equal(codeOf(await user.run('get', 'team:tool', '-o', 'tool.wasm', '--json', ...at)), 'token/scope');
    await login(user, await make('read', 'team'));
    const nothing = await user.run('get', 'team:nothing', '-o', 'tool.wasm', '--json', ...at);
    assert.equal(codeOf(nothing), 'log/not-found');
    await user.ok('get', 'team:tool', '-o', 'tool.wasm', ...at);
    assert.deepEqual(await readFile(user.file('tool.wasm')), await readFile(CORE_MODULE));
    // What this machine knows of the log by now does not hide that there is more of it.
    await publish(CORE_MODULE, 'team:tool', '1.1.0');
    await user.ok('get', 'team:tool@1.1.0', '-o', 'new.wasm', ...at);
    assert.match(await user.ok('find', 'tool.wasm', ...at), /team:tool/);
    const denied = await user.run(
      'publish',
      'tool.wasm',
      '--package',
      'team:mine',
      '--version',
      '1.0.0',
      '--json',
      ...at,
    );
    assert.notEqual(denied.code, 0);
  });
});

test('files of a private tree are read by who may read it; those that a public one has, too, by all', async () => {
  await withUser(async (user) => {
    await user.ok('get', 'test:site', '-o', 'public', ...at);
    assert.equal((await filesBelow(user.file('public')))['notes.txt'], FILES['notes.txt']);
    assert.notEqual((await user.run('get', 'team:own', '-o', 'own', ...at)).code, 0);
    await login(user, await make('read', 'team'));
    await user.ok('get', 'team:own', '-o', 'own', ...at);
    assert.equal((await filesBelow(user.file('own')))['notes.txt'], 'of nobody else');
  });
});

test('a token that was taken back reads nothing private, and is in the way of nothing public', async () => {
  await withUser(async (user) => {
    const token = await make('read', 'team');
    await login(user, token);
    await operator.ok('token', 'revoke', token.slice('wbt_'.length, 20), '--data', registry.folder);
    assert.equal(codeOf(await user.run('get', 'team:tool', '-o', 'tool.wasm', '--json', ...at)), 'token/invalid');
    await user.ok('get', 'test:site', '-o', 'public', ...at);
  });
});
