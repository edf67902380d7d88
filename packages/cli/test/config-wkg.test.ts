import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { codeOf, openUser, type TestUser } from './registry.ts';

const REGISTRY = 'http://127.0.0.1:8090/';

async function newUser(t: TestContext, environment: Readonly<Record<string, string>> = {}): Promise<TestUser> {
  const user = await openUser(environment);
  t.after(() => user.dispose());
  return user;
}

test('config wkg prints, and writes only when asked', async (t) => {
  const user = await newUser(t);
  await user.ok('config', 'registry', REGISTRY);
  const printed = await user.ok('config', 'wkg');
  assert.match(printed, /^default_registry = "127\.0\.0\.1:8090"$/m);
  const file = user.file('.config/wasm-pkg/config.toml');
  const { file: told, text } = JSON.parse(await user.ok('config', 'wkg', '--json'));
  assert.deepEqual([told, text], [file, printed]);
  await assert.rejects(stat(file), { code: 'ENOENT' });

  const written = JSON.parse(await user.ok('config', 'wkg', '--write', '--json'));
  assert.deepEqual(written, { file, isChanged: true, backup: null, replacedDefault: null });
  assert.equal(await readFile(file, 'utf8'), printed);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test('config wkg keeps what it replaces, and changes nothing twice', async (t) => {
  const user = await newUser(t, { WAYBILL_REGISTRY: REGISTRY });
  const folder = user.file('.config/wasm-pkg');
  const file = path.join(folder, 'config.toml');
  await mkdir(folder, { recursive: true });
  const old = '# mine\ndefault_registry = "old.example"\n';
  await writeFile(file, old);
  await writeFile(`${file}.1`, 'an older one');
  await chmod(file, 0o640);

  const first = JSON.parse(await user.ok('config', 'wkg', '--write', '--json'));
  assert.deepEqual(first, { file, isChanged: true, backup: `${file}.2`, replacedDefault: 'old.example' });
  assert.equal(await readFile(`${file}.2`, 'utf8'), old);
  assert.equal(await readFile(`${file}.1`, 'utf8'), 'an older one');
  assert.match(await readFile(file, 'utf8'), /^# mine$/m);
  assert.equal((await stat(file)).mode & 0o777, 0o640);

  const again = JSON.parse(await user.ok('config', 'wkg', '--write', '--json'));
  assert.deepEqual(again, { file, isChanged: false, backup: null });
  assert.deepEqual((await readdir(folder)).toSorted(), ['config.toml', 'config.toml.1', 'config.toml.2']);
});

test('config wkg writes where WKG_CONFIG_FILE says, and --file before that', async (t) => {
  const user = await newUser(t, { WAYBILL_REGISTRY: REGISTRY, WKG_CONFIG_FILE: 'here.toml' });
  await user.ok('config', 'wkg', '--write', '--namespace', 'demo');
  await user.ok('config', 'wkg', '--write', '--file', 'there.toml');
  assert.doesNotMatch(await readFile(user.file('here.toml'), 'utf8'), /default_registry/);
  assert.match(await readFile(user.file('there.toml'), 'utf8'), /default_registry/);
});

test('config wkg leaves a link a link', async (t) => {
  const user = await newUser(t, { WAYBILL_REGISTRY: REGISTRY });
  await writeFile(user.file('dotfile.toml'), '');
  await symlink(user.file('dotfile.toml'), user.file('link.toml'));
  await user.ok('config', 'wkg', '--write', '--file', 'link.toml');
  assert.match(await readFile(user.file('dotfile.toml'), 'utf8'), /default_registry/);
  assert.ok(
    (await readdir(user.home, { withFileTypes: true })).find(({ name }) => name === 'link.toml')?.isSymbolicLink(),
  );
});

const REFUSED: readonly (readonly [title: string, bytes: Uint8Array, ...args: readonly string[]])[] = [
  ['no TOML', Buffer.from('[default')],
  ['no UTF-8', Uint8Array.of(0x23, 0xff, 0x0a)],
  ['no namespace', Buffer.from(''), '--namespace', 'Not One'],
  ['a registry below a path', Buffer.from(''), '--registry', 'https://registry.example/below/'],
];

for (const [title, bytes, ...args] of REFUSED) {
  test(`config wkg touches nothing when it refuses: ${title}`, async (t) => {
    const user = await newUser(t, { WAYBILL_REGISTRY: REGISTRY });
    await writeFile(user.file('config.toml'), bytes);
    const outcome = await user.run('config', 'wkg', '--write', '--file', 'config.toml', '--json', ...args);
    assert.equal(outcome.code, 64);
    assert.match(codeOf(outcome), /^(usage\/invalid|text\/namespace)$/);
    assert.deepEqual(new Uint8Array(await readFile(user.file('config.toml'))), new Uint8Array(bytes));
    assert.deepEqual(await readdir(user.home), ['config.toml']);
  });
}

test('config still shows and keeps settings', async (t) => {
  const user = await newUser(t);
  await user.ok('config', 'key', 'team');
  assert.equal((await user.ok('config', 'key')).trim(), 'team');
  await user.ok('config', 'set', 'key', '');
  assert.match(await user.ok('config'), /^key {2}-$/m);
});
