import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  digestOf,
  encodeAnnotation,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parseNamespace,
  parsePackageName,
  parseTokenId,
  timestampFromMs,
  utf8,
  type Digest,
  type PackageName,
} from '@waybill/protocol';
import type { Access, TokenAction } from '../../src/core/access.ts';
import { ContentSpaces } from '../../src/core/content-spaces.ts';
import { PrivateNamespaces } from '../../src/core/private-namespaces.ts';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { NO_PRIVATES } from '../all-open.ts';
import { openCore, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* Which content is private: spec/http.md 7.3. */

let core: RegistryCore;
const OPEN = parsePackageName('test:open');
const OWN = parsePackageName('team:own');
const PRIVATES = new PrivateNamespaces([parseNamespace('team'), parseNamespace('other')]);
const [OF_BOTH, OF_TEAM, OF_TEST] = [wasmOf('both'), wasmOf('team'), wasmOf('test')];
const [NOTES, SHARED_NOTES] = [utf8('# Notes'), utf8('# Shared notes')];

async function* bodyOf(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

function readme(bytes: Uint8Array): Uint8Array {
  return encodeAnnotation({
    type: 'readme',
    content: { digest: digestOf(bytes), size: bytes.length, mediaType: 'text/markdown' },
  });
}

async function signed(
  name: PackageName,
  releases: readonly Uint8Array[],
  texts: readonly Uint8Array[],
): Promise<LooseRecord> {
  const key = keyOf(name);
  const entries = [
    { type: 'init', key: key.publicKey } as const,
    ...releases.map((content, index) => releaseOf(`1.0.${index}`, content)),
  ];
  const time = timestampFromMs(STARTED_MS, name.length);
  return signContents(
    encodeRecordContents(PACKAGE_LOG, { prev: null, time, entries, annotations: texts.map(readme) }),
    key,
  );
}

async function publish(
  name: PackageName,
  releases: readonly Uint8Array[],
  texts: readonly Uint8Array[],
): Promise<void> {
  const record = await signed(name, releases, texts);
  await core.publish(name, record);
  for (const bytes of [...releases, ...texts]) {
    const upload = core.publishing.upload(packageLogId(name), record.id, digestOf(bytes), bodyOf(bytes));
    await upload.catch((failure: unknown) => {
      if (!isRegistryError(failure, 'publish/not-sourcing')) throw failure;
    });
  }
}

before(async () => {
  core = await openCore();
  const namespaces = ['test', 'team', 'other'].map(parseNamespace);
  await core.desk.open(keyOf('operator'), { namespaces, origin: null });
  await publish(OWN, [OF_BOTH, OF_TEAM], [NOTES, SHARED_NOTES]);
  await publish(OPEN, [OF_TEST, OF_BOTH], [SHARED_NOTES]);
});
after(() => core.dispose());

function spaces(privates = PRIVATES): ContentSpaces {
  const { store, content, sequencer } = core;
  return new ContentSpaces({ store, content, privates, logLength: () => sequencer.length });
}

function access(action: TokenAction, ...namespaces: readonly string[]): Access {
  const scope = {
    actions: new Set([action]),
    namespaces: namespaces[0] === '*' ? ('*' as const) : new Set(namespaces),
  };
  return { tokenId: parseTokenId('0'.repeat(16)), account: 'ci', scope };
}

const digests = (contents: readonly Uint8Array[]): readonly Digest[] => contents.map((bytes) => digestOf(bytes));

test('what a public package names in any way is for all; what private ones alone name, for those who read there', async () => {
  const asked = spaces();
  const nobody = digestOf(utf8('nothing'));
  for (const who of ['anyone', access('read', 'other'), access('publish', 'test')] as const) {
    for (const digest of digests([OF_TEST, OF_BOTH, SHARED_NOTES]))
      assert.equal(await asked.shown(who, digest), 'to all');
    for (const digest of [...digests([OF_TEAM, NOTES]), nobody]) assert.equal(await asked.shown(who, digest), 'no');
  }
  for (const who of [access('read', 'team'), access('publish', 'team'), access('read', '*')]) {
    for (const digest of digests([OF_TEAM, NOTES])) assert.equal(await asked.shown(who, digest), 'to some');
    assert.equal(await asked.shown(who, nobody), 'no');
  }
  assert.equal(await spaces(NO_PRIVATES).shown('anyone', nobody), 'to all');
});

test('what is named later counts from then on', async () => {
  const asked = spaces();
  const [late, notes] = [wasmOf('late'), utf8('# Late')];
  await publish(parsePackageName('team:late'), [late], [notes]);
  for (const digest of digests([late, notes])) assert.equal(await asked.shown('anyone', digest), 'no');
  await publish(parsePackageName('test:late'), [late], [notes]);
  for (const digest of digests([late, notes])) assert.equal(await asked.shown('anyone', digest), 'to all');
});

test('content is as good as brought where it is public, or of the same namespace', async () => {
  const asked = spaces();
  for (const digest of digests([OF_BOTH, OF_TEAM, NOTES])) {
    assert.equal(await asked.isOpenTo(parsePackageName('team:more'), digest), true);
    const isPublic = digest === digestOf(OF_BOTH);
    assert.equal(await asked.isOpenTo(parsePackageName('other:more'), digest), isPublic);
    assert.equal(await asked.isOpenTo(parsePackageName('test:more'), digest), isPublic);
  }
});

test('while releases of an older build are listed, what is not known to be public is for nobody', async () => {
  const { state } = core;
  state.holdingsGap = { from: 0, to: 2 };
  try {
    const asked = spaces();
    assert.equal(await asked.shown('anyone', digestOf(OF_BOTH)), 'to all');
    for (const digest of digests([OF_TEAM, utf8('nothing')])) {
      await assert.rejects(asked.shown('anyone', digest), (thrown) => isRegistryError(thrown, 'storage/busy'));
      assert.equal(await asked.isOpenTo(OPEN, digest), false);
    }
  } finally {
    state.holdingsGap = null;
  }
});
