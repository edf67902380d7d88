import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { parseConfig, type ServerOptions } from '../src/config.ts';
import { keyOf } from './publisher.ts';

const OPTIONS: ServerOptions = {
  data: 'x',
  listen: '127.0.0.1:0',
  namespaces: [],
  publishers: null,
  open: false,
  anyContent: false,
  publicUrl: null,
  logLevel: 'silent',
};

let folder: string;
let publishers: string;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-config-'));
  publishers = path.join(folder, 'publishers.toml');
  await writeFile(publishers, `[namespace.test]\nkeys = ["${keyOf('alice').publicKey.id}"]\n`);
});
after(() => rm(folder, { recursive: true }));

async function assertRefused(options: Partial<ServerOptions>, code: ErrorCode = 'usage/invalid'): Promise<void> {
  await assert.rejects(parseConfig({ ...OPTIONS, ...options }), (thrown) => isRegistryError(thrown, code));
}

test('on this machine anybody may publish unless said otherwise', async () => {
  for (const listen of ['127.0.0.1:0', '127.8.9.1:80', 'localhost:8090', '[::1]:65535']) {
    assert.equal((await parseConfig({ ...OPTIONS, listen })).publishers, 'open');
  }
});

test('to be reached from elsewhere a server is told who may publish', async () => {
  const elsewhere = [
    '0.0.0.0:80',
    '[::]:80',
    '192.168.1.1:80',
    'registry.example:80',
    '127.0.0.1.example:80',
    '1270.0.0.1:80',
  ];
  for (const listen of elsewhere) {
    await assertRefused({ listen });
    assert.equal((await parseConfig({ ...OPTIONS, listen, open: true })).publishers, 'open');
    assert.notEqual((await parseConfig({ ...OPTIONS, listen, publishers })).publishers, 'open');
  }
});

test('an address of this machine with a public one in front is reached from elsewhere', async () => {
  for (const publicUrl of [
    'https://registry.example',
    'http://192.168.1.1:80',
    'http://127.0.0.1.example',
    'http://[::2]',
  ]) {
    await assertRefused({ publicUrl });
    await assertRefused({ publicUrl, tokens: 'optional' });
    const open = await parseConfig({ ...OPTIONS, publicUrl, open: true });
    assert.deepEqual([open.publishers, open.gateway], ['open', false]);
    assert.notEqual((await parseConfig({ ...OPTIONS, publicUrl, publishers })).publishers, 'open');
    assert.equal((await parseConfig({ ...OPTIONS, publicUrl, tokens: 'required' })).tokenPolicy, 'required');
  }
  for (const publicUrl of ['http://localhost:8090', 'http://127.0.0.1/x', 'http://[::1]:8090/']) {
    const { publishers: anybody, gateway } = await parseConfig({ ...OPTIONS, publicUrl });
    assert.deepEqual([anybody, gateway], ['open', true]);
  }
});

test('--publishers and --open contradict each other', async () => {
  await assertRefused({ open: true, publishers });
  assert.notEqual((await parseConfig({ ...OPTIONS, publishers })).publishers, 'open');
});

test('tokens that are required say who may publish; without a list they are enough', async () => {
  const listen = '0.0.0.0:80';
  const { publishers: anyKey, tokenPolicy } = await parseConfig({ ...OPTIONS, listen, tokens: 'required' });
  assert.deepEqual([anyKey, tokenPolicy], ['open', 'required']);
  assert.notEqual((await parseConfig({ ...OPTIONS, listen, tokens: 'required', publishers })).publishers, 'open');
  assert.equal((await parseConfig(OPTIONS)).tokenPolicy, 'off');
  assert.equal((await parseConfig({ ...OPTIONS, tokens: 'optional' })).tokenPolicy, 'optional');
  await assertRefused({ listen, tokens: 'optional' });
  await assertRefused({ open: true, tokens: 'required' });
  for (const tokens of ['', 'off', 'yes', 'constructor']) await assertRefused({ tokens });
});

test('an address is a host and a port', async () => {
  for (const listen of [
    '',
    '8090',
    ':8090',
    'localhost',
    'localhost:',
    'localhost:65536',
    '::1:80',
    '[::1]',
    'a:1:2',
    'localhost:-1',
    'localhost:1x',
  ]) {
    await assertRefused({ listen });
  }
  const { address } = await parseConfig({ ...OPTIONS, listen: '[::1]:8090' });
  assert.deepEqual(address, { host: '::1', port: 8090 });
});

test('W18: metrics are served only where it is asked for', async () => {
  assert.equal((await parseConfig(OPTIONS)).metricsAddress, null);
  const { metricsAddress } = await parseConfig({ ...OPTIONS, metrics: '127.0.0.1:9090' });
  assert.deepEqual(metricsAddress, { host: '127.0.0.1', port: 9090 });
  for (const metrics of ['', '9090', '127.0.0.1', 'localhost:65536']) await assertRefused({ metrics });
});

