import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  digestOf,
  isRegistryError,
  parsePackageName,
  parseVersion,
  recordIdOf,
  utf8,
  type ErrorCode,
} from '@waybill/protocol';
import { packagesNamed } from '@waybill/protocol/content';
import { plainCargoRange, rangeOfCargo } from '../../src/project/cargo-range.ts';
import { formatLock, parseLock, type LockedRelease, type ProjectLock } from '../../src/project/lock-file.ts';
import { parseManifest, withDependency } from '../../src/project/manifest.ts';
import { lockChanges } from '../../src/project/project-choice.ts';
import { askedFor, projectNeeds } from '../../src/project/project-needs.ts';
import { formatWkgLock, parseWkgLock, parseWkgManifest } from '../../src/project/wkg-files.ts';
import { wkgLockOf, wkgNeeds } from '../../src/project/wkg-needs.ts';

function failsWith(code: ErrorCode): (thrown: unknown) => boolean {
  return (thrown) => isRegistryError(thrown, code);
}

const HELLO = parsePackageName('demo:hello');
const LIB = parsePackageName('demo:lib');
const V1 = parseVersion('1.0.0');
const V2 = parseVersion('1.2.0-rc.1+b');

function locked(
  name: LockedRelease['name'],
  version: LockedRelease['version'],
  dependencies: LockedRelease['dependencies'],
): LockedRelease {
  const bytes = utf8(`${name}@${version}`);
  const recordId = recordIdOf('package', bytes);
  return {
    name,
    version,
    kind: 'file',
    digest: digestOf(bytes),
    size: 17,
    recordId,
    registryIndex: 4,
    dependencies,
    hosts: ['wasi:cli ^0.2.0'],
  };
}

const LOCK: ProjectLock = {
  origin: 'registry.test',
  operatorKeyId: digestOf(utf8('operator')),
  checkpoint: {
    contents: {
      logLength: 9,
      logRoot: digestOf(utf8('log')),
      mapRoot: digestOf(utf8('map')),
      timestamp: 1_700_000_000,
    },
    keyId: digestOf(utf8('operator')),
    signature: 'ecdsa-p256:AAAA',
  },
  needs: ['demo:hello ^1.0'],
  dependencies: [{ name: HELLO, version: V1 }],
  hosts: [],
  releases: [locked(HELLO, V1, [{ name: LIB, version: V2 }]), locked(LIB, V2, [])],
};

test('a lock reads as it was written, in one order', () => {
  const text = formatLock(LOCK);
  assert.deepEqual(parseLock(text), LOCK);
  assert.equal(formatLock({ ...LOCK, releases: LOCK.releases.toReversed() }), text);
});

test('a lock with any byte changed, left out or added is refused', () => {
  const text = formatLock(LOCK);
  for (let i = 0; i < text.length; i++) {
    const other = text[i] === 'a' ? 'b' : 'a';
    for (const changed of [
      text.slice(0, i) + other + text.slice(i + 1),
      text.slice(0, i) + text.slice(i + 1),
      `${text.slice(0, i)} ${text.slice(i)}`,
    ]) {
      if (changed !== text) assert.throws(() => parseLock(changed), failsWith('lock/invalid'), `byte ${i}`);
    }
  }
  for (const changed of [
    '',
    text.slice(0, -1),
    `${text}\n`,
    `\uFEFF${text}`,
    text.replaceAll('\n', '\r\n'),
    `${text}x = 1\n`,
  ]) {
    assert.throws(() => parseLock(changed), failsWith('lock/invalid'));
  }
});

test('a lock whose hash was made anew is refused where it does not hold together', () => {
  const twice = { ...LOCK, releases: [...LOCK.releases, locked(HELLO, V1, [])] };
  const lacking = { ...LOCK, releases: LOCK.releases.slice(0, 1) };
  for (const lock of [twice, lacking]) assert.throws(() => parseLock(formatLock(lock)), failsWith('lock/invalid'));
});

test('P11: what is new about a release is new beside the one of its own track', () => {
  const hello = (version: string, hosts: readonly string[]): LockedRelease => ({
    ...locked(HELLO, parseVersion(version), []),
    hosts,
  });
  const sockets = 'wasi:sockets ^0.2.0';
  const before = { ...LOCK, releases: [hello('1.0.0', [sockets]), hello('2.0.0', [])] };
  const after = { ...LOCK, releases: [hello('1.0.1', [sockets]), hello('2.0.1', [sockets])] };
  const { changed, asksAnew } = lockChanges(before, after);
  assert.deepEqual(
    changed.map(({ from, to }) => `${from.version} ${to.version}`),
    ['1.0.0 1.0.1', '2.0.0 2.0.1'],
  );
  assert.deepEqual(
    asksAnew.map(({ release, what }) => `${release.version} ${what.join()}`),
    ['2.0.1 wasi:sockets'],
  );
  const moved = lockChanges({ ...LOCK, releases: [hello('1.0.0', [])] }, after);
  assert.equal(moved.changed.length, 1);
  assert.deepEqual(
    moved.added.map(({ version }) => version),
    ['2.0.1'],
  );
});

