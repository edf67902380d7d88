import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { authorOf, publish } from '@waybill/client';
import {
  annotationBody,
  decodeUnsignedRecord,
  digestOf,
  encodeRecordContents,
  formatPrivateKey,
  holderOfKey,
  PACKAGE_LOG,
  parseJosePrivateKey,
  parseJosePublicKey,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  sha256,
  utf8,
  type ContentClaim,
  type Digest,
  type PackageEntry,
} from '@waybill/protocol';
import { claimAnswerBody, decodeClaimAnswer } from '@waybill/protocol/author';
import { encodeTreeIndex } from '@waybill/protocol/content';
import { openClient } from '../src/session.ts';
import { openLyingProxy } from './lying-proxy.ts';
import { codeOf, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

/* What a registry's gateway signed, as a client sees it. The gateway is played with the key that the server finds in its folder. */

const GATEWAY = privateKeyFromRandom(sha256(utf8('gateway'))) ?? assert.fail();

const THIEF = parseJosePublicKey((privateKeyFromRandom(sha256(utf8('thief'))) ?? assert.fail()).publicKey.text);

let registry: TestRegistry;
let user: TestUser;
let at: readonly string[];

before(async () => {
  registry = await openRegistry();
  await mkdir(path.join(registry.folder, 'gateway'));
  await writeFile(path.join(registry.folder, 'gateway', 'test.key'), formatPrivateKey(GATEWAY));
  at = ['--registry', registry.url.href];
  user = await openUser();
  await user.ok('key', 'new');
});
after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** As the gateway does it for somebody without a key. */
async function gatewayReleases(
  name: string,
  { account, content, claim, contents }: Custodial,
  version = '1.0.0',
): Promise<void> {
  const silent = { write: () => undefined };
  const env = { HOME: user.home, WAYBILL_KEYRING: 'off' };
  const context = { process: { stdout: silent, stderr: silent, env }, interactive: false };
  await publish(
    {
      name: parsePackageName(name),
      entries: () => [{ type: 'release', version: parseVersion(version), content, claim }],
      annotations: [{ type: 'on-behalf', body: annotationBody({ account }) }],
      contents: new Map(contents.map((bytes) => [digestOf(bytes), () => Promise.resolve(new Blob([bytes]))])),
      final: false,
    },
    {
      client: await openClient(context, { registry: registry.url.href }),
      author: authorOf([parseJosePrivateKey(formatPrivateKey(GATEWAY))]),
      clock: Date.now,
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
      onStep: () => undefined,
    },
  );
}

interface Custodial {
  readonly account: string;
  readonly content: Digest;
  readonly claim: ContentClaim | null;
  readonly contents: readonly Uint8Array<ArrayBuffer>[];
}

async function moduleFor(account: string): Promise<Custodial> {
  const bytes = new Uint8Array(await readFile(CORE_MODULE));
  return { account, content: digestOf(bytes), claim: null, contents: [bytes] };
}

function treeFor(account: string): Custodial {
  const file = new Uint8Array(utf8('a file'));
  const index = new Uint8Array(encodeTreeIndex([{ path: 'a.txt', digest: digestOf(file) }]));
  const claim = { mediaType: 'application/vnd.waybill.tree.v1', size: index.length };
  return { account, content: digestOf(index), claim, contents: [index, file] };
}

async function json(...args: readonly string[]) {
  return JSON.parse(await user.ok(...args, '--json', ...at));
}

test('get, verify and info say for whom a gateway signed, and --require-author refuses it', async () => {
  await gatewayReleases('test:custodial', await moduleFor('ann'));
  const got = await user.ok('get', 'test:custodial', '-o', 'got.wasm', ...at);
  assert.match(got, /custodial: .*on behalf of ann/);
  assert.equal((await json('get', 'test:custodial', '-o', 'got.wasm')).onBehalfOf, 'ann');
  assert.equal((await json('verify', 'got.wasm', '--package', 'test:custodial')).onBehalfOf, 'ann');
  assert.match(await user.ok('verify', 'got.wasm', '--package', 'test:custodial', ...at), /on behalf of ann/);
  assert.equal((await json('info', 'test:custodial')).versions[0].onBehalfOf, 'ann');
  assert.match(await user.ok('info', 'test:custodial', ...at), /custodial, for ann/);
  const refused = await user.run('get', 'test:custodial', '-o', 'none.wasm', '--require-author', '--json', ...at);
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'release/custodial']);
  await assert.rejects(readFile(user.file('none.wasm')));
  const piped = await user.spawn('get', 'test:custodial', '-o', '-', ...at);
  assert.match(piped.stderr, /on behalf of ann/);
});

test('what an author signed is called nothing, and given to whoever requires an author', async () => {
  await user.ok('publish', CORE_MODULE, '--package', 'test:own', '--version', '1.0.0', ...at);
  const got = await json('get', 'test:own', '-o', 'own.wasm', '--require-author');
  assert.equal(got.onBehalfOf, null);
  assert.doesNotMatch(await user.ok('get', 'test:own', '-o', 'own.wasm', ...at), /custodial/);
});

