import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer as createSocket } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { filesBelow, writeFolder } from './folder-files.ts';
import { openLyingProxy } from './lying-proxy.ts';
import {
  CORE_MODULE,
  COMPONENT,
  codeOf,
  openRegistry,
  openUser,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

let registry: TestRegistry;
let user: TestUser;

before(async () => {
  registry = await openRegistry();
  user = await openUser();
  await user.ok('key', 'new');
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

const at = (url: string | URL = registry.url): readonly string[] => ['--registry', String(url)];

async function publish(folder: string, name: string, version = '1.0.0'): Promise<void> {
  await user.ok('publish', folder, '--package', name, '--version', version, ...at());
}

test('modes, times and the order of the file system are in no tree; what is ignored is not either', async () => {
  const first = await writeFolder(user.file('one'), {
    'b/x.txt': 'x',
    a: 'a',
    'component.wasm': await readFile(COMPONENT),
  });
  const second = await writeFolder(user.file('two'), {
    'component.wasm': await readFile(COMPONENT),
    a: 'a',
    'b/x.txt': 'x',
  });
  await writeFolder(second, {
    '.waybillignore': '*.log\n/out/\n!keep.log\n',
    'b/y.log': 'log',
    'out/z': 'z',
    '.git/config': 'g',
  });
  await symlink('/etc/passwd', path.join(second, 'out', 'link'));
  await chmod(path.join(second, 'a'), 0o755);
  await utimes(path.join(second, 'a'), 1, 1);
  await publish(first, 'test:plain', '1.0.0');
  await publish(second, 'test:plain', '1.0.1');
  const compared = JSON.parse(await user.ok('diff', 'test:plain@1.0.0', 'test:plain@1.0.1', '--json', ...at()));
  assert.deepEqual([compared.same, compared.files], [true, []]);
});

test('W3: links, sockets, names that are no text and names that are one to some file systems are not published', async () => {
  const cases: readonly (readonly [string, string, (folder: string) => Promise<unknown>])[] = [
    ['link', 'usage/invalid', (folder) => symlink('a', path.join(folder, 'link'))],
    ['folder-link', 'usage/invalid', (folder) => symlink('..', path.join(folder, 'up'))],
    ['twins', 'content/tree', (folder) => writeFolder(folder, { README: '1', readme: '2' })],
    ['folder-twins', 'content/tree', (folder) => writeFolder(folder, { 'Wit/a': '1', 'wit/b': '2' })],
    ['line-end', 'content/tree', (folder) => writeFolder(folder, { 'a\nb': '1' })],
    [
      'bytes',
      'usage/invalid',
      (folder) => writeFile(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe])]), 'x'),
    ],
  ];
  for (const [name, code, spoil] of cases) {
    const folder = await writeFolder(user.file(`bad-${name}`), { a: 'a' });
    await spoil(folder);
    const outcome = await user.run('publish', folder, '--package', 'test:bad', '--version', '1.0.0', '--json', ...at());
    assert.equal(codeOf(outcome), code, name);
  }
  const folder = await writeFolder(user.file('bad-socket'), { a: 'a' });
  const socket = createSocket();
  await new Promise<void>((resolve) => socket.listen(path.join(folder, 's'), resolve));
  const outcome = await user.run('publish', folder, '--package', 'test:bad', '--version', '1.0.0', '--json', ...at());
  await new Promise((resolve) => socket.close(resolve));
  assert.equal(codeOf(outcome), 'usage/invalid');
  await mkdir(user.file('empty'));
  const empty = await user.run('publish', 'empty', '--package', 'test:bad', '--version', '1.0.0', '--json', ...at());
  assert.equal(codeOf(empty), 'usage/invalid');
});

test('a folder that is there is left alone, unless it is the same or is to be replaced', async () => {
  await publish(await writeFolder(user.file('src'), { a: 'a', 'b/c': 'c' }), 'test:kept');
  await user.ok('get', 'test:kept', '-o', 'kept', ...at());
  assert.equal(JSON.parse(await user.ok('get', 'test:kept', '-o', 'kept', '--json', ...at())).unchanged, true);
  await writeFile(user.file('kept/mine'), 'mine');
  const refused = await user.run('get', 'test:kept', '-o', 'kept', '--json', ...at());
  assert.equal(codeOf(refused), 'usage/invalid');
  assert.equal(await readFile(user.file('kept/mine'), 'utf8'), 'mine');
  await user.ok('get', 'test:kept', '-o', 'kept', '--force', ...at());
  assert.deepEqual(await filesBelow(user.file('kept')), { a: 'a', 'b/c': 'c' });
  await symlink('..', user.file('up'));
  for (const here of ['.', '..', path.join('up', path.basename(user.home))]) {
    assert.equal(codeOf(await user.run('get', 'test:kept', '-o', here, '--force', '--json', ...at())), 'usage/invalid');
  }
  await symlink('kept', user.file('kept-link'));
  assert.equal(codeOf(await user.run('get', 'test:kept', '-o', 'kept-link', '--json', ...at())), 'usage/invalid');
});

