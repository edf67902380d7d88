import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { test, type TestContext } from 'node:test';
import { parseVersion, timestampFromMs, utf8, packageLogId } from '@waybill/protocol';
import { OCI_MEDIA_TYPE, parseReference } from '@waybill/protocol/oci';
import { testHomeOf } from '../../home.ts';
import { holderNamed, signJointly } from '../../joint-record.ts';
import { wasmOf } from '../../publisher.ts';
import { releaseAs, treeOf } from '../../test-tree.ts';
import {
  codeOf,
  digestText,
  HELLO,
  HELLO_NAME,
  PushingCore,
  titled,
  type Named,
  type PushingOptions,
} from './pushing-core.ts';

/* What is pushed to a package that has some of it already: spec/oci.md 4.6, 6.4. */

const LAYER = wasmOf('hello');

async function open(t: TestContext, options: PushingOptions = {}): Promise<PushingCore> {
  const core = await PushingCore.open(options);
  t.after(() => core.dispose());
  return core;
}

test('the second of two that push the same is answered once the record of the first is published, too', async (t) => {
  const gate = new EventEmitter();
  let isShut = false;
  const core = await open(t, {
    wrapCommitter: (committer) => ({
      async commit(batch) {
        const opened = isShut ? once(gate, 'open') : null;
        gate.emit('reached');
        await opened;
        return committer.commit(batch);
      },
    }),
  });
  const before = core.core.sequencer.length;
  isShut = true;
  const reached = once(gate, 'reached');
  const first = core.pushLayer(LAYER, '1.0.0');
  await reached;
  const again = core.pushLayer(LAYER, '1.0.0', { annotations: { note: 'again' } });
  const second = again.then(() => core.core.sequencer.length);
  setTimeout(() => gate.emit('open'), 100);
  assert.equal(await second, before + 1);
  await first;
});

/** As a client names what it was told is here already. */
function namedOnly(bytes: Uint8Array, title: string): Named {
  return { mediaType: 'text/plain', digest: digestText(bytes), size: bytes.length, annotations: titled(title) };
}

const EMPTY: Named = { mediaType: OCI_MEDIA_TYPE.empty, digest: digestText(utf8('{}')), size: 2 };

test('what a pull of the package finds need not be pushed: the empty config of an attachment', async (t) => {
  const core = await open(t);
  const wasmConfig = await core.blob(utf8('{"os":"wasip2"}'), OCI_MEDIA_TYPE.wasmConfig);
  const { digest } = await core.pushLayer(LAYER, '1.0.0', { config: wasmConfig });
  const subject = { mediaType: OCI_MEDIA_TYPE.manifest, digest, size: 2 };
  const attachment = await core.manifest({ config: EMPTY, layers: [await core.blob(utf8('sbom'))], subject });
  assert.equal(await codeOf(core.push(attachment, digestText(attachment))), null);
  const unknown = namedOnly(utf8('nowhere'), 'a');
  const other = await core.manifest({ config: unknown, subject });
  assert.equal(await codeOf(core.push(other, digestText(other))), 'oci/manifest-blob');
  const short = await core.manifest({ config: { ...EMPTY, size: 3 }, subject });
  assert.equal(await codeOf(core.push(short, digestText(short))), 'oci/manifest');
});

test('what a pull of the package finds need not be pushed: the files of a tree that its owner released', async (t) => {
  const core = await open(t);
  const texts = { 'a.txt': utf8('a'), 'b.txt': utf8('b') };
  const tree = treeOf(texts);
  for (const bytes of [tree.index, ...tree.contents.values()]) await core.keep(bytes);
  const home = testHomeOf(packageLogId(HELLO_NAME));
  const entries = [{ type: 'root', holder: holderNamed('alice') }, releaseAs('tree', '1.0.0', tree.index)] as const;
  const time = timestampFromMs(core.core.nowMs);
  const record = await signJointly(entries, { prev: null, time, home, by: ['alice'] });
  assert.equal((await core.core.publish(HELLO_NAME, record)).state, 'published');
  const layers = Object.entries(texts).map(([path, bytes]) => namedOnly(bytes, path));
  const manifest = await core.manifest({ config: EMPTY, layers });
  assert.equal(await codeOf(core.push(manifest, '1.0.0')), null);
  const { bytes } = await core.reading.manifest(HELLO, parseReference(digestText(manifest)));
  assert.deepEqual(bytes, manifest);
  assert.deepEqual([...(await core.replayed()).state.bindings.keys()], [parseVersion('1.0.0')]);
});

test('an index is an attachment where all that it lists is here, also what stands for a release', async (t) => {
  const core = await open(t);
  const listOf = (bytes: Uint8Array, size: number = bytes.length): Uint8Array => {
    const manifests = [{ mediaType: OCI_MEDIA_TYPE.manifest, digest: digestText(bytes), size }];
    return utf8(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.index, manifests }));
  };
  const contentType = OCI_MEDIA_TYPE.index;
  const none = listOf(utf8('nowhere'));
  assert.equal(await codeOf(core.push(none, digestText(none), { contentType })), 'oci/manifest-blob');
  const { digest } = await core.pushLayer(LAYER, '1.0.0');
  const { bytes } = await core.reading.manifest(HELLO, parseReference(digest));
  assert.equal(await codeOf(core.push(none, digestText(none), { contentType })), 'oci/manifest-blob');
  const cases = [
    [listOf(bytes), null],
    [listOf(bytes, bytes.length + 1), 'oci/manifest'],
  ] as const;
  for (const [index, code] of cases) {
    assert.equal(await codeOf(core.push(index, digestText(index), { contentType })), code);
  }
});

test('of those that push one version at once with other manifests all but one are told which is shown', async (t) => {
  const core = await open(t);
  const pushes = [1, 2, 3, 4].map((i) => core.pushLayer(LAYER, '1.0.0', { annotations: { note: `${i}` } }));
  const warnings = (await Promise.all(pushes)).map(({ warning }) => warning !== null);
  assert.equal(warnings.filter(Boolean).length, 3);
});
