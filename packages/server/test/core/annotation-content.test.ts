import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  digestOf,
  encodeAnnotation,
  encodeRecordContents,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parseRecordId,
  parseVersion,
  namespaceOf,
  timestampFromMs,
  utf8,
  type ErrorCode,
  type PackageEntry,
  type RecordId,
} from '@waybill/protocol';
import { namedContents } from '../../src/core/named-content.ts';
import { keyOf, releaseOf, signContents, wasmOf, type LooseRecord } from '../publisher.ts';
import { openCore, PACKAGE, STARTED_MS, type CoreOptions, type RegistryCore } from './registry-core.ts';

/* Content that annotations name: spec/version1.md 6.3, spec/admission.md 6.5, spec/content.md 1.6. */

const alice = keyOf('alice');
const LOG = packageLogId(PACKAGE);
const INIT: PackageEntry = { type: 'init', key: alice.publicKey };
const TEXT = utf8('# A readme');
const WASM = wasmOf('release');

let core: RegistryCore;
const opened: RegistryCore[] = [];
let head: RecordId | null;

async function open(options: CoreOptions = {}): Promise<RegistryCore> {
  const one = await openCore(options);
  opened.push(one);
  return one;
}

beforeEach(async () => {
  core = await open();
  head = null;
});
afterEach(() => Promise.all(opened.splice(0).map((one) => one.dispose())));

function readme(bytes: Uint8Array, size = bytes.length): Uint8Array {
  return encodeAnnotation({ type: 'readme', content: { digest: digestOf(bytes), size, mediaType: 'text/markdown' } });
}

/** `nanos` tells records apart that are otherwise equal. */
function signed(
  entries: readonly PackageEntry[],
  annotations: readonly Uint8Array[] = [],
  nanos = 0,
): Promise<LooseRecord> {
  const time = timestampFromMs(STARTED_MS, nanos);
  return signContents(encodeRecordContents(PACKAGE_LOG, { prev: head, time, entries, annotations }), alice);
}

async function publish(record: LooseRecord): Promise<void> {
  assert.equal((await core.publish(PACKAGE, record)).state, 'published');
  head = record.id;
}

function upload({ id }: LooseRecord, bytes: Uint8Array, digest = digestOf(bytes)): Promise<void> {
  const body = async function* (): AsyncIterable<Uint8Array> {
    yield bytes;
  };
  return core.publishing.upload(LOG, id, digest, body());
}

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

test('what an annotation names is missing until it is uploaded, and no policy asks what it is', async () => {
  await publish(await signed([INIT]));
  const record = await signed([], [readme(TEXT)]);
  const status = await core.publish(PACKAGE, record);
  assert.ok(status.state === 'sourcing');
  assert.deepEqual([...status.missingContent.keys()], [digestOf(TEXT)]);
  await assert.rejects(upload(record, utf8('other')), failsWith('publish/not-wanted'));
  await assert.rejects(upload(record, utf8('# A README'), digestOf(TEXT)), failsWith('content/digest'));
  await upload(record, TEXT);
  assert.equal((await core.publishing.status(LOG, record.id)).state, 'published');
  assert.equal(await core.content.size(digestOf(TEXT)), TEXT.length);
});

test('T5: more bytes than the annotation says are not received', async () => {
  await publish(await signed([INIT]));
  const record = await signed([], [readme(TEXT, TEXT.length - 1)]);
  await core.publish(PACKAGE, record);
  await assert.rejects(upload(record, TEXT), failsWith('content/size'));
  assert.equal(await core.content.size(digestOf(TEXT)), null);
});

test('a size that is not that of the content rejects the record: when it is posted, uploaded, or taken up by a start', async () => {
  await publish(await signed([INIT]));
  const wrong = await signed([], [readme(TEXT, TEXT.length + 1)]);
  await core.publish(PACKAGE, wrong);
  await assert.rejects(upload(wrong, TEXT), failsWith('admission/policy'));
  assert.equal((await core.publishing.status(LOG, wrong.id)).state, 'rejected');
  await assert.rejects(core.publish(PACKAGE, wrong), failsWith('admission/policy'));
  const other = utf8('other');
  const waiting = await signed([], [readme(other, other.length + 1)]);
  assert.equal((await core.publish(PACKAGE, waiting)).state, 'sourcing');
  const content = core.content;
  const kept = await content.startUpload();
  await kept.write(other);
  await kept.keep(digestOf(other));
  const { state, lastSigned } = core;
  core = await open({ state, lastSigned, wrap: () => content });
  assert.equal((await core.publishing.status(LOG, waiting.id)).state, 'rejected');
  await publish(await signed([], [encodeAnnotation({ type: 'x.note' })], 1));
});

test('bytes that are here for an annotation are judged by the policy when a release names them', async () => {
  await publish(await signed([INIT]));
  const record = await signed([], [readme(TEXT), readme(WASM)]);
  await core.publish(PACKAGE, record);
  await upload(record, TEXT);
  await upload(record, WASM);
  head = record.id;
  await assert.rejects(core.publish(PACKAGE, await signed([releaseOf('1.0.0', TEXT)])), failsWith('content/policy'));
  await publish(await signed([releaseOf('1.0.0', WASM)]));
  const both = await signed([releaseOf('1.1.0', utf8('both'))], [readme(utf8('both'))]);
  await core.publish(PACKAGE, both);
  await assert.rejects(upload(both, utf8('both')), failsWith('content/policy'));
});

test('annotations that cannot be read name no content, nor do those after the first 256', () => {
  const id = parseRecordId(digestOf(TEXT));
  const unreadable = Uint8Array.of(...readme(TEXT), 0);
  const release: PackageEntry = { type: 'release', version: parseVersion('1.0.0'), content: digestOf(WASM) };
  const named = namedContents({ id, entries: [INIT, release], annotations: [unreadable, readme(TEXT)] });
  assert.deepEqual(
    named.map(({ digest, by, claim }) => [digest, by, claim?.size ?? null]),
    [
      [digestOf(WASM), 'release', null],
      [digestOf(TEXT), 'annotation', TEXT.length],
    ],
  );
  const many = Array.from({ length: 257 }, (_, i) => readme(utf8(String(i))));
  assert.equal(namedContents({ id, entries: [], annotations: many }).length, 256);
});

test('publishers: who is not listed annotates nothing, whatever the log allows', async () => {
  const others = { keys: new Set([keyOf('bob').publicKey.id]), delegation: false };
  const publishers = { namespaces: new Map([[namespaceOf(PACKAGE), others]]), packages: new Map() };
  await publish(await signed([INIT]));
  const { state, lastSigned } = core;
  core = await open({ state, lastSigned, publishers });
  const note = await signed([], [encodeAnnotation({ type: 'x.note' })]);
  await assert.rejects(core.publish(PACKAGE, note), failsWith('admission/denied'));
});
