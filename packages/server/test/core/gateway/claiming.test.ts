import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import {
  cosignContents,
  decodeUnsignedRecord,
  encodeRecordContents,
  isRegistryError,
  localSigner,
  makePrivateKey,
  namespaceOf,
  PACKAGE_LOG,
  parseTokenId,
  utf8,
  type JosePrivateKey,
} from '@waybill/protocol';
import type { ClaimAnswer } from '@waybill/protocol/author';
import { parseTokenScope, type Access } from '../../../src/core/access.ts';
import { Claiming } from '../../../src/core/gateway/claiming.ts';
import { testHomeOf } from '../../home.ts';
import { holderNamed, joseKeyOf } from '../../joint-record.ts';
import { keyOf, wasmOf } from '../../publisher.ts';
import {
  codeOf,
  gatewayKeyOf,
  HELLO_NAME,
  PushingCore,
  titled,
  type Named,
  type PushingOptions,
} from '../oci/pushing-core.ts';

/* Packages that the gateway gives away: spec/http.md 4.23. */

const ANN = joseKeyOf('ann');
const LAYER = wasmOf('hello');

function accountNamed(account: string, namespace = 'test'): Access {
  const scope = parseTokenScope(['publish'], [namespace]);
  return { tokenId: parseTokenId('0123456789abcdef'), account, scope };
}

interface Opened {
  readonly core: PushingCore;
  readonly claim: (access: Access, key?: JosePrivateKey, drafted?: ClaimAnswer | null) => Promise<ClaimAnswer>;
}

async function open(t: TestContext, options: PushingOptions & { readonly isOpen?: boolean } = {}): Promise<Opened> {
  const core = await PushingCore.open(options);
  t.after(() => core.dispose());
  const { store, states } = core.core;
  const { isOpen = true } = options;
  const claiming = new Claiming({
    store,
    states,
    gateway: core.gateway,
    homeOf: testHomeOf,
    random: (length) => randomBytes(length),
    isOpen,
  });
  return {
    core,
    async claim(access, key = ANN, drafted = null) {
      const request = { packageName: HELLO_NAME, publicKey: key.publicKey, proof: null };
      if (drafted?.state !== 'cosign') return claiming.claim(access, request);
      const { contents } = drafted;
      const signature = await cosignContents(PACKAGE_LOG, contents, localSigner(key));
      return claiming.claim(access, { ...request, proof: { contents, signature } });
    },
  };
}

async function pushTree(core: PushingCore, tag: string, access: Access = 'anyone'): Promise<void> {
  const layers: Named[] = [];
  for (const name of ['a', 'b'])
    layers.push(await core.blob(utf8(name + tag), 'text/plain', { annotations: titled(name) }));
  await core.push(await core.manifest({ layers }), tag, { access });
}

test('a package of version 0 goes to its account’s key by one record, and the gateway keeps nothing', async (t) => {
  const { core, claim } = await open(t);
  await core.pushLayer(wasmOf('a'), '1.0.0', {}, accountNamed('ann'));
  assert.equal((await claim(accountNamed('ann'))).state, 'published');
  const { state, book } = await core.replayed();
  assert.equal((await core.records()).length, 2);
  assert.deepEqual([...(state.permissions.get(ANN.publicKey.id)?.keys() ?? [])].toSorted(comparedTexts), [
    'release',
    'yank',
  ]);
  assert.equal(state.permissions.get(gatewayKeyOf('test').publicKey.id)?.size ?? 0, 0);
  assert.equal(book.latest('on-behalf', null)?.body.account, 'ann');
  assert.equal(await codeOf(core.pushLayer(wasmOf('b'), '1.1.0', {}, accountNamed('ann'))), 'oci/gateway');
  assert.equal(await codeOf(core.pushLayer(wasmOf('a'), '1.0.0')), null);
  assert.equal(await codeOf(claim(accountNamed('ann'))), 'oci/gateway');
});

function comparedTexts(a: string, b: string): number {
  return a < b ? -1 : 1;
}

test('a package of version 1 goes to the key that signs its transfer, too', async (t) => {
  const { core, claim } = await open(t);
  await pushTree(core, '1.0.0');
  const key = await makePrivateKey('Ed25519');
  const drafted = await claim('anyone', key);
  assert.equal(drafted.state, 'cosign');
  assert.equal((await claim('anyone', key, drafted)).state, 'published');
  const { state } = await core.replayed();
  assert.deepEqual(
    state.root?.keys.map(({ id }) => id),
    [key.publicKey.id],
  );
  assert.equal(await codeOf(pushTree(core, '1.1.0')), 'oci/gateway');
});

test('of a transfer the gateway signs nothing but what it drafts', async (t) => {
  const { core, claim } = await open(t);
  await pushTree(core, '1.0.0');
  const drafted = await claim('anyone');
  assert.ok(drafted.state === 'cosign');
  const record = decodeUnsignedRecord(PACKAGE_LOG, drafted.contents);
  const others = [
    { entries: [{ type: 'transfer', holder: holderNamed('bob') }] as const },
    { entries: [...record.entries, ...record.entries] },
    { entries: [] },
    { annotations: [] },
    { annotations: [...record.annotations, ...record.annotations] },
  ];
  for (const other of others) {
    const contents = encodeRecordContents(PACKAGE_LOG, { ...record, ...other });
    assert.equal(await codeOf(claim('anyone', ANN, { state: 'cosign', contents })), 'request/invalid');
  }
  assert.equal(await codeOf(claim('anyone', joseKeyOf('bob'), drafted)), 'request/invalid');
  assert.equal((await core.records()).length, 1);
});

