import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { open } from '@waybill/client';
import { digestOf, isRegistryError } from '@waybill/protocol';
import { openLyingProxy, type Lie, type PassedAnswer } from './lying-proxy.ts';
import {
  codeOf,
  COMPONENT,
  CORE_MODULE,
  openRegistry,
  openUser,
  type CommandOutcome,
  type TestRegistry,
  type TestUser,
} from './registry.ts';

/* Releases by their content: the registry says where to look, and the logs what is so (spec/http.md 4.22). */

let registry: TestRegistry;
let user: TestUser;
let module: string;
let component: string;

before(async () => {
  registry = await openRegistry({ namespaces: ['test', 'other'] });
  user = await openUser({ WAYBILL_REGISTRY: registry.url.href });
  module = digestOf(await readFile(CORE_MODULE));
  component = digestOf(await readFile(COMPONENT));
  await user.ok('key', 'new', '--alg', 'Ed25519');
  for (const [name, version, file] of [
    ['test:tool', '1.0.0', CORE_MODULE],
    ['test:tool', '1.1.0', CORE_MODULE],
    ['other:copy', '3.0.0', CORE_MODULE],
    ['test:part', '1.0.0', COMPONENT],
  ] as const) {
    await user.ok('publish', file, '--package', name, '--version', version);
  }
  await user.ok('yank', 'test:tool@1.1.0', '--reason', 'twice');
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

interface Found {
  readonly isWhole: boolean;
  readonly releases: readonly Readonly<Record<string, unknown>>[];
}

async function find(...args: readonly string[]): Promise<Found> {
  return JSON.parse(await user.ok('find', ...args, '--json'));
}

function namesIn({ releases }: Found): string[] {
  return releases.map((release) => `${String(release['package'])}@${String(release['version'])}`);
}

const HOLDERS = ['test:tool@1.0.0', 'test:tool@1.1.0', 'other:copy@3.0.0'];

test('a digest and a file lead to the same releases, yanked ones told apart', async () => {
  const found = await find(module);
  assert.deepEqual(namesIn(found), HOLDERS);
  assert.deepEqual(
    found.releases.map(({ status, kind }) => [status, kind]),
    [
      ['released', 'wasm'],
      ['yanked', 'wasm'],
      ['released', 'wasm'],
    ],
  );
  assert.ok(found.isWhole);
  assert.deepEqual(await find(CORE_MODULE), found);
  const text = await user.ok('find', CORE_MODULE);
  assert.match(text, /^test:tool@1\.0\.0 {2}wasm {2}record sha256:[0-9a-f]{64}\n/);
  assert.match(text, /test:tool@1\.1\.0 .* yanked .* twice/);
});

test('a folder is looked for as the tree that it would be released as', async () => {
  const folder = user.file('site');
  await mkdir(folder);
  await writeFile(path.join(folder, 'index.html'), 'hello');
  await user.ok('publish', folder, '--package', 'test:site', '--version', '1.0.0');
  assert.deepEqual(namesIn(await find(folder)), ['test:site@1.0.0']);
  // A file within it is no content of a release.
  assert.equal((await user.run('find', path.join(folder, 'index.html'))).code, 68);
});

test('what nobody holds ends with 68, and mistakes with 64', async () => {
  await writeFile(user.file('own.bin'), 'nobody has this');
  const { code, stdout, stderr } = await user.run('find', 'own.bin', '--json');
  assert.deepEqual([code, stderr], [68, '']);
  assert.deepEqual(JSON.parse(stdout).releases, []);
  assert.match((await user.run('find', 'own.bin')).stdout, /names no release that holds sha256:/);
  assert.deepEqual(
    [(await user.run('find', 'sha256:12', '--json')).code, (await user.run('find', 'gone')).code],
    [64, 64],
  );
});

test('content that is taken down is named to nobody, and the reason is told', async () => {
  await copyFile(registry.operatorKeyFile, user.file('root.key'));
  const govern = (...args: readonly string[]): Promise<string> =>
    user.ok('operator', 'governance', ...args, '--key-file', 'root.key');
  for (const namespace of ['test', 'other']) await govern('begin', '--namespace', namespace);
  await govern('takedown', component, '--code', 'malware', '--namespace', 'test');
  const [release] = (await find(component)).releases;
  assert.match(JSON.stringify(release), /"takedown":\{.*malware/);
  await govern('begin');
  await govern('takedown', component, '--code', 'malware', '--reason', 'digs');
  const refused = await user.run('find', component, '--json');
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'registry/refused']);
  assert.match(refused.stderr, /malware: digs/);
});

test('a program finds releases by their content, each as its log says', async () => {
  const opened = await open(registry.url.href, { operatorKey: registry.operatorKeyId });
  const { releases, isWhole } = await opened.releasesWith(module);
  assert.deepEqual(
    releases.map(({ package: name, release, unrooted }) => [
      `${name}@${release.version}`,
      release.yanked?.reason,
      unrooted,
    ]),
    [
      [HOLDERS[0], undefined, null],
      [HOLDERS[1], 'twice', null],
      [HOLDERS[2], undefined, null],
    ],
  );
  assert.ok(isWhole);
  await assert.rejects(opened.releasesWith('sha256:1'), (thrown) => isRegistryError(thrown, 'text/hash'));
});

interface Answer {
  releases: { package: string; version: string; recordId: string }[];
  next: string | null;
}

/** Changes what the registry says of who holds the module. */
function lyingOf(change: (answer: Answer) => void): Lie {
  return (answer: PassedAnswer) => {
    if (!/\/releases\?/.test(answer.path)) return answer.body;
    const body: Answer = JSON.parse(answer.body.toString());
    change(body);
    return Buffer.from(JSON.stringify(body));
  };
}

async function findThrough(lie: Lie, digest = module): Promise<CommandOutcome> {
  const proxy = await openLyingProxy(registry.url, lie);
  try {
    return await user.run('find', digest, '--json', '--registry', proxy.url);
  } finally {
    await proxy.close();
  }
}

const first = ({ releases: [release] }: Answer): Answer['releases'][number] => release ?? assert.fail();

const LIES: Readonly<Record<string, (answer: Answer) => void>> = {
  'a release that holds something else': (answer) => void Object.assign(first(answer), { package: 'test:part' }),
  'a version that is not there': (answer) => void Object.assign(first(answer), { version: '9.9.9' }),
  'a package that is not there': (answer) => void Object.assign(first(answer), { package: 'test:nobody' }),
  'another record': (answer) => void Object.assign(first(answer), { recordId: `sha256:${'ab'.repeat(32)}` }),
  'a release twice': (answer) => void answer.releases.push(first(answer)),
  'a promise of more, and nothing': (answer) => void Object.assign(answer, { releases: [], next: '9.9' }),
  'pages without an end': (answer) => void Object.assign(answer, { next: '1.0' }),
  'no list': (answer) => void Object.assign(answer, { releases: null }),
  'what is no name': (answer) => void Object.assign(first(answer), { package: 'Test' }),
};

for (const [what, change] of Object.entries(LIES)) {
  test(`T8: a registry that names ${what} is refused`, async () => {
    const { code, stdout, stderr } = await findThrough(lyingOf(change));
    assert.deepEqual([code, JSON.parse(stderr).error.code, stdout], [65, 'registry/protocol', ''], stderr);
  });
}

test('a registry that leaves a release out is not caught, as the help says', async () => {
  const { code, stdout } = await findThrough(lyingOf((answer) => void answer.releases.shift()));
  assert.equal(code, 0);
  assert.deepEqual(namesIn(JSON.parse(stdout)), HOLDERS.slice(1));
  assert.match((await user.ok('find', '--help')).replaceAll(/\s+/g, ' '), /can leave out what it likes/);
});

test('a registry without look-up is told apart from one that finds nothing', async () => {
  const opened = await open(registry.url.href, {
    operatorKey: registry.operatorKeyId,
    fetch: (url, init) =>
      url.includes('/releases') ? Promise.resolve(new Response(null, { status: 404 })) : fetch(url, init),
  });
  await assert.rejects(opened.releasesWith(module), (thrown) => isRegistryError(thrown, 'request/unsupported'));
});
