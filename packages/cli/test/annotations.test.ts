import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { digestOf, utf8 } from '@waybill/protocol';
import {
  codeOf,
  CORE_MODULE,
  openRegistry,
  openUser,
  type CommandOutcome,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

/* What is said of packages, by those who may and to those who fetch (spec/version1.md 6). */

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];
const publicKeys = new Map<string, string>();

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  user = await openUser();
  for (const name of ['default', 'ann', 'bob']) {
    const { publicKey } = JSON.parse(await user.ok('key', 'new', '--name', name, '--json'));
    publicKeys.set(name, publicKey);
  }
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

async function start(name: string, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) {
    await user.ok('publish', CORE_MODULE, '--package', name, '--version', version, ...at);
  }
}

function annotate(target: string, ...flags: readonly string[]): Promise<CommandOutcome> {
  return user.run('annotate', target, ...flags, ...at, '--json');
}

/** Gives the id of the annotation. */
async function said(outcome: Promise<CommandOutcome>): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  assert.equal(code, 0, stderr);
  const [id = assert.fail()] = JSON.parse(stdout).annotations;
  return id;
}

function advise(target: string, id: string, more: object = {}, ...flags: readonly string[]): Promise<string> {
  const body = JSON.stringify({ id, severity: 'high', ...more });
  return said(annotate(target, '--type', 'advisory', '--body', body, ...flags));
}

function deprecate(target: string, ...flags: readonly string[]): Promise<string> {
  return said(user.run('deprecate', target, ...flags, ...at, '--json'));
}

function get(target: string, ...flags: readonly string[]): Promise<CommandOutcome> {
  return user.run('get', target, '-o', 'out.wasm', ...flags, ...at, '--json');
}

async function resolved(target: string, ...flags: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await get(target, ...flags);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).version;
}

async function info(name: string) {
  return JSON.parse(await user.ok('info', name, ...at, '--json')).annotations;
}

function assertRefused(outcome: CommandOutcome, exit: number, code: string): void {
  assert.deepEqual([outcome.code, codeOf(outcome)], [exit, code], outcome.stderr);
}

for (const version of [0, 1]) {
  test(`version ${version}: a package is deprecated, shown, fetched with a warning, and not deprecated any more`, async () => {
    const name = `test:old-${version === 0 ? 'zero' : 'one'}`;
    await start(name, '1.0.0');
    if (version === 1) await user.ok('upgrade', name, ...at);
    const id = await deprecate(name, '--message', 'nobody looks after it', '--successor', 'test:new');
    const [standing, ...others] = (await info(name)).standing;
    assert.deepEqual(others, []);
    const body = { message: 'nobody looks after it', successor: 'test:new' };
    assert.deepEqual([standing.id, standing.type, standing.body], [id, 'deprecation', body]);
    const { stderr } = await get(name);
    assert.equal(stderr, `warning: ${name}@1.0.0 is deprecated: nobody looks after it; use test:new instead\n`);
    await said(annotate(name, '--withdraw', id));
    assert.equal((await get(name)).stderr, '');
    assert.deepEqual((await info(name)).standing, []);
    assertRefused(await annotate(name, '--withdraw', id.replace('/0', '/7')), 77, 'record/unauthorized');
  });
}

test('a deprecated release is taken only where there is no other', async () => {
  await start('test:choice', '1.0.0', '1.1.0', '2.0.0');
  await deprecate('test:choice@1.1.0');
  await deprecate('test:choice@2.0.0');
  assert.equal(await resolved('test:choice'), '1.0.0');
  assert.equal(await resolved('test:choice@^2'), '2.0.0');
  assert.equal(await resolved('test:choice@1.1.0'), '1.1.0');
  assertRefused(await user.run('deprecate', 'test:choice@3.0.0', ...at, '--json'), 68, 'release/not-found');
});

test('what an advisory affects is passed over, refused where nothing else matches, and given to who asks for it', async () => {
  await start('test:holes', '1.0.0', '1.1.0', '1.2.0');
  const fixed = { affected: '>=1.1', fixed: ['2.0.0', '1.3.0'] };
  const first = await advise('test:holes', 'DEMO-1', fixed);
  const { stdout, stderr } = await get('test:holes');
  assert.equal(JSON.parse(stdout).version, '1.0.0');
  assert.match(stderr, /1\.2\.0, which is newer, is affected by advisory DEMO-1 \(high\), fixed in 2\.0\.0, 1\.3\.0/);
  const refused = await get('test:holes@>=1.1');
  assertRefused(refused, 77, 'release/affected');
  assert.match(JSON.parse(refused.stderr).error.message, /1\.2\.0: DEMO-1 \(high\), fixed in 2\.0\.0, 1\.3\.0$/);
  assert.deepEqual(JSON.parse(refused.stderr).error.detail, { version: '1.2.0', advisory: 'DEMO-1', severity: 'high' });
  const plain = await user.run('get', 'test:holes@>=1.1', '-o', 'out.wasm', ...at);
  assert.match(plain.stderr, /^next: .*--allow-advisory$/m);
  assert.equal(await resolved('test:holes@>=1.1', '--allow-advisory'), '1.2.0');
  const exact = await get('test:holes@1.1.0');
  assert.equal(exact.code, 0);
  assert.match(exact.stderr, /^warning: test:holes@1\.1\.0 is affected by advisory DEMO-1/);
  await said(annotate('test:holes', '--withdraw', first));
  assert.equal(await resolved('test:holes@>=1.1'), '1.2.0');
});

