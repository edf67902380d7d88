import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer, request as httpRequest } from 'node:http';
import { cp, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { after, before, test } from 'node:test';
import { formatLock, parseLock, type ProjectLock } from '@waybill/client';
import { digestOf, recordIdOf, utf8, type ErrorCode } from '@waybill/protocol';
import { filesOf } from './folder-states.ts';
import { listenLocally } from './local-server.ts';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { sampleOf } from './scale.ts';
import { componentOf, witPackageOf } from './wasm-bytes.ts';

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];

/** Packages, three deep, of which `app` needs all: interfaces by name, as components do. */
const RELEASES: readonly (readonly [name: string, version: string, imports: readonly string[]])[] = [
  ['log', '1.0.0', []],
  ['log', '1.1.0', []],
  ['log', '2.0.0', []],
  ['text', '1.0.0', ['test:log/write@1.0.0']],
  ['json', '1.0.0', ['test:text/read@1.0.0', 'test:log/write@1.0.0']],
  ['http', '0.2.0', ['test:json/parse@1.0.0', 'wasi:sockets/tcp@0.2.0']],
  ['http', '0.2.3', ['test:json/parse@1.0.0', 'wasi:sockets/tcp@0.2.0']],
  ['cache', '1.0.0', ['test:text/read@1.0.0']],
  ['sql', '1.0.0', ['test:text/read@1.0.0', 'test:log/write@2.0.0']],
  ['auth', '1.0.0', ['test:http/client@0.2.0', 'test:sql/query@1.0.0']],
  ['mail', '1.0.0', ['test:http/client@0.2.0']],
  ['queue', '1.0.0', ['test:cache/keys@1.0.0']],
  ['ring-a', '1.0.0', ['test:ring-b/b@1.0.0']],
  ['ring-b', '1.0.0', ['test:ring-a/a@1.0.0']],
  ['strict', '1.0.0', ['unlocked-dep=<test:log@{>=1.0.0 <1.1.0}>']],
  ['modern', '1.0.0', ['unlocked-dep=<test:log@{>=1.1.0 <2.0.0}>']],
];

const DIRECT = ['auth', 'mail', 'queue', 'json', 'sql', 'http', 'cache', 'text', 'log', 'io', 'lone'];

async function publish(name: string, version: string, bytes: Uint8Array): Promise<void> {
  await writeFile(user.file('publish.wasm'), bytes);
  await user.ok('publish', 'publish.wasm', '--package', `test:${name}`, '--version', version, ...at);
}

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  user = await openUser();
  await user.ok('key', 'new');
  for (const [name, version, imports] of RELEASES) {
    await publish(name, version, componentOf(imports, `${name}@${version}`));
  }
  await publish('types', '0.2.0', witPackageOf('test:types', '0.2.0', []));
  await publish('io', '0.2.0', witPackageOf('test:io', '0.2.0', ['test:types/api@0.2.0']));
  await publish('lone', '0.1.0', witPackageOf('test:lone', '0.1.0', ['wasi:clocks/types@0.2.0']));
});

after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** A user in a project of these dependencies. */
async function openProject(dependencies: readonly string[]): Promise<TestUser> {
  const other = await openUser();
  const lines = dependencies.map((text) => {
    const [name = '', range = '*'] = text.split(' ');
    return `"test:${name}" = "${range}"`;
  });
  await writeFile(
    other.file('waybill.toml'),
    `registry = "${registry.url.href}"\n\n[dependencies]\n${lines.join('\n')}\n`,
  );
  return other;
}

async function installedIn(project: TestUser): Promise<Record<string, string>> {
  const files = { ...(await filesOf(project.file('wasm'))), ...(await filesOf(project.file('wit'))) };
  return Object.fromEntries(Object.entries(files).filter(([name]) => name !== '.deps.waybill-list'));
}

