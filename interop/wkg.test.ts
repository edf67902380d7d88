import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { parseLock, parseWkgLock } from '@waybill/client';
import { readWitText } from '@waybill/client/node';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { refuses, succeeds } from './command.ts';
import { peerTest } from './peers.ts';
import { newWaybillPerson, type WaybillPerson } from './person.ts';
import { startWaybill } from './registry.ts';
import { newHome, openScene } from './scene.ts';
import { peerBinary, peerWit } from './wasm-tools.ts';
import { Wkg } from './wkg.ts';

/** In the order in which they use each other. */
const PACKAGES: readonly (readonly [name: string, version: string, text: string])[] = [
  [
    'test:types',
    '1.0.0',
    `/// What all agree on.
package test:types@1.0.0;

/// Names and places.
interface api {
  /// A place.
  record point {
    x: u32,
    y: u32,
  }
  type name = string;
}

interface extra {
  variant shape {
    dot,
    circle(u32),
  }
}
`,
  ],
  [
    'test:store',
    '1.0.0',
    `/// What is kept.
package test:store@1.0.0;

interface keys {
  use test:types/api@1.0.0.{name, point};
  /// Nothing where nothing is kept.
  get: func(name: name) -> option<point>;
}

interface stats {
  count: func() -> u64;
}
`,
  ],
  [
    'test:store',
    '1.1.0',
    `package test:store@1.1.0;

interface keys {
  use test:types/api@1.0.0.{name};
  get: func(name: name) -> u64;
}
`,
  ],
  [
    'test:http',
    '0.2.0',
    `package test:http@0.2.0;

interface handler {
  use test:types/api@1.0.0.{name};
  /// A request that is under way.
  resource request {
    constructor(to: name);
    headers: func() -> list<tuple<string, list<u8>>>;
  }
  handle: func(given: request) -> result<u16, string>;
}

world proxy {
  import test:store/keys@1.0.0;
  export handler;
}
`,
  ],
  ['test:log', '1.0.0', 'package test:log@1.0.0;\n\ninterface write {\n  write: func(line: string);\n}\n'],
  [
    'test:log',
    '1.1.0',
    'package test:log@1.1.0;\n\ninterface write {\n  write: func(line: string);\n  flush: func();\n}\n',
  ],
];

/** It names three packages; the fourth is needed by one of these. */
const APP = `package test:app@0.1.0;

interface run {
  use test:types/api@1.0.0.{point};
  run: func() -> point;
}

world app {
  import test:log/write@1.0.0;
  include test:http/proxy@0.2.0;
  export run;
}
`;

/** The newest of `test:log` is another than the one that the text names. */
const RANGES = ['"test:http" = "^0.2.0"', '"test:log" = "^1.0.0"', '"test:types" = "^1.0.0"'];
/** As {@link APP} and what it names have it. */
const PINS = [...RANGES.filter((range) => !range.includes('log')), '"test:log" = "1.0.0"', '"test:store" = "1.0.0"'];

/** Of `test:store`, what is copied in `test:http`: the interface that it uses, without docs. */
const COPIED = `package test:store@1.0.0;

interface keys {
  use test:types/api@1.0.0.{name, point};

  get: func(name: name) -> option<point>;
}

`;

interface Stage {
  readonly wkg: Wkg;
  /** A project with that WIT and these dependencies. */
  readonly newProject: (dependencies: readonly string[]) => Promise<WaybillPerson>;
}

