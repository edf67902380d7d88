import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { parse, transpile } from '@bytecodealliance/jco';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];

const ADD = '(instance $add (export "sum" (func (param "a" u32) (param "b" u32) (result u32))))';

/** Exports `test:math/add`: what is added is more by `more`. */
const adder = (more: number, version = '1.0.0') => `(component
  (core module $m (func (export "sum") (param i32 i32) (result i32)
    (i32.add (i32.const ${more}) (i32.add (local.get 0) (local.get 1)))))
  (core instance $i (instantiate $m))
  (func $sum (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "sum")))
  (instance $add (export "sum" (func $sum)))
  (export "test:math/add@${version}" (instance $add)))`;

/** Exports `test:twice/apply`, by way of `test:math/add`. */
const TWICE = `(component
  (import "test:math/add@1.0.0" ${ADD})
  (alias export $add "sum" (func $sum))
  (core func $lowered (canon lower (func $sum)))
  (core module $m
    (import "" "sum" (func $sum (param i32 i32) (result i32)))
    (func (export "run") (param i32) (result i32) (call $sum (local.get 0) (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance (export "sum" (func $lowered))))))
  (func $run (param "a" u32) (result u32) (canon lift (core func $i "run")))
  (instance $apply (export "run" (func $run)))
  (export "test:twice/apply@1.0.0" (instance $apply)))`;

/** Exports `run`, which is that of `test:twice/apply`. */
const APP = `(component
  (import "test:twice/apply@1.0.0" (instance $apply (export "run" (func (param "a" u32) (result u32)))))
  (import "test:host/log@0.2.0" (instance (export "note" (func))))
  (alias export $apply "run" (func $run))
  (export "run" (func $run)))`;

async function publish(name: string, version: string, text: string): Promise<void> {
  await writeFile(user.file('publish.wasm'), await parse(text));
  await user.ok('publish', 'publish.wasm', '--package', `test:${name}`, '--version', version, ...at);
}

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  user = await openUser();
  await user.ok('key', 'new');
  await publish('math', '1.0.0', adder(0));
  await publish('math', '1.1.0', adder(1000, '1.1.0'));
  await publish('twice', '1.0.0', TWICE);
  await publish('app', '1.0.0', APP);
  await writeFile(user.file('app.wasm'), await parse(APP));
  await writeFile(user.file('twice.wasm'), await parse(TWICE));
  await writeFile(user.file('math.wasm'), await parse(adder(5)));
});

after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** What a bundle makes of 21. */
async function runs(file: string): Promise<unknown> {
  await writeFile(user.file('host.mjs'), 'export const log = { note() {} };');
  const map = { 'test:host/*': './host.mjs#*' };
  const { files } = await transpile(await readFile(user.file(file)), { name: 'bundle', map });
  const script = user.file(`${file}.mjs`);
  await writeFile(script, new Map(Object.entries(files)).get('bundle.js') ?? '');
  const module: unknown = await import(pathToFileURL(script).href);
  assert.ok(typeof module === 'object' && module !== null && 'run' in module && typeof module.run === 'function');
  return module.run(21);
}

interface Shown {
  readonly composed: readonly { readonly package: string; readonly version: string | null; readonly from: string }[];
  readonly imports: readonly string[];
  readonly unused: readonly unknown[];
}

async function bundled(...args: readonly string[]): Promise<Shown> {
  return JSON.parse(await user.ok('bundle', ...args, '--json'));
}

const titles = ({ composed }: Shown) => composed.map(({ package: name, version }) => `${name}@${version}`);

test('a file and the files given for what it imports become one that runs', async () => {
  const shown = await bundled('app.wasm', '--dep', 'test:twice=twice.wasm', '--dep', 'test:math=math.wasm');
  assert.deepEqual(titles(shown), ['test:math@null', 'test:twice@null']);
  assert.deepEqual(shown.imports, ['test:host/log@0.2.0']);
  assert.equal(await runs('app.bundle.wasm'), 47);
  const again = await user.run('bundle', 'app.wasm', '--json');
  assert.deepEqual([again.code, codeOf(again)], [64, 'usage/invalid']);
});

test('a package of the registry comes with all that it needs', async () => {
  const shown = await bundled('app.wasm', '--dep', 'test:twice', '-o', 'from-registry.wasm', ...at);
  assert.deepEqual(titles(shown), ['test:math@1.1.0', 'test:twice@1.0.0']);
  assert.equal(await runs('from-registry.wasm'), 1042);
  const whole = await bundled('test:app@1.0.0', '-o', 'whole.wasm', ...at);
  assert.deepEqual(titles(whole), ['test:math@1.1.0', 'test:twice@1.0.0']);
  assert.deepEqual(await readFile(user.file('whole.wasm')), await readFile(user.file('from-registry.wasm')));
});