test('ten dependencies, three deep: installed, the same on a machine without anything, and updated', async () => {
  const project = await openProject(
    DIRECT.map((name) => (name === 'http' ? 'http ^0.2.0' : name === 'log' ? 'log ^1' : name)),
  );
  const machine = await openUser();
  try {
    const done = JSON.parse(await project.ok('install', '--json'));
    const taken = done.packages.map(
      ({ package: name, version }: { package: string; version: string }) => `${name}@${version}`,
    );
    assert.ok(taken.length >= 12);
    for (const release of ['test:log@1.1.0', 'test:log@2.0.0', 'test:http@0.2.3', 'test:types@0.2.0'])
      assert.ok(taken.includes(release), release);
    const files = await installedIn(project);
    assert.match(
      await readFile(project.file('wit/deps/test-io-0.2.0/package.wit'), 'utf8'),
      /^package test:io@0\.2\.0;/,
    );
    assert.match(
      await readFile(project.file('wit/deps/test-types-0.2.0/package.wit'), 'utf8'),
      /^package test:types@0\.2\.0;/,
    );
    // What it uses is not there as text: the binary form has copies.
    assert.ok('deps/test-lone-0.1.0.wasm' in (await filesOf(project.file('wit'))));
    assert.equal(Object.keys(files).length, taken.length);
    assert.equal(
      Buffer.from(files['deps/test-text-1.0.0.wasm'] ?? '', 'hex').toString('latin1'),
      Buffer.from(componentOf(['test:log/write@1.0.0'], 'text@1.0.0')).toString('latin1'),
    );

    await cp(project.file('waybill.toml'), machine.file('waybill.toml'));
    await cp(project.file('waybill.lock'), machine.file('waybill.lock'));
    await publish('log', '1.2.0', componentOf([], 'log@1.2.0'));
    await machine.ok('install', '--frozen');
    assert.deepEqual(await installedIn(machine), files);
    const lock = await readFile(project.file('waybill.lock'), 'utf8');
    assert.equal(await readFile(machine.file('waybill.lock'), 'utf8'), lock);
    await project.ok('install');
    assert.equal(await readFile(project.file('waybill.lock'), 'utf8'), lock);

    assert.match(await project.ok('outdated'), /test:log {2}1\.1\.0 {2}compatible 1\.2\.0 {2}newest 2\.0\.0/);
    assert.match(await project.ok('update', 'test:log'), /test:log@1\.1\.0 → 1\.2\.0/);
    assert.ok('deps/test-log-1.2.0.wasm' in (await installedIn(project)));
    assert.ok(!('deps/test-log-1.1.0.wasm' in (await installedIn(project))));
    const why = JSON.parse(await project.ok('why', 'test:types', '--json'));
    assert.deepEqual(why, [
      { release: 'test:types@0.2.0', way: ['test:io@0.2.0', 'test:types@0.2.0'], neededBy: ['test:io@0.2.0'] },
    ]);
    assert.equal((await project.run('why', 'test:strict')).code, 68);
  } finally {
    await project.dispose();
    await machine.dispose();
  }
});

test('add: the range of the newest, a range, a version; a project begins where there is none', async () => {
  const project = await openUser();
  try {
    await project.ok('add', 'test:text', ...at);
    await project.ok('add', 'test:http@~0.2.0', ...at);
    await project.ok('add', 'test:log@1.0.0', ...at);
    assert.equal(
      await readFile(project.file('waybill.toml'), 'utf8'),
      '[dependencies]\n"test:text" = "^1.0.0"\n"test:http" = "~0.2.0"\n"test:log" = "1.0.0"\n',
    );
    const kept = await readFile(project.file('waybill.lock'), 'utf8');
    const failed = await project.run('add', 'test:modern', ...at, '--json');
    assert.equal(codeOf(failed), 'resolution/conflict');
    assert.equal(await readFile(project.file('waybill.lock'), 'utf8'), kept);
    assert.ok(!(await readFile(project.file('waybill.toml'), 'utf8')).includes('modern'));
  } finally {
    await project.dispose();
  }
});

test('no solution: exit code 77, and the needs that do not fit', async () => {
  const project = await openProject(['strict', 'modern']);
  try {
    const { code, stderr } = await project.run('install');
    assert.equal(code, 77);
    assert.match(stderr, /error: no choice of releases gives everything that is asked of test:log/);
    assert.match(stderr, /^ {2}test:strict 1\.0\.0 needs test:log >=1\.0\.0 <1\.1\.0: 1\.0\.0$/m);
    assert.match(stderr, /^ {2}test:modern 1\.0\.0 needs test:log >=1\.1\.0 <2\.0\.0: 1\.[12]\.0/m);
  } finally {
    await project.dispose();
  }
});

test('P10: packages that need each other are installed', async () => {
  const project = await openProject(['ring-a']);
  try {
    await project.ok('install');
    assert.deepEqual(Object.keys(await installedIn(project)), [
      'deps/test-ring-a-1.0.0.wasm',
      'deps/test-ring-b-1.0.0.wasm',
    ]);
    assert.ok(!(await readdir(project.home)).includes('wit'));
  } finally {
    await project.dispose();
  }
});

