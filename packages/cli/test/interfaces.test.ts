import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { authorOf, publish } from '@waybill/client';
import { readWitText } from '@waybill/client/node';
import { digestOf, isRegistryError, parsePackageName, parseVersion } from '@waybill/protocol';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import {
  COMPONENT,
  CORE_MODULE,
  codeOf,
  openRegistry,
  openUser,
  type TestRegistry,
  type TestUser,
} from './registry.ts';
import { openClient, signingKey } from '../src/session.ts';
import { componentOf } from './wasm-bytes.ts';
import { openLyingProxy, type PassedAnswer } from './lying-proxy.ts';

/** A core module without anything in it. */
const MODULE = 'module.wasm';

let registry: TestRegistry;
let user: TestUser;

before(async () => {
  registry = await openRegistry();
  user = await openUser();
  await user.ok('key', 'new');
  await writeFile(user.file(MODULE), Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

const at = (): readonly string[] => ['--registry', registry.url.href];

/** A package of an interface with these functions, and a world that imports it. */
function apiText(name: string, version: string, functions: readonly string[]): string {
  const items = functions.map((each) => `  ${each}: func();\n`).join('');
  return `package test:${name}@${version};\n\ninterface log {\n${items}}\n\nworld edge {\n  import log;\n}\n`;
}

async function witFile(name: string, version: string, functions: readonly string[]): Promise<string> {
  const file = `${name}-${version}.wit`;
  await writeFile(user.file(file), apiText(name, version, functions));
  return file;
}

async function publishText(
  name: string,
  version: string,
  functions: readonly string[],
  ...flags: readonly string[]
): Promise<Awaited<ReturnType<TestUser['run']>>> {
  const file = await witFile(name, version, functions);
  return user.run('publish', file, '--package', `test:${name}`, '--version', version, ...flags, ...at());
}

/** As a program publishes that does not look into what it publishes. */
async function publishUnchecked(name: string, bytes: Uint8Array): Promise<void> {
  const silent = { write: () => undefined };
  const env = { HOME: user.home, WAYBILL_KEYRING: 'off' };
  const context = { process: { stdout: silent, stderr: silent, env }, interactive: false };
  const content = digestOf(bytes);
  const claim = { mediaType: 'application/wasm', size: bytes.length };
  await publish(
    {
      name: parsePackageName(name),
      entries: () => [{ type: 'release', version: parseVersion('1.0.0'), content, claim }],
      annotations: [],
      contents: new Map([[content, () => Promise.resolve(new Blob([new Uint8Array(bytes)]))]]),
      final: false,
    },
    {
      client: await openClient(context, { registry: registry.url.href }),
      author: authorOf([await signingKey(context, {})]),
      clock: Date.now,
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
      onStep: () => undefined,
    },
  );
}

async function json(...args: readonly string[]) {
  return JSON.parse(await user.ok(...args, '--json', ...at()));
}

test('WIT text is released as the binary package, and printed again', async () => {
  assert.equal((await publishText('printed', '1.0.0', ['say'])).code, 0);
  await user.ok('get', 'test:printed', '-o', 'printed.wasm', ...at());
  const text = apiText('printed', '1.0.0', ['say']);
  const expected = encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [] }));
  assert.deepEqual(new Uint8Array(await readFile(user.file('printed.wasm'))), expected);
  assert.equal(await user.ok('wit', 'test:printed@1.0.0', ...at()), text);
  assert.equal((await json('wit', 'printed.wasm')).wit, text);
  await user.ok('wit', 'test:printed', '-o', 'again.wit', ...at());
  assert.equal(await readFile(user.file('again.wit'), 'utf8'), text);
  assert.match(await user.ok('wit', COMPONENT), /^package root:component;/);
  assert.match(await user.ok('wit', CORE_MODULE), /^package root:root;/);
  assert.equal(codeOf(await user.run('wit', MODULE, '--json')), 'content/not-analysed');
});

test('a folder is WIT text where that is said, with what it names in deps', async () => {
  const folder = user.file('uses');
  await mkdir(path.join(folder, 'deps', 'base'), { recursive: true });
  await writeFile(
    path.join(folder, 'deps', 'base', 'base.wit'),
    'package test:base@1.0.0;\ninterface t { type id = u32; }',
  );
  await writeFile(path.join(folder, 'a.wit'), 'package test:uses@1.0.0;\nworld w { import x; }');
  await writeFile(path.join(folder, 'b.wit'), 'interface x { use test:base/t@1.0.0.{id}; f: func(i: id); }');
  const place = ['--package', 'test:uses', '--version', '1.0.0', ...at()];
  assert.equal(codeOf(await user.run('publish', 'uses', '--kind', 'profile', '--json', ...place)), 'usage/invalid');
  await user.ok('publish', 'uses', '--wit', '--kind', 'profile', ...place);
  assert.match(await user.ok('wit', 'test:uses', ...at()), /use test:base\/t@1\.0\.0\.\{id\};/);
  assert.equal((await json('ls', 'test:uses')).kind, 'profile');
  await user.ok('wit', 'test:uses', '-o', 'whole.wit', ...at());
  assert.equal((await json('diff', 'test:uses', 'whole.wit')).same, true);
  await writeFile(path.join(folder, 'deps', 'more.wasm'), '');
  assert.equal(codeOf(await user.run('wit', 'uses', '--json')), 'usage/invalid');
  await writeFile(path.join(folder, 'b.wit'), 'interface x { use test:nowhere/t@1.0.0.{id}; }');
  assert.equal(codeOf(await user.run('diff', 'uses', 'printed-1.0.0.wit', '--json', ...at())), 'usage/invalid');
});