/** A registry with packages of WIT, which wkg can have as well. */
async function openStage(t: TestContext): Promise<Stage> {
  const scene = await openScene(t, { start: startWaybill, newcomer: newWaybillPerson });
  const { url } = scene.registry;
  const newPerson = () => newWaybillPerson(url, newHome(scene.folder));
  const wkg = new Wkg(scene.folder, { namespace: 'test', host: url.host });
  const publisher = await newPerson();
  for (const [i, [name, version, text]] of PACKAGES.entries()) {
    const folder = path.join(publisher.home, `package-${i}`);
    writeFiles(folder, { 'package.wit': text });
    const before = PACKAGES.slice(0, i).map(([, , dependency], j) => [`${j}.wit`, dependency] as const);
    writeFiles(path.join(folder, 'deps'), Object.fromEntries(before));
    await succeeds(publisher.run('publish', folder, '--wit', '--package', name, '--version', version));
    await succeeds(publisher.download(name, version, wkg.fileOf(name, version)));
  }
  return {
    wkg,
    async newProject(dependencies) {
      const person = await newPerson();
      writeFiles(path.join(person.home, 'wit'), { 'app.wit': APP });
      writeFiles(person.home, { 'waybill.toml': `[dependencies]\n${dependencies.join('\n')}\n` });
      return person;
    },
  };
}

function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
}

function readText({ home }: WaybillPerson, name: string): string {
  return readFileSync(path.join(home, name), 'utf8');
}

