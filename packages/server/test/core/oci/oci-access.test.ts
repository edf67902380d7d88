import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import type { OciAction, OciCaller } from '../../../src/core/oci/oci-registry.ts';
import {
  accountCaller,
  ANYONE,
  bodyOf,
  digestOf,
  disposeCore,
  IMAGE,
  imageOf,
  openWorld,
  pushBlob,
  putImage,
  repo,
  tag,
  TestClock,
  type OciWorld,
  type WorldOptions,
} from './oci-world.ts';

const ALL: ReadonlySet<OciAction> = new Set(['pull', 'push', 'delete']);
const PRIVATE: WorldOptions = { tokenPolicy: 'optional', privates: ['test'] };
const LISTED = { namespaces: new Map(), packages: new Map() };

after(disposeCore);

function refused(work: Promise<unknown>, code: ErrorCode, what: string): Promise<void> {
  return assert.rejects(work, (thrown) => isRegistryError(thrown, code), what);
}

/** Everything that changes a repository, none of which may do more than another. */
function changes({ view }: OciWorld, caller: OciCaller, repository: string): readonly (() => Promise<unknown>)[] {
  const name = repo(repository);
  const digest = digestOf('x');
  const { uploads } = view;
  const push = { reference: { tag: tag('a') }, tags: [], contentType: IMAGE, bytes: imageOf([]) };
  return [
    () => uploads.start(caller, name, 'sha256'),
    () => uploads.mount(caller, name, { digest, from: null }),
    () => uploads.place(caller, name, 'x'),
    () => uploads.append(caller, name, 'x', bodyOf(['x'])),
    () => uploads.finish(caller, name, 'x', { digest, body: bodyOf(['x']) }),
    () => uploads.push(caller, name, { digest, body: bodyOf(['x']) }),
    () => uploads.cancel(caller, name, 'x'),
    () => view.putManifest(caller, name, push),
    () => view.deleteManifest(caller, name, { tag: tag('a') }),
    () => view.deleteBlob(caller, name, digest),
  ];
}

const granted = (repository: string, ...actions: readonly OciAction[]): OciCaller => ({
  access: 'anyone',
  granted: [{ repository: repo(repository), actions: new Set(actions) }],
});

const REFUSED: readonly [string, WorldOptions, OciCaller, string, ErrorCode][] = [
  ['nothing is there', {}, ANYONE, 'nowhere/x', 'oci/denied'],
  ['a prefix itself is no repository', {}, ANYONE, 'plain', 'oci/denied'],
  ['nor what begins as one', {}, ANYONE, 'plainer/x', 'oci/denied'],
  ['a package has two parts', {}, ANYONE, 'test/package/more', 'oci/denied'],
  ['no name of a package', {}, ANYONE, 'test/1x', 'oci/denied'],
  ['no token, where one is needed', { tokenPolicy: 'required' }, ANYONE, 'plain/a', 'token/required'],
  ['the same where nothing is', { tokenPolicy: 'required' }, ANYONE, 'nowhere/x', 'token/required'],
  ['a list of keys, and no tokens', { publishers: LISTED }, ANYONE, 'test/package', 'oci/denied'],
  ['the same for plain repositories', { publishers: LISTED }, ANYONE, 'plain/a', 'oci/denied'],
  ['a list of keys, and tokens', { publishers: LISTED, tokenPolicy: 'optional' }, ANYONE, 'plain/a', 'token/required'],
  ['another namespace', { tokenPolicy: 'optional' }, accountCaller('alice', ['team']), 'test/package', 'token/scope'],
  ['another prefix', { tokenPolicy: 'optional' }, accountCaller('alice', ['other']), 'plain/a', 'token/scope'],
  ['private, and open to whoever publishes', PRIVATE, ANYONE, 'test/package', 'token/required'],
  ['private, and another account', PRIVATE, accountCaller('alice', ['team']), 'test/package', 'token/scope'],
  [
    'private, and an anonymous token',
    PRIVATE,
    granted('test/package', 'pull', 'push'),
    'test/package',
    'token/required',
  ],
  ['issued for another repository', {}, granted('plain/b', 'pull', 'push', 'delete'), 'plain/a', 'token/required'],
  ['issued for reading', {}, granted('plain/a', 'pull'), 'plain/a', 'token/required'],
];

test('who may not change a repository changes it in no way', async () => {
  for (const [what, options, caller, repository, code] of REFUSED) {
    const world = await openWorld(new TestClock(), options);
    for (const [index, change] of changes(world, caller, repository).entries()) {
      await refused(change(), code, `${what}, change ${index}`);
    }
    assert.equal(await world.store.hasRepository(repo(repository)), false, what);
  }
});