test('a lock with any byte changed is refused, and so is one that the log contradicts', async () => {
  const project = await openProject(['text']);
  try {
    assert.equal(codeOf(await project.run('install', '--frozen', '--json')), 'lock/outdated');
    await project.ok('install');
    const text = await readFile(project.file('waybill.lock'), 'utf8');
    const places = Array.from(text, (_, i) => i);
    for (const i of sampleOf(places, 12)) {
      const changed = text.slice(0, i) + (text[i] === '0' ? '1' : '0') + text.slice(i + 1);
      await writeFile(project.file('waybill.lock'), changed);
      const outcome = await project.run('install', '--frozen', '--json');
      assert.equal(codeOf(outcome), 'lock/invalid', `byte ${i}`);
      assert.equal(outcome.code, 65);
    }
    await writeFile(project.file('waybill.lock'), text);
    await writeFile(
      project.file('waybill.toml'),
      (await readFile(project.file('waybill.toml'), 'utf8')).replace('"*"', '"^1.0"'),
    );
    assert.equal(codeOf(await project.run('install', '--frozen', '--json')), 'lock/outdated');
    await project.ok('install');
  } finally {
    await project.dispose();
  }
});

test('U5: a lock that was written anew, hash and all, is refused where the log says something else', async () => {
  const project = await openProject(['cache']);
  try {
    await project.ok('install');
    const lock = parseLock(await readFile(project.file('waybill.lock'), 'utf8'));
    const [first, ...others] = lock.releases;
    if (first === undefined) assert.fail('an empty lock');
    const { contents } = lock.checkpoint;
    const forged: readonly (readonly [ErrorCode, ProjectLock])[] = [
      ['lock/invalid', { ...lock, releases: [{ ...first, digest: digestOf(utf8('x')) }, ...others] }],
      ['lock/invalid', { ...lock, releases: [{ ...first, registryIndex: first.registryIndex - 1 }, ...others] }],
      ['lock/invalid', { ...lock, releases: [{ ...first, recordId: recordIdOf('package', utf8('x')) }, ...others] }],
      ['lock/invalid', { ...lock, releases: [{ ...first, size: first.size + 1 }, ...others] }],
      ['lock/invalid', { ...lock, origin: 'elsewhere.test' }],
      ['operator/changed', { ...lock, operatorKeyId: digestOf(utf8('x')) }],
      [
        'checkpoint/signature',
        { ...lock, checkpoint: { ...lock.checkpoint, contents: { ...contents, logRoot: contents.mapRoot } } },
      ],
    ];
    const old = await installedIn(project);
    for (const [code, each] of forged) {
      await writeFile(project.file('waybill.lock'), formatLock(each));
      const outcome = await project.run('install', '--frozen', '--json');
      assert.equal(codeOf(outcome), code, outcome.stderr);
      assert.equal(outcome.code, 65);
    }
    assert.deepEqual(await installedIn(project), old);
  } finally {
    await project.dispose();
  }
});

test('U5: a lock of true releases is refused where they are not those that are asked for', async () => {
  const project = await openProject(['cache ^1']);
  const other = await openProject(['log ^2', 'sql']);
  try {
    await project.ok('install');
    await other.ok('install');
    const lock = parseLock(await readFile(project.file('waybill.lock'), 'utf8'));
    const releases = parseLock(await readFile(other.file('waybill.lock'), 'utf8')).releases;
    const foreign = releases.find(({ name, version }) => name === 'test:log' && version === '2.0.0');
    const [cache, log, text] = lock.releases;
    if (cache === undefined || log === undefined || text === undefined || foreign === undefined)
      assert.fail('no locks');
    const forged: Readonly<Record<string, ProjectLock>> = {
      'another package beside it': {
        ...lock,
        dependencies: [...lock.dependencies, foreign],
        releases: [...lock.releases, foreign],
      },
      'another package instead': { ...lock, dependencies: [foreign], releases: [foreign] },
      'one that nothing needs': { ...lock, releases: [...lock.releases, foreign] },
      'nothing at all': { ...lock, dependencies: [], releases: [] },
      'a need less': { ...lock, releases: [{ ...cache, dependencies: [] }] },
      'a version that does not fit': {
        ...lock,
        releases: [cache, foreign, { ...text, dependencies: [foreign] }],
      },
      'a need more': {
        ...lock,
        releases: [{ ...cache, dependencies: [...cache.dependencies, foreign] }, log, text, foreign],
      },
      'the host, of what the registry has': {
        ...lock,
        releases: [{ ...cache, dependencies: [], hosts: ['test:text ^1.0.0'] }],
      },
      'the host, of what the registry has, deeper': {
        ...lock,
        releases: [cache, { ...text, dependencies: [], hosts: ['test:log ^1.0.0'] }],
      },
      'the host, of what nobody asks': { ...lock, releases: [{ ...cache, hosts: ['a:b\nwarning: x'] }, log, text] },
    };
    const old = await installedIn(project);
    for (const [what, each] of Object.entries(forged)) {
      await writeFile(project.file('waybill.lock'), formatLock(each));
      assert.equal(codeOf(await project.run('install', '--frozen', '--json')), 'lock/invalid', what);
    }
    assert.deepEqual(await installedIn(project), old);
  } finally {
    await project.dispose();
    await other.dispose();
  }
});