test('the data folder is a folder, or not there yet', async () => {
  await parseConfig({ ...OPTIONS, data: folder });
  await parseConfig({ ...OPTIONS, data: path.join(folder, 'new', 'below') });
  await assertRefused({ data: publishers });
  await assertRefused({ data: path.join(publishers, 'below') });
});

test('private namespaces need tokens, which say who may read', async () => {
  const privates = async (names: readonly string[], tokens: string): Promise<readonly string[]> =>
    (await parseConfig({ ...OPTIONS, privateNamespaces: names, tokens })).privates.names;
  assert.deepEqual(await privates(['team', 'test', 'team'], 'optional'), ['team', 'test']);
  assert.deepEqual(await privates([], 'required'), []);
  await assertRefused({ privateNamespaces: ['team'] });
  await assertRefused({ privateNamespaces: ['Team'], tokens: 'optional' }, 'text/namespace');
  const many = Array.from(
    { length: 31 },
    (_, index) => `n${String.fromCharCode(97 + (index % 26))}${'x'.repeat(index)}`,
  );
  await assertRefused({ privateNamespaces: many, tokens: 'optional' });
  assert.equal((await privates(many.slice(1), 'optional')).length, 30);
});

test('namespaces are kebab-case', async () => {
  for (const name of ['', 'Test', '1st', 'a_b', 'a:b', ' a'])
    await assertRefused({ namespaces: [name] }, 'text/namespace');
  assert.deepEqual((await parseConfig({ ...OPTIONS, namespaces: ['test', 'wasi-x'] })).namespaces, ['test', 'wasi-x']);
});

test('a public address is http or https, and ends with a slash', async () => {
  for (const publicUrl of [
    '',
    'registry.example',
    'ftp://registry.example',
    'file:///etc',
    '//registry.example',
    'https://user:secret@registry.example/',
    'https://user@registry.example/',
    'https://registry.example/?a=b',
    'https://registry.example/#a',
  ]) {
    await assertRefused({ open: true, publicUrl });
  }
  const { publicUrl } = await parseConfig({ ...OPTIONS, open: true, publicUrl: 'https://registry.example/warg' });
  assert.equal(publicUrl?.href, 'https://registry.example/warg/');
});

test('packages of other registries need a gateway that signs for them', async () => {
  const upstreams = path.join(folder, 'upstreams.toml');
  await writeFile(upstreams, '[namespace.wasi]\nregistry = "registry.example"\n');
  for (const options of [{ gateway: false }, { tokens: 'required' }]) await assertRefused({ ...options, upstreams });
  for (const options of [{}, { tokens: 'required', gateway: true }]) {
    const { upstreams: places } = await parseConfig({ ...OPTIONS, ...options, upstreams });
    assert.deepEqual(
      places.map(({ namespace, registry }) => [namespace, registry]),
      [['wasi', 'registry.example']],
    );
  }
});

test('the gateway signs by itself only where nothing is said about who may publish', async () => {
  const cases: readonly [Partial<ServerOptions>, boolean][] = [
    [{}, true],
    [{ gateway: false }, false],
    [{ publishers }, false],
    [{ tokens: 'optional' }, false],
    [{ tokens: 'required', gateway: true }, true],
    [{ open: true }, true],
    [{ listen: '0.0.0.0:80', open: true }, false],
    [{ listen: '0.0.0.0:80', open: true, gateway: true }, true],
  ];
  for (const [options, gateway] of cases) {
    assert.equal((await parseConfig({ ...OPTIONS, ...options })).gateway, gateway, JSON.stringify(options));
  }
});

test('prefixes of plain repositories are names of repositories, and logins one of two', async () => {
  const { ociPrefixes, ociLogin } = await parseConfig({
    ...OPTIONS,
    ociPrefixes: ['scratch', 'a/b__c'],
    ociLogin: 'basic',
  });
  assert.deepEqual(ociPrefixes, ['scratch', 'a/b__c']);
  assert.equal(ociLogin, 'basic');
  assert.equal((await parseConfig(OPTIONS)).ociLogin, 'bearer');
  // What listens everywhere cannot say where clients reach it.
  for (const listen of ['0.0.0.0:0', '[::]:0']) {
    const everywhere = { ...OPTIONS, listen, open: true };
    assert.equal((await parseConfig(everywhere)).ociLogin, 'basic');
    assert.equal((await parseConfig({ ...everywhere, publicUrl: 'https://registry.example' })).ociLogin, 'bearer');
    assert.equal((await parseConfig({ ...everywhere, ociLogin: 'bearer' })).ociLogin, 'bearer');
  }
  for (const prefix of ['', '/', 'a/', '/a', 'A', 'a//b', 'a:b', '*', 'a b', '..']) {
    await assertRefused({ ociPrefixes: [prefix] });
  }
  await assertRefused({ ociPrefixes: Array.from({ length: 101 }, (_, index) => `p${index}`) });
  for (const login of ['', 'Bearer', 'digest']) await assertRefused({ ociLogin: login });
});
