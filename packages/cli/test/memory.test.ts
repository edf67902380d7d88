import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FULL } from '@waybill/tools/test-scale';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { openLyingProxy, type Lie } from './lying-proxy.ts';

const EXIT_TAMPERED = 65;
const EXIT_REFUSED = 77;

let registry: TestRegistry;
let publisher: TestUser;

before(async () => {
  registry = await openRegistry();
  publisher = await openUser();
  await publisher.ok('key', 'new');
  await publisher.ok(
    'publish',
    CORE_MODULE,
    '--package',
    'test:one',
    '--version',
    '1.0.0',
    '--registry',
    registry.url.href,
  );
});

after(async () => {
  await registry.dispose();
  await publisher.dispose();
});

test('a registry set back to an earlier state is refused, with evidence (threats T2)', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-rollback-'));
  const data = path.join(folder, 'data');
  const user = await openUser();
  try {
    const first = await openRegistry({ data, namespaces: ['test'] });
    const listen = first.url.host;
    await user.ok('key', 'new');
    await user.ok('publish', CORE_MODULE, '--package', 'test:one', '--version', '1.0.0', '--registry', first.url.href);
    await first.stop();
    await cp(data, path.join(folder, 'copy'), { recursive: true });
    const second = await openRegistry({ data, listen });
    await user.ok('publish', CORE_MODULE, '--package', 'test:two', '--version', '1.0.0', '--registry', second.url.href);
    await second.stop();
    await rm(data, { recursive: true });
    await cp(path.join(folder, 'copy'), data, { recursive: true });
    const third = await openRegistry({ data, listen });
    const shorter = await user.run('head', '--registry', third.url.href, '--json');
    assert.equal(shorter.code, EXIT_TAMPERED);
    assert.equal(JSON.parse(shorter.stderr).error.code, 'checkpoint/rollback');

    // Somebody else publishes on the restored copy: another history of the same length.
    const other = await openUser();
    await other.ok('key', 'new');
    await other.ok('publish', COMPONENT, '--package', 'test:three', '--version', '1.0.0', '--registry', third.url.href);
    const forked = await user.run('head', '--registry', third.url.href, '--json');
    assert.equal(forked.code, EXIT_TAMPERED);
    assert.equal(JSON.parse(forked.stderr).error.code, 'checkpoint/fork');
    await other.ok('publish', COMPONENT, '--package', 'test:four', '--version', '1.0.0', '--registry', third.url.href);
    const longer = await user.run('head', '--registry', third.url.href, '--json');
    assert.equal(longer.code, EXIT_TAMPERED);
    assert.equal(JSON.parse(longer.stderr).error.code, 'checkpoint/fork');
    const evidence = JSON.parse(await readFile(JSON.parse(longer.stderr).error.detail.evidence, 'utf8'));
    assert.equal(evidence.remembered.checkpoint.contents.logLength, 3);
    await third.stop();
    await other.dispose();
  } finally {
    await user.dispose();
    await rm(folder, { recursive: true, force: true });
  }
});

test('the operator key is pinned at first use, and a new registry at the address is refused', async () => {
  const user = await openUser();
  const other = await openRegistry();
  try {
    const wrong = await user.run('head', '--registry', registry.url.href, '--operator-key', other.operatorKeyId);
    assert.equal(wrong.code, EXIT_TAMPERED);
    await user.ok('head', '--registry', registry.url.href, '--operator-key', registry.operatorKeyId);
    await user.ok('head', '--registry', registry.url.href);
    // The same address, another registry behind it.
    let target = registry.url;
    const follow: Lie = ({ body }) => body;
    const proxy = await openLyingProxy(target, async (answer, _ask) => {
      if (target === registry.url) return follow(answer, _ask);
      const init = {
        method: answer.method,
        headers: { 'content-type': 'application/json' },
        body: answer.request.length > 0 ? new Uint8Array(answer.request) : null,
      };
      return Buffer.from(await (await fetch(new URL(answer.path, target), init)).arrayBuffer());
    });
    await user.ok('head', '--registry', proxy.url);
    target = other.url;
    const changed = await user.run('head', '--registry', proxy.url, '--json');
    assert.equal(changed.code, EXIT_TAMPERED, changed.stderr);
    await proxy.close();
  } finally {
    await user.dispose();
    await other.dispose();
  }
});