test('an interrupted get leaves the old tree, and one that a crash left aside is put back', async () => {
  const folder = await writeFolder(user.file('moving'), { a: 'old', b: 'same' });
  await publish(folder, 'test:moving', '1.0.0');
  await user.ok('get', 'test:moving', '-o', 'moved', ...at());
  await publish(await writeFolder(folder, { a: 'new', c: 'last' }), 'test:moving', '1.1.0');
  const last = createHash('sha256').update('last').digest('hex');
  let cuts = 0;
  const proxy = await openLyingProxy(registry.url, (answer) => {
    if (!answer.path.endsWith(`/content/sha256-${last}`)) return answer.body;
    cuts++;
    throw new Error('cut');
  });
  const old = await filesBelow(user.file('moved'));
  try {
    const { code } = await user.run(
      'get',
      'test:moving',
      '-o',
      'moved',
      '--force',
      '--operator-key',
      registry.operatorKeyId,
      ...at(proxy.url),
    );
    assert.notEqual(code, 0);
    assert.ok(cuts > 0);
  } finally {
    await proxy.close();
  }
  assert.deepEqual(await filesBelow(user.file('moved')), old);
  // As after a crash between the two renames.
  await rename(user.file('moved'), user.file('.moved.waybill-old'));
  const refused = await user.run('get', 'test:moving', '-o', 'moved', '--json', ...at());
  assert.equal(codeOf(refused), 'usage/invalid');
  assert.deepEqual(await filesBelow(user.file('moved')), old);
  await user.ok('get', 'test:moving', '-o', 'moved', '--force', ...at());
  assert.deepEqual(await filesBelow(user.file('moved')), { a: 'new', b: 'same', c: 'last' });
  assert.deepEqual(
    (await readdir(user.home)).filter((name) => /moved.+/.test(name)),
    [],
  );
});

test('one file of a tree goes where it is asked for, and a tree is not a file', async () => {
  await publish(await writeFolder(user.file('parts'), { 'wit/world.wit': 'world', 'wit/io.wit': 'io' }), 'test:parts');
  await user.ok('get', 'test:parts@1.0.0/wit/world.wit', ...at());
  assert.equal(await readFile(user.file('world.wit'), 'utf8'), 'world');
  await user.ok('get', 'test:parts/wit/io.wit', '-o', 'other.wit', ...at());
  assert.equal(await readFile(user.file('other.wit'), 'utf8'), 'io');
  assert.equal(codeOf(await user.run('get', 'test:parts/nothing', '--json', ...at())), 'content/not-found');
  assert.equal(codeOf(await user.run('get', 'test:parts', '-o', '-', '--json', ...at())), 'usage/invalid');
  await user.ok('publish', CORE_MODULE, '--package', 'test:single', '--version', '1.0.0', ...at());
  assert.equal(codeOf(await user.run('get', 'test:single/path', '--json', ...at())), 'usage/invalid');
  assert.equal(JSON.parse(await user.ok('diff', 'test:single', 'test:parts', '--json', ...at())).same, false);
});

test('a package of version 0 takes no tree before it is upgraded; drafts take the folder when they are sent', async () => {
  const folder = await writeFolder(user.file('late'), { a: 'late' });
  await user.ok('publish', CORE_MODULE, '--package', 'test:late', '--version', '1.0.0', ...at());
  const refused = await user.run('publish', folder, '--package', 'test:late', '--version', '2.0.0', '--json', ...at());
  assert.equal(codeOf(refused), 'usage/invalid');
  await user.ok('upgrade', 'test:late', ...at());
  await user.ok('publish', folder, '--package', 'test:late', '--version', '2.0.0', '--draft', 'late.json', ...at());
  await user.ok('record', 'sign', 'late.json');
  await user.ok('record', 'send', 'late.signed.json', '--content', folder, ...at());
  await user.ok('get', 'test:late', '-o', 'late-again', ...at());
  assert.deepEqual(await filesBelow(user.file('late-again')), { a: 'late' });
});

test('P4: --kind is signed, and a file that is of another kind is not published', async () => {
  const wrong = await user.run(
    'publish',
    COMPONENT,
    '--kind',
    'module',
    '--package',
    'test:kind',
    '--version',
    '1.0.0',
    '--json',
    ...at(),
  );
  assert.equal(codeOf(wrong), 'content/policy');
  await user.ok('publish', COMPONENT, '--kind', 'component', '--package', 'test:kind', '--version', '1.0.0', ...at());
  assert.equal(JSON.parse(await user.ok('ls', 'test:kind', '--json', ...at())).kind, 'component');
  await user.ok('get', 'test:kind', ...at());
  assert.ok(existsSync(user.file('kind.wasm')));
  await rm(user.file('kind.wasm'));
  await cp(COMPONENT, user.file('kind.wasm'));
  await user.ok('verify', 'kind.wasm', '--package', 'test:kind', ...at());
});