test('a manifest: ranges, versions, and mistakes', () => {
  const { dependencies, registry } = parseManifest(
    'registry = "https://registry.test"\n[dependencies]\n"demo:lib" = "*"\n"demo:hello" = "^1.2" # why\n',
  );
  assert.equal(registry?.host, 'registry.test');
  assert.deepEqual(dependencies, [
    { name: HELLO, version: '^1.2' },
    { name: LIB, version: '*' },
  ]);
  assert.deepEqual(parseManifest(''), { registry: null, dependencies: [] });
  const mistakes = [
    'x = 1',
    '[dependencies]\n"demo" = "1"',
    '[dependencies]\n"demo:a" = "no range"',
    '[dependencies]\n"demo:a" = 1',
    '[dependencies]\n"demo:a" = "1"\n"demo:a" = "2"',
    'dependencies = 1',
    '[dependencies',
    'registry = "http://example.com"',
  ];
  for (const text of mistakes) assert.throws(() => parseManifest(text), failsWith('usage/invalid'), text);
});

test('a dependency is added to a manifest, and all else in it stays', () => {
  const text = '# ours\nregistry = "https://registry.test"\n\n[dependencies] \n"demo:lib" = "^1" # keep\n\n# end\n';
  assert.equal(withDependency('', HELLO, '^1.0.0'), '[dependencies]\n"demo:hello" = "^1.0.0"\n');
  assert.match(withDependency(text, HELLO, '^2'), /"demo:lib" = "\^1" # keep\n/);
  assert.equal(parseManifest(withDependency(text, LIB, '^2')).dependencies[0]?.version, '^2');
  assert.equal(withDependency('# x\n', LIB, '1'), '# x\n\n[dependencies]\n"demo:lib" = "1"\n');
  for (const odd of ['dependencies = { "demo:lib" = "1" }\n', '[dependencies]\n"demo\\u003alib" = "1"\n']) {
    assert.throws(() => withDependency(odd, LIB, '2'), failsWith('usage/invalid'));
  }
});

test('wkg.toml: its overrides take the place of ranges, and what lies here is asked of nobody', () => {
  const overrides = parseWkgManifest(
    '[overrides]\n"demo:hello" = { version = "1.2" }\n"demo:lib" = { path = "../lib" }\n[metadata]\ndescription = "x"\n',
  );
  const manifest = parseManifest('[dependencies]\n"demo:hello" = "^1"\n"demo:lib" = "*"\n');
  assert.deepEqual(projectNeeds({ manifest, overrides }), [{ name: HELLO, range: '^1.2', mayBeHosts: false }]);
  assert.deepEqual(askedFor({ manifest, overrides }), [
    'demo:hello ^1.2',
    'wkg.toml: demo:hello ^1.2',
    'wkg.toml: demo:lib in ../lib',
  ]);
  for (const text of [
    '[override]',
    '[overrides]\n"demo:a" = { version = "x y" }',
    '[overrides]\n"demo:a" = { branch = "x" }',
  ]) {
    assert.throws(() => parseWkgManifest(text), failsWith('usage/invalid'), text);
  }
});

const CARGO_RANGES: readonly (readonly [cargo: string, npm: string])[] = [
  ['1.2.3', '^1.2.3'],
  ['1', '^1'],
  ['=1.2.3', '1.2.3'],
  ['= 0.2.0', '0.2.0'],
  ['=1.2', '=1.2'],
  ['>=1, <3', '>=1 <3'],
  ['~1.2', '~1.2'],
  ['1.*', '1.*'],
  ['*', '*'],
];

test('ranges of Cargo as npm writes them', () => {
  for (const [cargo, npm] of CARGO_RANGES) assert.equal(rangeOfCargo(cargo), npm, cargo);
});

test('a range has one text in files of wkg', () => {
  for (const [text, plain] of [
    ['1.2', '^1.2'],
    ['= 0.2.0', '=0.2.0'],
    ['=1.0.0-x.1+b.2', '=1.0.0-x.1'],
    ['>= 1,<3', '>=1, <3'],
    ['1.x', '1.*'],
    ['*', '*'],
  ] as const) {
    assert.equal(plainCargoRange(text), plain);
    assert.equal(plainCargoRange(plain), plain);
  }
});

/** As wkg 0.16 writes it. */
const WKG_LOCK = `# This file is automatically generated.
# It is not intended for manual editing.
version = 1

[[packages]]
name = "demo:hello"
registry = "registry.test"

[[packages.versions]]
requirement = "=0.2.0"
version = "0.2.0"
digest = "${digestOf(utf8('a'))}"

[[packages.versions]]
requirement = "=0.2.1"
version = "0.2.1"
digest = "${digestOf(utf8('b'))}"

[[packages]]
name = "demo:lib"

[[packages.versions]]
requirement = "^1.0.0"
version = "1.4.0"
digest = "${digestOf(utf8('c'))}"
`;

test('wkg.lock is read, and written byte for byte as wkg writes it', () => {
  const packages = parseWkgLock(WKG_LOCK);
  assert.deepEqual(
    packages.map(({ name, version, registry }) => `${name}@${version} ${registry}`),
    ['demo:hello@0.2.0 registry.test', 'demo:hello@0.2.1 registry.test', 'demo:lib@1.4.0 null'],
  );
  assert.equal(formatWkgLock(packages.toReversed()), WKG_LOCK);
  assert.deepEqual(parseWkgLock(formatWkgLock([])), []);
  for (const text of [
    'version = 2\n',
    '[[packages]]\nname = "x"\n',
    'version = 1\n[[packages]]\nname = "demo:a"\n[[packages.versions]]\nrequirement = "1"\nversion = "1.0.0"\ndigest = "sha256:00"\n',
  ]) {
    assert.throws(() => parseWkgLock(text), failsWith('lock/invalid'), text);
  }
  const apart = ['a:z', 'a-b:a', 'a:b-c', 'a:b'].map((name) => ({ ...locked(parsePackageName(name), V1, []) }));
  const text = formatWkgLock(apart.map((each) => ({ ...each, registry: null, requirement: '=1.0.0' })));
  assert.deepEqual(
    [...text.matchAll(/^name = "(.*)"$/gm)].map(([, name]) => name),
    ['a:b', 'a:b-c', 'a:z', 'a-b:a'],
  );
  const [first] = packages;
  if (first !== undefined) assert.throws(() => formatWkgLock([first, first]), failsWith('lock/invalid'));
});

test('what wkg needs: what wkg.toml gives a version, and what WIT names', () => {
  const overrides = parseWkgManifest(
    '[overrides]\n"demo:hello" = { version = "0.2" }\n"demo:local" = { path = "../local" }\n"demo:none" = {}\n',
  );
  const named = packagesNamed([
    {
      path: 'app.wit',
      text: `package demo:app;
interface mine { use demo:types/t@1.0.0-rc.1.{a}; }
world app { import mine; import demo:hello/x@0.1.0; export demo:lib/y@1.2.0; include demo:local/z; import demo:any/w; }
package demo:nested { interface i { use demo:lib/y@1.2.0.{b}; } }
package demo:second { world s { import demo:nested/i; } }`,
    },
  ]);
  const needs = wkgNeeds(overrides, named);
  assert.deepEqual(needs.map(({ name, requirement }) => `${name} ${requirement}`).toSorted(), [
    'demo:any *',
    'demo:hello ^0.2',
    'demo:lib =1.2.0',
    'demo:types =1.0.0-rc.1',
  ]);
});

test('wkg.lock has what wkg needs, under the name that wkg has for its registry; what we do not hold stays', () => {
  const lock: ProjectLock = { ...LOCK, releases: [locked(HELLO, V1, []), locked(HELLO, V2, []), locked(LIB, V1, [])] };
  const other = { name: parsePackageName('other:package'), requirement: '=1.0.0' };
  const digest = digestOf(utf8('x'));
  const previous = [
    { name: LIB, registry: 'mirror.test', requirement: '=0.9.0', version: parseVersion('0.9.0'), digest },
    { ...other, registry: null, version: V1, digest },
    { ...other, name: parsePackageName('other:gone'), registry: null, version: V1, digest },
  ];
  const needs = [
    { name: HELLO, requirement: '*' },
    { name: LIB, requirement: '=1.0.0' },
    { name: LIB, requirement: '=1.1.0' },
    other,
    { ...other, requirement: '=2.0.0' },
  ];
  const found = wkgLockOf({ needs, lock, previous, registry: 'registry.test' });
  assert.deepEqual(
    found.map(({ name, registry, requirement, version }) => `${name} ${registry} ${requirement} ${version}`),
    ['demo:hello registry.test * 1.0.0', 'demo:lib mirror.test =1.0.0 1.0.0', 'other:package null =1.0.0 1.0.0'],
  );
});