test('another registry at a known address is told apart, though its logs are cached', async () => {
  const first = await openRegistry();
  const listen = first.url.host;
  const user = await openUser();
  try {
    await user.ok('key', 'new');
    await user.ok('publish', CORE_MODULE, '--package', 'test:one', '--version', '1.0.0', '--registry', first.url.href);
    await first.dispose();
    const second = await openRegistry({ listen });
    const { code, stderr } = await user.run('get', 'test:one', '--registry', second.url.href, '--json');
    assert.equal(code, EXIT_TAMPERED, stderr);
    assert.equal(JSON.parse(stderr).error.code, 'operator/changed');
    await second.dispose();
  } finally {
    await user.dispose();
  }
});

test('what the client keeps is for its user alone (threats U3)', async () => {
  const cache = path.join(publisher.home, '.cache/waybill');
  const keys = path.join(publisher.home, '.config/waybill/keys');
  assert.equal((await stat(cache)).mode & 0o077, 0);
  assert.equal((await stat(path.join(keys, 'default.key'))).mode & 0o077, 0);
});

test('a damaged memory of a registry is an error, not a first use', async () => {
  const user = await openUser();
  try {
    await user.ok('head', '--registry', registry.url.href);
    const [folder = assert.fail()] = await readdir(path.join(user.home, '.cache/waybill/registries'));
    const registryFolder = path.join(user.home, '.cache/waybill/registries', folder);
    const trust = (await readdir(registryFolder)).find((name) => name.startsWith('trust-')) ?? assert.fail();
    await writeFile(path.join(registryFolder, trust), '{"operatorKeyId":');
    const { code, stderr } = await user.run('head', '--registry', registry.url.href, '--json');
    assert.equal(code, 1);
    assert.equal(JSON.parse(stderr).error.code, 'storage/damaged');
  } finally {
    await user.dispose();
  }
});

test('fifty at once share one memory (threats U4)', async () => {
  const count = FULL ? 50 : 5;
  const user = await openUser();
  try {
    const gets = Array.from({ length: count }, (_, i) =>
      user.run('get', 'test:one', '--registry', registry.url.href, '-o', `out-${i}.wasm`),
    );
    for (const { code, stderr } of await Promise.all(gets)) assert.equal(code, 0, stderr);
    const expected = await readFile(CORE_MODULE);
    for (let i = 0; i < count; i++) assert.deepEqual(await readFile(path.join(user.home, `out-${i}.wasm`)), expected);
    const left = (await readdir(path.join(user.home, '.cache/waybill'), { recursive: true })).filter((name) =>
      name.endsWith('.tmp'),
    );
    assert.deepEqual(left, []);
  } finally {
    await user.dispose();
  }
});

test('two publishers at once: both succeed, one after the other', async () => {
  const other = await openUser();
  try {
    const { publicKey } = JSON.parse(await other.ok('key', 'new', '--json'));
    const at = ['--registry', registry.url.href];
    await publisher.ok('grant', 'test:one', '--to', publicKey, ...at);
    const rounds = FULL ? 5 : 1;
    for (let round = 0; round < rounds; round++) {
      const mine = publisher.run('publish', CORE_MODULE, '--package', 'test:one', '--version', `2.${round}.0`, ...at);
      const theirs = other.run('publish', COMPONENT, '--package', 'test:one', '--version', `3.${round}.0`, ...at);
      for (const { code, stderr } of await Promise.all([mine, theirs])) assert.equal(code, 0, stderr);
    }
    const { versions } = JSON.parse(await other.ok('info', 'test:one', '--json', ...at));
    assert.equal(versions.length, 1 + 2 * rounds);
  } finally {
    await other.dispose();
  }
});

test('a rule that the record would break is refused before it is sent', async () => {
  const stranger = await openUser();
  try {
    await stranger.ok('key', 'new');
    const { code, stderr } = await stranger.run('yank', 'test:one@1.0.0', '--registry', registry.url.href, '--json');
    assert.equal(code, EXIT_REFUSED);
    assert.equal(JSON.parse(stderr).error.code, 'record/unauthorized');
  } finally {
    await stranger.dispose();
  }
});