test('the range of an advisory that nobody reads affects every version, and pre-releases stand in ranges', async () => {
  await start('test:ranges', '1.0.0-rc.1', '1.0.0', '1.1.0');
  const id = await advise('test:ranges', 'DEMO-2', { affected: 'all but the good ones' });
  assertRefused(await get('test:ranges'), 77, 'release/affected');
  await said(annotate('test:ranges', '--withdraw', id));
  await advise('test:ranges', 'DEMO-3', { affected: '<1.0.0' });
  assertRefused(await get('test:ranges@1.0.0-rc.1 - 1.0.0-rc.9'), 77, 'release/affected');
  assert.equal(await resolved('test:ranges'), '1.1.0');
});

test('P3: who may only release speaks ill of nobody; who may annotate says what was allowed, and takes it back', async () => {
  await start('test:rights', '1.0.0', '2.0.0');
  await user.ok('upgrade', 'test:rights', ...at);
  const to = (name: string): string[] => ['--to', publicKeys.get(name) ?? assert.fail()];
  await user.ok('grant', 'test:rights', ...to('ann'), '--permissions', 'release', ...at);
  const narrowed = ['--permissions', 'annotate:advisory', '--versions', '1.0.0..2.0.0'];
  await user.ok('grant', 'test:rights', ...to('bob'), ...narrowed, ...at);
  const body = ['--body', JSON.stringify({ id: 'DEMO-4', severity: 'low' })];
  const advisory = ['--type', 'advisory', ...body];
  assertRefused(await annotate('test:rights@1.0.0', ...advisory, '--key', 'ann'), 77, 'record/unauthorized');
  assertRefused(await annotate('test:rights@2.0.0', ...advisory, '--key', 'bob'), 77, 'record/unauthorized');
  assertRefused(await annotate('test:rights', ...advisory, '--key', 'bob'), 77, 'record/unauthorized');
  const id = await advise('test:rights@1.0.0', 'DEMO-5', {}, '--key', 'bob');
  assertRefused(await get('test:rights@^1'), 77, 'release/affected');
  assertRefused(await annotate('test:rights', '--withdraw', id, '--key', 'ann'), 77, 'record/unauthorized');
  await said(annotate('test:rights', '--withdraw', id, '--key', 'bob'));
  assert.equal(await resolved('test:rights@^1'), '1.0.0');
});

test('L13: a document is uploaded, fetched by its digest, and shown as what names it', async () => {
  await start('test:papers', '1.0.0');
  const text = '# Papers\n\nNo WebAssembly.\n';
  await writeFile(user.file('README.md'), text);
  const document = ['--type', 'readme', '--file', 'README.md', '--media-type', 'text/markdown'];
  const id = await said(annotate('test:papers', ...document));
  const digest = digestOf(utf8(text));
  const [readme] = (await info('test:papers')).standing;
  const content = { digest, size: text.length, mediaType: 'text/markdown' };
  assert.deepEqual([readme.id, readme.content], [id, content]);
  const sources = await fetch(new URL(`v1/content/${digest}`, registry.url));
  const [{ url }] = Object(await sources.json()).contentSources[digest];
  assert.equal(await (await fetch(new URL(url, registry.url))).text(), await readFile(user.file('README.md'), 'utf8'));
  // The same bytes are no release, though they are here.
  const release = await user.run('publish', 'README.md', '--package', 'test:papers', '--version', '1.1.0', ...at);
  assert.equal(release.code, 77, release.stderr);
  assert.match(release.stderr, /^error: .*not valid WebAssembly/m);
});

test('what nobody could read, or what is of no type, is refused before anything is signed', async () => {
  const cases: readonly (readonly [string, ...string[]])[] = [
    ['test:none', '--type', 'praise', '--body', '{}'],
    ['test:none', '--type', 'advisory', '--body', '{"id":"X","severity":"bad"}'],
    ['test:none', '--type', 'advisory', '--body', '{"id":"X"'],
    ['test:none', '--type', 'audit', '--body', '{"result":"pass"}'],
    ['test:none', '--type', 'readme', '--body', '{}'],
    ['test:none', '--type', 'readme', '--file', CORE_MODULE, '--media-type', 'application/wasm'],
    ['test:none', '--type', 'readme', '--file', CORE_MODULE],
    ['test:none', '--type', 'x.long', '--body', 'x'.repeat(1025)],
    ['test:none', '--type', 'withdrawal'],
    ['test:none', '--body', '{}'],
    ['test:none', '--withdraw', 'the first one'],
    ['test:none@1.0.0', '--withdraw', `sha256:${'0'.repeat(64)}/annotation/0`],
  ];
  for (const [target, ...flags] of cases) assertRefused(await annotate(target, ...flags), 64, 'usage/invalid');
  assertRefused(await annotate('test:none', '--type', 'x.note', '--body', 'anything'), 68, 'log/not-found');
});

test('of several deprecations the latest counts; what is of a free type is shown by its length', async () => {
  await start('test:words', '1.0.0');
  await deprecate('test:words', '--message', 'first');
  const last = await deprecate('test:words', '--message', 'second');
  const free = await said(annotate('test:words', '--type', 'x.note', '--body', '\u001b[31mred'));
  const { standing, others } = await info('test:words');
  assert.deepEqual(
    standing.map(({ id }: { id: string }) => id),
    [free, last],
  );
  assert.equal(others.replaced, 1);
  const text = await user.ok('info', 'test:words', ...at);
  assert.ok(text.includes('x.note  8 bytes') && !text.includes('\u001b'));
  assert.match(text, /besides: 1 replaced/);
  assert.match(await user.ok('log', 'show', 'test:words', ...at), /annotation deprecation {2}message: second/);
});