test('what lies in deps in the binary form, as install leaves some packages, is read with its copies', async () => {
  const base = 'package test:base@1.0.0;\ninterface t { type id = u32; }';
  const uses = (name: string) =>
    `package test:${name}@1.0.0;\ninterface m { use test:base/t@1.0.0.{id}; f: func(i: id); }`;
  const read = async (deps: Readonly<Record<string, string | Uint8Array>>): Promise<Uint8Array> => {
    const folder = user.file(`top-${Object.keys(deps).join('-')}`);
    await mkdir(path.join(folder, 'deps'), { recursive: true });
    for (const [name, contents] of Object.entries(deps)) await writeFile(path.join(folder, 'deps', name), contents);
    const imports = ['mid', 'more'].map((name) => `import test:${name}/m@1.0.0;`);
    await writeFile(path.join(folder, 'top.wit'), `package test:top@1.0.0;\nworld w { ${imports.join(' ')} }`);
    return encodeWit(parseWit(await readWitText(folder)));
  };
  const binary = (text: string): Uint8Array =>
    encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [[{ path: 'base.wit', text: base }]] }));
  const asText = await read({ 'base.wit': base, 'mid.wit': uses('mid'), 'more.wit': uses('more') });
  assert.deepEqual(await read({ 'mid.wasm': binary(uses('mid')), 'more.wasm': binary(uses('more')) }), asText);
  assert.deepEqual(await read({ 'base.wit': base, 'mid.wasm': binary(uses('mid')), 'more.wit': uses('more') }), asText);
  await assert.rejects(read({ 'mid.wasm': binary(uses('mid')), 'mid.wit': uses('mid') }), (thrown) =>
    isRegistryError(thrown, 'content/wit'),
  );
});

test('P4: a WIT package is released under the name and version that it has', async () => {
  const file = await witFile('named', '1.0.0', ['say']);
  const as = (name: string, version: string, ...flags: readonly string[]) =>
    user.run('publish', file, '--package', name, '--version', version, '--json', ...flags, ...at());
  assert.equal(codeOf(await as('test:other', '1.0.0')), 'content/policy');
  assert.equal(codeOf(await as('test:named', '1.0.1')), 'content/policy');
  assert.equal(codeOf(await as('test:named', '1.0.1', '--kind', 'interface')), 'content/policy');
  await writeFile(user.file('bare.wit'), 'package test:bare;\ninterface i { f: func(); }');
  await user.ok('publish', 'bare.wit', '--package', 'test:bare', '--version', '3.0.0', ...at());
  assert.equal((await as('test:named', '1.0.0')).code, 0);
  await user.ok('get', 'test:named', '-o', 'named.wasm', ...at());
  const binary = await user.run(
    'publish',
    'named.wasm',
    '--package',
    'test:b',
    '--version',
    '1.0.0',
    '--json',
    ...at(),
  );
  assert.equal(codeOf(binary), 'content/policy');
});

test('P4: what was released past the command under another name is neither read as an interface nor installed', async () => {
  const text = 'package test:victim@1.0.0;\ninterface log { say: func(); }';
  const bytes = encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [] }));
  await publishUnchecked('test:liar', bytes);
  const got = await user.run('get', 'test:liar', '-o', 'liar.wasm', '--json', ...at());
  assert.match(
    got.stderr,
    /^warning: content says that it is the WIT package test:victim@1\.0\.0, and its release is test:liar@/,
  );
  assert.equal(JSON.parse(got.stdout).warnings.length, 1);
  assert.equal(codeOf(await user.run('wit', 'test:liar', '--json', ...at())), 'content/policy');
  const project = await openUser();
  try {
    await writeFile(project.file('waybill.toml'), '[dependencies]\n"test:liar" = "^1"\n');
    assert.equal(codeOf(await project.run('install', '--json', ...at())), 'content/policy');
    assert.equal(existsSync(project.file('wit')), false);
  } finally {
    await project.dispose();
  }
});