test("U5: what was the host's when the lock was made stays that, and what begins later is taken by an update", async () => {
  await publish('early', '1.0.0', componentOf(['test:later/x@1.0.0'], 'early@1.0.0'));
  const project = await openProject(['early']);
  try {
    assert.match(await project.ok('install'), /left to the host: test:later \^1\.0\.0/);
    await publish('later', '1.0.0', componentOf([], 'later@1.0.0'));
    await project.ok('install', '--frozen');
    await project.ok('install');
    assert.match(await project.ok('update'), /\+ test:later@1\.0\.0/);
    const lock = parseLock(await readFile(project.file('waybill.lock'), 'utf8'));
    const early = lock.releases.find(({ name }) => name === 'test:early');
    if (early === undefined) assert.fail('an empty lock');
    const forged = { ...early, dependencies: [], hosts: ['test:later ^1.0.0'] };
    await writeFile(project.file('waybill.lock'), formatLock({ ...lock, releases: [forged] }));
    assert.equal(codeOf(await project.run('install', '--frozen', '--json')), 'lock/invalid');
  } finally {
    await project.dispose();
  }
});

test('P11: what a new release asks for, and the one before it did not, is said', async () => {
  await publish('greedy', '1.0.0', componentOf(['wasi:cli/stdout@0.2.0'], 'greedy@1.0.0'));
  const project = await openProject(['greedy']);
  try {
    assert.match(await project.ok('install'), /left to the host: wasi:cli \^0\.2\.0/);
    await publish('greedy', '1.1.0', componentOf(['wasi:cli/stdout@0.2.3', 'wasi:sockets/tcp@0.2.0'], 'greedy@1.1.0'));
    const { stderr, code } = await project.run('update');
    assert.equal(code, 0);
    assert.equal(stderr, 'warning: test:greedy@1.1.0 asks for wasi:sockets, which the release before it did not\n');
  } finally {
    await project.dispose();
  }
});

test('S9: what a name says of the bytes of a dependency is held when that is installed', async () => {
  const log = componentOf([], 'log@1.0.0');
  const named = (bytes: Uint8Array) =>
    `locked-dep=<test:log@1.0.0>,integrity=<sha256-${createHash('sha256').update(bytes).digest('base64')}>`;
  await publish('sure', '1.0.0', componentOf([named(log)], 'sure@1.0.0'));
  await publish('fooled', '1.0.0', componentOf([named(utf8('other'))], 'fooled@1.0.0'));
  const project = await openProject(['sure']);
  try {
    await project.ok('install');
    const old = await installedIn(project);
    assert.ok('deps/test-log-1.0.0.wasm' in old);
    const outcome = await project.run('add', 'test:fooled', '--json');
    assert.equal(codeOf(outcome), 'content/digest', outcome.stderr);
    assert.deepEqual(await installedIn(project), old);
  } finally {
    await project.dispose();
  }
});

test('T7: a lock made for another registry is refused by this one', async () => {
  const project = await openProject(['log ^1']);
  const stranger = await openRegistry();
  try {
    await project.ok('install');
    const outcome = await project.run('install', '--frozen', '--registry', stranger.url.href, '--json');
    assert.equal(codeOf(outcome), 'operator/changed');
    assert.equal(outcome.code, 65);
  } finally {
    await project.dispose();
    await stranger.dispose();
  }
});