/** Who began the package, who claims it, and what becomes of that. */
const ASKED: readonly (readonly [began: Access, asks: Access, isOpen: boolean, code: string | null])[] = [
  ['anyone', 'anyone', true, null],
  ['anyone', 'anyone', false, 'token/required'],
  ['anyone', accountNamed('ann'), true, null],
  ['anyone', accountNamed('ann', 'other'), true, 'token/scope'],
  [accountNamed('ann'), accountNamed('ann'), false, null],
  [accountNamed('ann'), accountNamed('bob'), true, 'token/scope'],
  [accountNamed('ann'), accountNamed('ann', 'other'), true, 'token/scope'],
  [accountNamed('ann'), 'anyone', true, 'token/required'],
];

test('who began a package claims it, and what nobody showed a token for, whoever may publish', async (t) => {
  for (const [began, asks, isOpen, code] of ASKED) {
    const { core, claim } = await open(t, { isOpen });
    await core.pushLayer(wasmOf('a'), '1.0.0', {}, began);
    assert.equal(await codeOf(claim(asks)), code, JSON.stringify([began, asks, isOpen]));
    assert.equal((await core.records()).length, code === null ? 2 : 1);
  }
});

test('a package is given to no key that cannot have it, and one that is not there to nobody', async (t) => {
  const { core, claim } = await open(t);
  assert.equal(await codeOf(claim('anyone')), 'log/not-found');
  await core.pushLayer(wasmOf('a'), '1.0.0');
  assert.equal(await codeOf(claim('anyone', await makePrivateKey('Ed25519'))), 'request/invalid');
  assert.equal(await codeOf(claim('anyone', await core.gateway.keyOf(namespaceOf(HELLO_NAME)))), 'request/invalid');
  assert.equal((await core.records()).length, 1);
});

test('a claim needs no gateway that is on, nor a policy that allows one', async (t) => {
  const { core, claim } = await open(t);
  await core.pushLayer(wasmOf('a'), '1.0.0');
  await core.govern({ type: 'policy', starters: 'open', gateway: 'refused', interfaceSteps: 'free' });
  assert.equal(await codeOf(core.pushLayer(wasmOf('b'), '1.1.0')), 'oci/gateway');
  assert.equal(await codeOf(claim('anyone')), null);
});

test('of two claims at once one gets the package', async (t) => {
  const { core, claim } = await open(t);
  await core.pushLayer(wasmOf('a'), '1.0.0');
  const codes = await Promise.all([codeOf(claim('anyone')), codeOf(claim('anyone', joseKeyOf('bob')))]);
  assert.deepEqual(new Set(codes), new Set([null, 'oci/gateway']));
  assert.equal((await core.records()).length, 2);
});

test('who pushes without a pause does not come before a claim for ever', async (t) => {
  const { core, claim } = await open(t);
  await pushTree(core, '1.0.0');
  let pushed = 0;
  let refused: unknown = null;
  const pushing = (async () => {
    for (; pushed < 1_000 && refused === null; pushed++) {
      refused = await codeOf(pushTree(core, `1.0.${pushed + 1}`));
    }
  })();
  const drafted = await claim('anyone');
  // The client signs while others push.
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
  assert.equal((await claim('anyone', ANN, drafted)).state, 'published');
  await pushing;
  assert.equal(refused, 'oci/gateway');
});

/** Whether it is refused with `oci/gateway`, and names the key that is lost. */
async function isLost(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
  } catch (failure) {
    if (isRegistryError(failure, 'oci/gateway')) return 'keyId' in failure.detail;
    throw failure;
  }
  return assert.fail('it is not refused');
}

test('a gateway whose key was lost says so, to whoever pushes and to whoever claims, and of its own packages alone', async (t) => {
  const newKeyOf = (namespace: string) => keyOf(`new gateway ${namespace}`);
  const begin = [(core: PushingCore) => core.pushLayer(LAYER, '1.0.0'), (core: PushingCore) => pushTree(core, '1.0.0')];
  for (const push of begin) {
    const { core, claim } = await open(t);
    await push(core);
    core.gatewayKey = newKeyOf;
    assert.equal(await isLost(core.pushLayer(wasmOf('other'), '1.1.0')), true);
    assert.equal(await isLost(claim('anyone')), true);
    core.gatewayKey = gatewayKeyOf;
    const drafted = await claim('anyone');
    if (drafted.state === 'cosign') await claim('anyone', ANN, drafted);
    core.gatewayKey = newKeyOf;
    assert.equal(await isLost(core.pushLayer(wasmOf('other'), '1.1.0')), false);
    assert.equal(await isLost(claim('anyone')), false);
  }
});