/** Every file of what was installed, by its path. */
function installedIn({ home }: WaybillPerson): Readonly<Record<string, string>> {
  const folder = path.join(home, 'wit', 'deps');
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map((entry) => path.join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(files.map((file) => [path.relative(folder, file), readFileSync(file, 'latin1')]));
}

/** With the digest of the first package changed. */
function forged(lock: string): string {
  return lock.replace(/sha256:[0-9a-f]{64}/, `sha256:${'0'.repeat(64)}`);
}

peerTest('wkg and waybill in one project', ['wkg', 'wasm-tools'], async (t) => {
  const stage = await openStage(t);
  await t.test('the wkg.lock that wkg writes is read, kept, and held against the log', () => readTheirLock(stage));
  await t.test('the wkg.lock that we write is what wkg would have written, and wkg holds to it', () =>
    writeOurLock(stage),
  );
  await t.test('an override of wkg.toml, and what waybill.lock does not hold, are locked as wkg does', () =>
    lockOverrides(stage),
  );
  await t.test('wit/deps is what wkg lays out, and what wkg builds of it we read', () => layOut(stage));
  await t.test('where a newer release is chosen, wit/deps has copies in a binary package', () => layOutCopies(stage));
});

async function readTheirLock({ wkg, newProject }: Stage): Promise<void> {
  const project = await newProject(RANGES);
  await succeeds(wkg.run(project.home, 'fetch'));
  const written = readText(project, 'wkg.lock');
  const theirs = parseWkgLock(written);
  assert.deepEqual(
    theirs.map(({ name, version, requirement }) => [name, version, requirement]),
    [
      ['test:http', '0.2.0', '=0.2.0'],
      ['test:log', '1.0.0', '=1.0.0'],
      ['test:types', '1.0.0', '=1.0.0'],
    ],
  );
  const before = installedIn(project);
  writeFiles(project.home, { 'wkg.lock': forged(written) });
  await refuses(project.run('install'), 65, /wkg\.lock says sha256:0+ of test:http@0\.2\.0, and the log sha256:/);
  assert.ok(!existsSync(path.join(project.home, 'waybill.lock')));
  assert.deepEqual(installedIn(project), before);
  writeFiles(project.home, { 'wkg.lock': written });
  await succeeds(project.run('install'));
  const { releases } = parseLock(readText(project, 'waybill.lock'));
  for (const { name, version, digest } of theirs)
    assert.equal(releases.find((each) => each.name === name && each.version === version)?.digest, digest, name);
  assert.equal(readText(project, 'wkg.lock'), written);
  writeFiles(project.home, { 'wkg.lock': forged(written) });
  for (const args of [['install'], ['install', '--frozen'], ['update', 'test:http']])
    await refuses(project.run(...args), 65, /wkg\.lock says/);
}

async function writeOurLock({ wkg, newProject }: Stage): Promise<void> {
  const project = await newProject(PINS);
  const other = await newProject(PINS);
  const manifest = '[metadata]\ndescription = "An app"\n';
  for (const { home } of [project, other]) writeFiles(home, { 'wkg.toml': manifest });
  await succeeds(project.run('install'));
  await succeeds(wkg.run(other.home, 'build', '--output', 'app.wasm'));
  const written = readText(project, 'wkg.lock');
  assert.equal(written, readText(other, 'wkg.lock'));
  for (const args of [['fetch'], ['build'], ['publish', 'wit']]) {
    await succeeds(wkg.run(project.home, ...args));
    assert.equal(readText(project, 'wkg.lock'), written, args.join(' '));
  }
  writeFiles(project.home, { 'wkg.lock': forged(written) });
  await refuses(wkg.run(project.home, 'build'), 1, /test:http.*the lock file specifies digest `sha256:0+`/s);
  // In this release `fetch` empties what it has read before it looks into it.
  await succeeds(wkg.run(project.home, 'fetch'));
  assert.equal(readText(project, 'wkg.lock'), written);
}

async function lockOverrides({ wkg, newProject }: Stage): Promise<void> {
  const project = await newProject(PINS.filter((pin) => !pin.includes('types')));
  const overrides = '[overrides]\n"test:log" = { version = ">= 1.0, <1.1" }\n"test:types" = { path = "types" }\n';
  writeFiles(project.home, { 'wkg.toml': overrides });
  writeFiles(path.join(project.home, 'types'), { 'types.wit': PACKAGES[0]?.[2] ?? '' });
  await succeeds(wkg.run(project.home, 'fetch'));
  const written = readText(project, 'wkg.lock');
  assert.match(written, /requirement = ">=1\.0, <1\.1"/);
  assert.doesNotMatch(written, /test:types/);
  rmSync(path.join(project.home, 'wkg.lock'));
  await succeeds(project.run('install'));
  assert.equal(readText(project, 'wkg.lock'), written);
  const alone = await newProject(['"test:log" = "1.0.0"']);
  await succeeds(wkg.run(alone.home, 'fetch'));
  const whole = readText(alone, 'wkg.lock');
  await succeeds(alone.run('install'));
  assert.equal(readText(alone, 'wkg.lock'), whole);
}

async function layOut({ wkg, newProject }: Stage): Promise<void> {
  const [project, other] = [await newProject(PINS), await newProject(PINS)];
  await succeeds(project.run('install'));
  await succeeds(wkg.run(other.home, 'fetch'));
  const [ours, theirs] = [installedIn(project), installedIn(other)];
  const transitive = path.join('test-store-1.0.0', 'package.wit');
  // The whole package, where wkg has what another package has copies of.
  assert.equal(theirs[transitive], COPIED);
  assert.match(ours[transitive] ?? '', /^\/\/\/ What is kept\.\npackage test:store@1\.0\.0;[^]*interface stats/);
  assert.deepEqual({ ...ours, [transitive]: COPIED }, theirs);
  await succeeds(wkg.run(project.home, 'build', '--output', 'app.wasm'));
  const built = path.join(project.home, 'app.wasm');
  const { stdout } = await succeeds(project.run('wit', built, '--output', '-'));
  assert.equal(stdout, peerWit(built));
  const binary = encodeWit(parseWit(await readWitText(path.join(project.home, 'wit'))));
  assert.deepEqual(readFileSync(built).subarray(0, binary.length), Buffer.from(binary));
  await succeeds(project.release('test:app', '0.1.0', built));
}

async function layOutCopies({ wkg, newProject }: Stage): Promise<void> {
  const project = await newProject(PINS.filter((pin) => !pin.includes('store')));
  await succeeds(project.run('install'));
  assert.deepEqual(Object.keys(installedIn(project)), [
    'test-http-0.2.0.wasm',
    path.join('test-log-1.0.0', 'package.wit'),
    path.join('test-store-1.1.0', 'package.wit'),
    'test-types-1.0.0.wasm',
  ]);
  const read = path.join(project.home, 'read.wasm');
  writeFileSync(read, peerBinary(path.join(project.home, 'wit')) ?? assert.fail('wasm-tools refuses the folder'));
  await succeeds(wkg.run(project.home, 'build', '--output', 'app.wasm'));
  assert.equal(peerWit(read), peerWit(path.join(project.home, 'app.wasm')));
}