test('an install that is interrupted leaves the old files, and the next one ends it', async () => {
  const project = await openProject(['log ^1']);
  const failing = await listenLocally(
    createServer((asked, answer) => {
      if (asked.url?.includes('/content/') === true) return void asked.socket.destroy();
      const { pathname } = new URL(asked.url ?? '/', registry.url);
      const forwarded = httpRequest(
        new URL(pathname, registry.url),
        { method: asked.method, headers: asked.headers },
        (response) => {
          answer.writeHead(response.statusCode ?? 500, response.headers);
          response.pipe(answer);
        },
      );
      asked.pipe(forwarded);
    }),
  );
  try {
    await project.ok('install');
    await mkdir(project.file('wasm/deps/mine'));
    await writeFile(project.file('wasm/deps/mine/note'), 'mine');
    const old = await installedIn(project);
    const lock = await readFile(project.file('waybill.lock'), 'utf8');
    const more = await project.run('add', 'test:sql', '--registry', failing.url, '--json');
    assert.notEqual(more.code, 0);
    assert.deepEqual(await installedIn(project), old);
    assert.equal(await readFile(project.file('waybill.lock'), 'utf8'), lock);

    // Between the two renames.
    await rename(project.file('wasm/deps'), project.file('wasm/.deps.waybill-old'));
    await project.ok('add', 'test:sql');
    const whole = await installedIn(project);
    assert.equal(whole['deps/mine/note'], Buffer.from('mine').toString('hex'));
    assert.ok('deps/test-sql-1.0.0.wasm' in whole);
    assert.deepEqual((await readdir(project.file('wasm'))).toSorted(), ['.deps.waybill-list', 'deps']);
  } finally {
    await failing.close();
    await project.dispose();
  }
});

test('those who change a project at once do it one after the other', async () => {
  const project = await openProject(['log ^1']);
  try {
    // Of a process that was killed in its turn: no process has this number.
    const ended = JSON.stringify({ host: hostname(), process: 2 ** 31 - 1, id: 'x' });
    await writeFile(project.file('.waybill-turn'), ended);
    const names = ['text', 'json', 'cache', 'sql', 'mail', 'queue'];
    await Promise.all(names.map((name) => project.ok('add', `test:${name}`)));
    const manifest = await readFile(project.file('waybill.toml'), 'utf8');
    const whole = await installedIn(project);
    for (const name of names) {
      assert.ok(manifest.includes(`"test:${name}"`), name);
      assert.ok(`deps/test-${name}-1.0.0.wasm` in whole, name);
    }
    await project.ok('install', '--frozen');
    assert.deepEqual((await readdir(project.file('wasm'))).toSorted(), ['.deps.waybill-list', 'deps']);
    assert.deepEqual(
      (await readdir(project.home)).filter((name) => name.startsWith('.waybill')),
      [],
    );
  } finally {
    await project.dispose();
  }
});

test('nothing is installed, or cleared away, through a link that leads out of the project', async () => {
  const project = await openProject(['log ^1']);
  const elsewhere = await openUser();
  try {
    await mkdir(elsewhere.file('deps'));
    await mkdir(elsewhere.file('.deps.waybill-old'));
    const untouched = await readdir(elsewhere.home, { recursive: true });
    await symlink(elsewhere.home, project.file('wasm'), 'dir');
    assert.equal(codeOf(await project.run('install', '--json')), 'usage/invalid');
    await rm(project.file('wasm'));
    await mkdir(project.file('wasm'));
    await symlink(elsewhere.home, project.file('wasm/deps'), 'dir');
    assert.equal(codeOf(await project.run('install', '--json')), 'usage/invalid');
    assert.deepEqual(await readdir(elsewhere.home, { recursive: true }), untouched);
  } finally {
    await project.dispose();
    await elsewhere.dispose();
  }
});

test('a lock that comes from elsewhere leaves no second version of a package behind, and none that it does not name', async () => {
  const project = await openProject(['log ~1.0', 'io', 'queue']);
  const other = await openProject(['log ~1.1']);
  try {
    await project.ok('install');
    await other.ok('install');
    for (const mine of ['test-other-1.0.0', 'test-log-notes', 'log-1.0.0'])
      await mkdir(project.file(`wasm/deps/${mine}`));
    for (const name of ['waybill.toml', 'waybill.lock']) await cp(other.file(name), project.file(name));
    await project.ok('install', '--frozen');
    const there = await readdir(project.file('wasm/deps'));
    assert.deepEqual(there.toSorted(), ['log-1.0.0', 'test-log-1.1.0.wasm', 'test-log-notes', 'test-other-1.0.0']);
    assert.ok(!(await readdir(project.home)).includes('wit'));
  } finally {
    await project.dispose();
    await other.dispose();
  }
});