test('a custodial tree is called so, and refused as a file is', async () => {
  await gatewayReleases('test:tree', treeFor('bob'));
  assert.equal((await json('get', 'test:tree', '-o', 'tree')).onBehalfOf, 'bob');
  assert.match(await user.ok('get', 'test:tree/a.txt', '-o', 'a.txt', ...at), /on behalf of bob/);
  const refused = await user.run('get', 'test:tree', '-o', 'none', '--require-author', '--json', ...at);
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'release/custodial']);
});

test('add, install and update say what of a project a gateway signed, and refuse it where an author is required', async () => {
  await gatewayReleases('test:dependency', await moduleFor('ann'));
  const refused = await user.run('add', 'test:dependency', '--require-author', '--json', ...at);
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'release/custodial']);
  await assert.rejects(readFile(user.file('waybill.toml')));
  assert.match(await user.ok('add', 'test:dependency', ...at), /custodial.* for ann: test:dependency@1\.0\.0/);
  const said = [{ release: 'test:dependency@1.0.0', onBehalfOf: 'ann' }];
  for (const command of ['install', 'update']) {
    assert.deepEqual((await json(command)).custodial, said, command);
    const again = await user.run(command, '--require-author', '--json', ...at);
    assert.deepEqual([again.code, codeOf(again)], [77, 'release/custodial'], command);
  }
});

test('a claimed package of version 0 is its owner’s alone, who releases in it; it is claimed once', async () => {
  await gatewayReleases('test:mine', await moduleFor('anonymous'));
  const asked = await user.run('claim', 'test:mine', '--json', ...at);
  assert.deepEqual([asked.code, codeOf(asked)], [64, 'usage/invalid']);
  const { keyId } = await json('claim', 'test:mine', '--yes');
  const { permissions } = await json('who', 'test:mine');
  assert.deepEqual(permissions[keyId], ['release', 'yank']);
  assert.deepEqual(permissions[GATEWAY.publicKey.id], []);
  await user.ok('publish', CORE_MODULE, '--package', 'test:mine', '--version', '1.1.0', ...at);
  assert.equal((await json('get', 'test:mine', '-o', 'mine.wasm', '--require-author')).version, '1.1.0');
  const again = await user.run('claim', 'test:mine', '--yes', '--json', ...at);
  assert.deepEqual([again.code, codeOf(again)], [77, 'oci/gateway']);
});

test('a claimed package of version 1 has its owner’s key as root', async () => {
  await gatewayReleases('test:mine-too', treeFor('anonymous'));
  const { publicKey } = JSON.parse(await user.ok('key', 'new', '--name', 'modern', '--alg', 'Ed25519', '--json'));
  await json('claim', 'test:mine-too', '--yes', '--key', 'modern');
  const { root, grants } = await json('who', 'test:mine-too');
  assert.deepEqual([root, grants], [{ keys: [publicKey], threshold: 1 }, []]);
});

test('a package that an account began is not claimed without its token, nor one that nobody began', async () => {
  await gatewayReleases('test:hers', await moduleFor('ann'));
  const refused = await user.run('claim', 'test:hers', '--yes', '--json', ...at);
  assert.deepEqual([refused.code, codeOf(refused)], [77, 'token/required']);
  const missing = await user.run('claim', 'test:nothing', '--yes', '--json', ...at);
  assert.deepEqual([missing.code, codeOf(missing)], [68, 'log/not-found']);
});

/** What a registry that lies asks the key of a claim to sign. */
const LIES: Readonly<Record<string, { readonly entries: readonly PackageEntry[] }>> = {
  'a transfer to another key': { entries: [{ type: 'transfer', holder: holderOfKey(THIEF) }] },
  'a second entry': {
    entries: [
      { type: 'transfer', holder: holderOfKey(THIEF) },
      { type: 'transfer', holder: holderOfKey(THIEF) },
    ],
  },
  nothing: { entries: [] },
};

test('C: a claim signs the transfer of this package to its own key, and nothing else that a registry asks for', async () => {
  await gatewayReleases('test:lured', treeFor('anonymous'));
  for (const [what, lie] of Object.entries(LIES)) {
    const proxy = await openLyingProxy(registry.url, ({ path: target, body }) => {
      if (!target.endsWith('/claim')) return body;
      const answer = decodeClaimAnswer(body);
      if (answer.state === 'published') return body;
      const contents = encodeRecordContents(PACKAGE_LOG, {
        ...decodeUnsignedRecord(PACKAGE_LOG, answer.contents),
        ...lie,
      });
      return Buffer.from(JSON.stringify(claimAnswerBody({ state: 'cosign', contents })));
    });
    const { code, stderr } = await user.run('claim', 'test:lured', '--yes', '--json', '--registry', proxy.url);
    await proxy.close();
    assert.deepEqual([proxy.lies(), JSON.parse(stderr).error.code, code], [1, 'registry/protocol', 65], what);
  }
  const { root } = await json('who', 'test:lured');
  assert.deepEqual(root.keys, [GATEWAY.publicKey.text]);
});

test('a backup with keys has those of the gateway, without which nobody could claim what it holds', async () => {
  const out = user.file('backup');
  const { keys } = JSON.parse(await user.ok('backup', '--data', registry.folder, '--keys', out, '--json'));
  const name = path.join('gateway', 'test.key');
  assert.ok(keys.includes(name));
  assert.equal(await readFile(path.join(out, name), 'utf8'), formatPrivateKey(GATEWAY));
});