test('a version that is too small a step for the interface is told, and refused where that is asked for', async () => {
  const first = await publishText('steps', '1.0.0', ['say'], '--check-interface', '--json');
  assert.equal(JSON.parse(first.stdout).interface, undefined);
  const added = await publishText('steps', '1.1.0', ['say', 'tell'], '--check-interface', '--json');
  const { since, impact, neededStep, fits } = JSON.parse(added.stdout).interface;
  assert.deepEqual([since, impact, neededStep, fits], ['test:steps@1.0.0', 'additive', 'minor', true]);
  const refused = await publishText('steps', '1.2.0', ['tell'], '--check-interface', '--json');
  assert.equal(refused.code, 77);
  assert.equal(codeOf(refused), 'release/step');
  assert.equal(JSON.parse(refused.stderr).error.detail.conflict, 'breaking  log/say was removed');
  const told = await publishText('steps', '1.2.0', ['tell'], '--json');
  assert.equal(told.code, 0);
  assert.match(told.stderr, /^warning: since test:steps@1\.1\.0 .*major step.*too small/m);
  assert.equal(JSON.parse(told.stdout).interface.fits, false);
  // What is released for an older line stands against the release before it.
  const patched = await publishText('steps', '1.0.1', ['say']);
  assert.match(patched.stdout, /^since test:steps@1\.0\.0 .*patch step.*is enough$/m);
});

test('what cannot be compared is remarked, and refused only where the comparison is asked for', async () => {
  const release = (file: string, version: string, ...flags: readonly string[]) =>
    user.run('publish', file, '--package', 'test:mixed', '--version', version, ...flags, ...at());
  assert.equal((await release(MODULE, '1.0.0')).code, 0);
  const second = await release(COMPONENT, '1.1.0', '--json');
  assert.deepEqual([second.code, JSON.parse(second.stdout).interface.fits], [0, null]);
  const refused = await release(MODULE, '1.2.0', '--check-interface', '--json');
  assert.equal(codeOf(refused), 'release/step');
  assert.match(refused.stderr, /could not be compared.*counts as breaking and asks for a major step/);
  assert.equal((await release(MODULE, '2.0.0', '--check-interface')).code, 0);
  assert.equal((await release(MODULE, '1.2.0')).code, 0);
});

test('diff tells of releases and files what changed in the interface, and which step that asks for', async () => {
  const file = await witFile('steps', '2.0.0', ['say', 'tell', 'ask']);
  const text = await user.ok('diff', 'test:steps@1.0.0', file, ...at());
  assert.match(text, /additive {2}log\/tell was added/);
  assert.match(text, /asks for a minor step, and 2\.0\.0 is enough/);
  const broken = await json('diff', 'test:steps@1.1.0', 'test:steps@1.2.0');
  assert.deepEqual(broken.interface.differences, [{ path: 'log/say', impact: 'breaking', what: 'was removed' }]);
  assert.equal(broken.interface.fits, false);
  const back = await json('diff', 'test:steps@1.2.0', 'test:steps@1.0.0');
  assert.deepEqual([back.same, back.interface.fits], [false, null]);
  assert.equal((await json('diff', 'test:steps@1.0.0', 'steps-1.0.0.wit')).same, true);
  const apart = await json('diff', 'test:mixed@1.0.0', 'test:steps@1.0.0');
  assert.deepEqual([apart.same, apart.interface], [false, null]);
  await writeFile(user.file('new.wasm'), componentOf(['test:steps/log@1.0.0'], 'new'));
  await writeFile(user.file('old.wasm'), componentOf([], 'old'));
  const worlds = await json('diff', 'old.wasm', 'new.wasm');
  assert.deepEqual([worlds.interface.impact, worlds.interface.fits], ['breaking', null]);
});

test('target says whether a component runs in a profile, and what is missing', async () => {
  await writeFile(user.file('fits.wasm'), componentOf(['test:steps/log@1.0.0'], 'fits'));
  await writeFile(user.file('lacks.wasm'), componentOf(['test:steps/log@1.0.0', 'test:far/away@1.0.0'], 'lacks'));
  const fits = await json('target', 'fits.wasm', 'test:steps@1.1.0');
  assert.deepEqual([fits.runs, fits.profile.world, fits.missing], [true, 'edge', []]);
  const lacks = await user.run('target', 'lacks.wasm', 'test:steps@1.0.0', '--json', ...at());
  assert.equal(lacks.code, 77);
  const { runs, missing } = JSON.parse(lacks.stdout);
  assert.deepEqual([runs, missing.map((each: { name: string }) => each.name)], [false, ['test:far/away@1.0.0']]);
  assert.match(
    (await user.run('target', 'lacks.wasm', 'steps-1.0.0.wit')).stdout,
    /import test:far\/away@1\.0\.0: it is not there/,
  );
  await writeFile(user.file('two.wit'), 'package test:two;\nworld a {}\nworld b {}');
  assert.equal(codeOf(await user.run('target', 'fits.wasm', 'two.wit', '--json')), 'usage/invalid');
  assert.equal((await user.run('target', 'fits.wasm', 'two.wit', '--world', 'b')).code, 77);
  for (const [component, profile] of [
    ['two.wit', 'two.wit'],
    [CORE_MODULE, 'two.wit'],
    ['fits.wasm', 'fits.wasm'],
    ['fits.wasm', 'bare.wit'],
  ] as const) {
    assert.equal((await user.run('target', component, profile)).code === 0, false, `${component} ${profile}`);
  }
});