test('a file stands for a package of the registry, and what nobody needs is said', async () => {
  const given = ['--dep', 'test:math=math.wasm', '--dep', 'test:twice@^1', '--dep', 'test:app=app.wasm'];
  const shown = await bundled('app.wasm', ...given, '-o', 'mixed.wasm', ...at);
  assert.deepEqual(titles(shown), ['test:math@null', 'test:twice@1.0.0']);
  assert.deepEqual(shown.unused, [{ package: 'test:app', version: null, from: 'app.wasm' }]);
  assert.equal(await runs('mixed.wasm'), 47);
});

test('a tree is composed from its component', async () => {
  await mkdir(user.file('tree'));
  await writeFile(user.file('tree/component.wasm'), await parse(TWICE));
  await writeFile(user.file('tree/note'), 'beside it');
  await user.ok('publish', 'tree', '--package', 'test:tree', '--version', '1.0.0', ...at);
  const shown = await bundled('app.wasm', '--dep', 'test:tree', '-o', 'tree.wasm', ...at);
  assert.deepEqual(titles(shown), ['test:math@1.1.0', 'test:tree@1.0.0']);
  assert.equal(await runs('tree.wasm'), 1042);
});

test('T7: what comes along supplies no interface of another package', async () => {
  // It exports what `math` does too, and stands before it by its name.
  const evil = adder(9000).replace(/\)$/, '(export "test:aaa/go@1.0.0" (instance $add)))');
  await publish('aaa', '1.0.0', evil);
  await publish(
    'lure',
    '1.0.0',
    TWICE.replace('(component', `(component (import "test:aaa/go@1.0.0" ${ADD.replace('$add', '')})`),
  );
  const shown = await bundled('app.wasm', '--dep', 'test:lure', '--dep', 'test:math@1.0.0', '-o', 'lure.wasm', ...at);
  assert.deepEqual(titles(shown), ['test:aaa@1.0.0', 'test:math@1.0.0', 'test:lure@1.0.0']);
  assert.equal(await runs('lure.wasm'), 42);
  const along = await bundled('app.wasm', '--dep', 'test:lure', '-o', 'along.wasm', ...at);
  assert.deepEqual(titles(along), ['test:aaa@1.0.0', 'test:math@1.1.0', 'test:lure@1.0.0']);
  assert.equal(await runs('along.wasm'), 1042);
});

test('what was yanked is said when it is composed', async () => {
  await publish('brief', '1.0.0', TWICE);
  await user.ok('yank', 'test:brief@1.0.0', ...at);
  const outcome = await user.run('bundle', 'app.wasm', '--dep', 'test:brief@1.0.0', '-o', 'brief.wasm', ...at);
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.match(outcome.stderr, /^warning: test:brief: version 1\.0\.0 was yanked/m);
});

test('what is bundled is the release that was named, also where the project holds another', async () => {
  await publish('pair', '2.0.0', APP.replace('(export "run" (func $run))', '(export "run-two" (func $run))'));
  await publish('pair', '1.0.0', APP);
  const manifest = `registry = "${registry.url.href}"\n\n[dependencies]\n"test:pair" = "1.0.0"\n`;
  await writeFile(user.file('waybill.toml'), manifest);
  try {
    await user.ok('install');
    await bundled('test:pair@2.0.0', '-o', 'two.wasm');
    assert.ok((await readFile(user.file('two.wasm'))).includes('run-two'));
    await bundled('test:pair@2.0.0', '--dep', 'test:pair=app.wasm', '-o', 'two.wasm');
    assert.ok((await readFile(user.file('two.wasm'))).includes('run-two'));
  } finally {
    for (const name of ['waybill.toml', 'waybill.lock']) await rm(user.file(name), { force: true });
  }
});

test('the lock file of a project says which releases, and a changed one is refused', async () => {
  const manifest = `registry = "${registry.url.href}"\n\n[dependencies]\n"test:twice" = "*"\n"test:math" = "=1.0.0"\n`;
  await writeFile(user.file('waybill.toml'), manifest);
  try {
    await user.ok('install');
    const shown = await bundled('app.wasm', '-o', 'locked.wasm');
    assert.deepEqual(titles(shown), ['test:math@1.0.0', 'test:twice@1.0.0']);
    assert.match(shown.composed[0]?.from ?? '', /^sha256:/);
    assert.equal(await runs('locked.wasm'), 42);
    const beside = await bundled('test:app', '-o', 'beside.wasm');
    assert.deepEqual(titles(beside), titles(shown));
    await writeFile(user.file('waybill.toml'), manifest.replace('=1.0.0', '^1.1.0'));
    const outdated = await user.run('bundle', 'app.wasm', '-o', 'locked.wasm', '--json');
    assert.equal(codeOf(outdated), 'lock/outdated');
    const lock = await readFile(user.file('waybill.lock'), 'utf8');
    await writeFile(user.file('waybill.lock'), lock.replace('size = ', 'size = 1'));
    assert.equal(codeOf(await user.run('bundle', 'app.wasm', '-o', 'locked.wasm', '--json')), 'lock/invalid');
  } finally {
    for (const name of ['waybill.toml', 'waybill.lock']) await rm(user.file(name), { force: true });
  }
});