test('whom a token covers may push', async () => {
  const allowed: readonly [WorldOptions, OciCaller, string][] = [
    [{ tokenPolicy: 'required' }, accountCaller('alice'), 'plain/a'],
    [{ tokenPolicy: 'required' }, accountCaller('alice', ['plain']), 'plain/a/b'],
    [{ publishers: LISTED, tokenPolicy: 'optional' }, accountCaller('alice', ['plain']), 'plain/a'],
    [{ tokenPolicy: 'optional' }, ANYONE, 'plain/a'],
    [{}, granted('plain/a', 'push'), 'plain/a'],
  ];
  for (const [options, caller, repository] of allowed) {
    await pushBlob(await openWorld(new TestClock(), options), repository, 'x', caller);
  }
});

test('pushing and deleting are granted one by one', async () => {
  const world = await openWorld(new TestClock());
  await putImage(world, 'plain/a', 'x');
  const reference = { tag: tag('x') };
  const push = granted('plain/a', 'push', 'pull');
  await refused(world.view.deleteManifest(push, repo('plain/a'), reference), 'token/required', 'pushes only');
  await refused(world.view.deleteBlob(push, repo('plain/a'), digestOf('{}')), 'token/required', 'pushes only');
  await world.view.deleteManifest(granted('plain/a', 'delete'), repo('plain/a'), reference);
});

test('a token that covers nothing reads what anybody reads', async () => {
  const world = await openWorld(new TestClock());
  await putImage(world, 'plain/a', 'x');
  for (const caller of [granted('other/b', 'push'), { access: 'anyone', granted: [] } as const]) {
    assert.equal((await world.view.tags(caller, repo('plain/a'), { last: null, limit: null })).items.length, 1);
  }
});

test('a token of ours is issued for what the access covers', async () => {
  const cases: readonly [WorldOptions, OciCaller, string, readonly OciAction[]][] = [
    [{}, ANYONE, 'plain/a', ['pull', 'push', 'delete']],
    [{ tokenPolicy: 'required' }, ANYONE, 'plain/a', ['pull']],
    [{ publishers: LISTED }, ANYONE, 'plain/a', ['pull']],
    [{ tokenPolicy: 'required' }, accountCaller('alice', ['plain']), 'plain/a', ['pull', 'push', 'delete']],
    [{ tokenPolicy: 'required' }, accountCaller('alice', ['plain']), 'test/package', ['pull']],
  ];
  for (const [options, { access }, repository, actions] of cases) {
    const { view } = await openWorld(new TestClock(), options);
    assert.deepEqual([...(await view.allowed(access, repo(repository), ALL))], actions);
    assert.deepEqual([...(await view.allowed(access, repo(repository), new Set()))], []);
  }
});

test('what is not here is unknown, but for a list of referrers', async () => {
  const { view } = await openWorld(new TestClock());
  const all = { last: null, limit: null };
  for (const name of ['nowhere/x', 'plain', 'test/package/more'].map(repo)) {
    await refused(view.manifest(ANYONE, name, { tag: tag('a') }), 'oci/repository', name);
    await refused(view.blob(ANYONE, name, digestOf('x')), 'oci/repository', name);
    await refused(view.tags(ANYONE, name, all), 'oci/repository', name);
    const referrers = await view.referrers(ANYONE, name, digestOf('x'), { ...all, artifactType: null });
    assert.deepEqual(referrers, { items: [], more: false });
  }
});

test('a prefix of plain repositories is no namespace of packages', async () => {
  for (const prefix of ['test', 'test/plain']) {
    const { sorts } = await openWorld(new TestClock(), { prefixes: [prefix] });
    await refused(sorts.check(), 'usage/invalid', prefix);
  }
  const { sorts } = await openWorld(new TestClock(), { prefixes: ['testing', 'tes', 'plain/test'] });
  await sorts.check();
  assert.equal(await sorts.sortOf(repo('test/package')), 'package');
  assert.equal(await sorts.sortOf(repo('testing/a/b')), 'plain');
  assert.equal(await sorts.sortOf(repo('plain/test/a')), 'plain');
  assert.equal(await sorts.sortOf(repo('plain/test')), null);
});

test('O4: a list of repositories passes over a private namespace, whatever is in it and before it', async () => {
  const hidden = Array.from({ length: 1_000 }, (_, index) => `test/p${index}`).toSorted();
  const packageNames = ['aaa/x', ...hidden];
  const world = await openWorld(new TestClock(), { ...PRIVATE, packageNames });
  const shown = await openWorld(new TestClock(), { packageNames });
  await pushBlob(world, 'plain/a', 'x');
  const page = { last: null, limit: 10 };
  assert.deepEqual(await world.view.catalog(ANYONE, page), { items: ['plain/a'], more: false });
  assert.deepEqual((await world.view.catalog(accountCaller('alice', ['team']), page)).items, ['plain/a']);
  assert.deepEqual(await world.view.catalog(ANYONE, { last: 'test/p5', limit: 10 }), { items: [], more: false });
  const { items, more } = await world.view.catalog(accountCaller('alice', ['test']), page);
  assert.deepEqual([items, more], [['plain/a', ...hidden.slice(0, 9)], true]);
  assert.equal((await shown.view.catalog(ANYONE, { last: null, limit: null })).items.length, hidden.length);
});