test('of a tree the component is read, and nothing but that and the index is fetched', async () => {
  const publishTree = async (version: string, imports: readonly string[], ...flags: readonly string[]) => {
    await mkdir(user.file(`app-${version}`), { recursive: true });
    await writeFile(user.file(`app-${version}/component.wasm`), componentOf(imports, 'app'));
    await writeFile(user.file(`app-${version}/page.html`), '<p>');
    const words = ['--package', 'test:app', '--version', version, ...flags, ...at()];
    return user.run('publish', `app-${version}`, ...words);
  };
  assert.equal((await publishTree('1.0.0', ['test:steps/log@1.0.0'])).code, 0);
  const told = await publishTree('1.0.1', ['test:steps/log@1.0.0', 'test:far/away@1.0.0']);
  assert.match(told.stderr, /^warning: since test:app@1\.0\.0 .*too small/m);
  const refused = await publishTree('1.0.2', ['test:far/off@1.0.0'], '--check-interface', '--json');
  assert.equal(codeOf(refused), 'release/step');

  const reader = await openUser();
  try {
    const words = (...first: readonly string[]): readonly string[] => [...first, '--json', ...at()];
    const { wit, kind } = JSON.parse(await reader.ok(...words('wit', 'test:app@1.0.0')));
    assert.equal(kind, 'component');
    assert.match(wit, /import test:steps\/log@1\.0\.0;/);
    const there = await readdir(reader.file('.cache/waybill/content/sha256'));
    assert.equal(there.length, 2);
    assert.equal(JSON.parse(await reader.ok(...words('target', 'test:app@1.0.0', 'test:steps@1.1.0'))).runs, true);
    await mkdir(user.file('pages'));
    await writeFile(user.file('pages/page.html'), '<p>');
    await user.ok('publish', 'pages', '--package', 'test:pages', '--version', '1.0.0', ...at());
    const none = await reader.run(...words('wit', 'test:pages'));
    assert.equal(codeOf(none), 'content/not-found');
    assert.match(none.stderr, /without component\.wasm/);
  } finally {
    await reader.dispose();
  }
});

test('T1: an interface is read from bytes that the log names, and from no others', async () => {
  await witFile('steps', '9.0.0', ['say']);
  const altered = ({ path: place, body }: PassedAnswer): Buffer =>
    place.startsWith('/content/') ? Buffer.from(body).fill(0) : body;
  const proxy = await openLyingProxy(registry.url, altered);
  const stranger = await openUser();
  try {
    await writeFile(stranger.file('a.wasm'), componentOf([], 'a'));
    for (const words of [
      ['wit', 'test:steps@1.0.0'],
      ['diff', 'test:steps@1.0.0', 'a.wasm'],
      ['target', 'a.wasm', 'test:steps@1.0.0'],
    ]) {
      const { code, stderr } = await stranger.run(...words, '--registry', proxy.url);
      assert.equal(code, 65, `${words.join(' ')}: ${stderr}`);
    }
    assert.ok(proxy.lies() > 0);
  } finally {
    await proxy.close();
    await stranger.dispose();
  }
});

test('content of the release before that nobody gives does not stand in the way', async () => {
  const first = await publishText('lost', '1.0.0', ['say'], '--json');
  assert.equal(first.code, 0);
  const { digest } = await json('ls', 'test:lost@1.0.0');
  const lost = ({ path: place, body }: PassedAnswer): Buffer =>
    place.includes(digest.slice('sha256:'.length)) ? Buffer.alloc(0) : body;
  const proxy = await openLyingProxy(registry.url, lost);
  try {
    const file = await witFile('lost', '1.0.1', ['tell']);
    const release = (...flags: readonly string[]) =>
      user.run('publish', file, '--package', 'test:lost', '--version', '1.0.1', ...flags, '--registry', proxy.url);
    const refused = await release('--check-interface', '--json');
    assert.equal(codeOf(refused), 'release/step');
    const { code, stdout } = await release();
    assert.equal(code, 0);
    assert.match(stdout, /^since test:lost@1\.0\.0 the interface could not be compared: /m);
    assert.ok(proxy.lies() > 0);
  } finally {
    await proxy.close();
  }
});