test('two releases that some file systems would put in one place are not both installed', async () => {
  for (const version of ['1.0.0-RC', '1.0.0-rc']) {
    await publish('case', version, componentOf([], `case@${version}`));
    await publish(
      `case-${version.endsWith('RC') ? 'a' : 'b'}`,
      '1.0.0',
      componentOf([`test:case/x@${version}`], version),
    );
  }
  const project = await openProject(['case-a', 'case-b']);
  try {
    const outcome = await project.run('install', '--json');
    assert.equal(codeOf(outcome), 'usage/invalid', outcome.stderr);
    assert.match(outcome.stderr, /take one of them/);
  } finally {
    await project.dispose();
  }
});

test('wkg.lock is written beside ours, read where there is no other, and held against the log', async () => {
  const project = await openProject(['log ^1']);
  try {
    await writeFile(project.file('wkg.toml'), '[overrides]\n"test:log" = { version = "=1.0.0" }\n');
    await mkdir(project.file('wit'));
    await writeFile(project.file('wit/app.wit'), 'package test:app;\n');
    await project.ok('install');
    const text = await readFile(project.file('wkg.lock'), 'utf8');
    assert.match(
      text,
      /\[\[packages\]\]\nname = "test:log"\nregistry = "127\.0\.0\.1:\d+"\n\n\[\[packages\.versions\]\]\nrequirement = "=1\.0\.0"\nversion = "1\.0\.0"\ndigest = "sha256:/,
    );
    await rm(project.file('wkg.toml'));
    await rm(project.file('waybill.lock'));
    await project.ok('install');
    assert.ok('deps/test-log-1.0.0.wasm' in (await installedIn(project)));
    await rm(project.file('waybill.lock'));
    await writeFile(project.file('wkg.lock'), text.replace(/sha256:[0-9a-f]{64}/, `sha256:${'0'.repeat(64)}`));
    assert.equal(codeOf(await project.run('install', '--json')), 'lock/invalid');
  } finally {
    await project.dispose();
  }
});

test('what is yanked stays for whoever has locked it, and is chosen by nobody', async () => {
  await publish('brief', '1.0.0', componentOf([], 'brief@1.0.0'));
  const project = await openProject(['brief']);
  const later = await openProject(['brief']);
  try {
    await project.ok('install');
    await user.ok('yank', 'test:brief@1.0.0', ...at);
    const again = await project.run('install', '--frozen');
    assert.equal(again.code, 0);
    assert.match(again.stderr, /^warning: test:brief: version 1\.0\.0 was yanked/m);
    await project.ok('add', 'test:log@^1');
    assert.ok('deps/test-brief-1.0.0.wasm' in (await installedIn(project)));
    const { code, stderr } = await later.run('install');
    assert.equal(code, 77);
    assert.match(stderr, /test:brief has no release that satisfies \* that is not yanked/);
  } finally {
    await project.dispose();
    await later.dispose();
  }
});

test('a tree is installed as a folder, with what its component needs', async () => {
  await mkdir(user.file('site/pages'), { recursive: true });
  await writeFile(user.file('site/component.wasm'), componentOf(['test:text/read@1.0.0'], 'site'));
  await writeFile(user.file('site/pages/index.html'), '<p>');
  await user.ok('publish', 'site', '--package', 'test:site', '--version', '1.0.0', ...at);
  const project = await openProject(['site']);
  const machine = await openUser();
  try {
    await project.ok('install');
    const files = await installedIn(project);
    for (const file of ['component.wasm', 'pages/index.html']) assert.ok(`deps/test-site-1.0.0/${file}` in files, file);
    assert.ok('deps/test-text-1.0.0.wasm' in files);
    for (const file of ['waybill.toml', 'waybill.lock']) await cp(project.file(file), machine.file(file));
    await machine.ok('install', '--frozen');
    assert.deepEqual(await installedIn(machine), files);
  } finally {
    await project.dispose();
    await machine.dispose();
  }
});

test('outside of a project every command says how to begin one', async () => {
  for (const command of [['install'], ['update'], ['why', 'test:log'], ['outdated']]) {
    const outcome = await user.run(...command, ...(command[0] === 'why' ? [] : at), '--json');
    assert.equal(codeOf(outcome), 'usage/invalid');
    assert.match(outcome.stderr, /waybill add/);
  }
});
