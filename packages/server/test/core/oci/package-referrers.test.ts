import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import {
  annotationBody,
  annotationIdOf,
  checkPlaces,
  decodeSignedRecord,
  digestOf,
  emptyLogState,
  encodeAnnotation,
  isRegistryError,
  openCheckpoint,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  packageLogId,
  parseVersion,
  replayLog,
  utf8,
  type ErrorCode,
  type PackageEntry,
  type RecordId,
} from '@waybill/protocol';
import {
  OCI_MEDIA_TYPE,
  parseOciDigest,
  parseReference,
  readLogProofUnverified,
  readManifest,
  repositoryOf,
  type OciDigest,
} from '@waybill/protocol/oci';
import { HEAD_REFRESH_MS } from '../../../src/core/limits.ts';
import { releaseOf, wasmOf } from '../../publisher.ts';
import { PACKAGE } from '../registry-core.ts';
import { OciCore } from './package-core.ts';

/* What refers to a release: spec/oci.md 7. */

const REPOSITORY = repositoryOf(PACKAGE);
const VERSION = parseVersion('1.0.0');
const CONTENT = wasmOf('content');
const SBOM = utf8('{"bom":1}');

let oci: OciCore;

beforeEach(async () => {
  oci = await OciCore.open();
});
afterEach(() => oci.dispose());

const manifestOf = (reference: string) => oci.reading.manifest(REPOSITORY, parseReference(reference));
const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function licence(spdx: string): Uint8Array {
  return encodeAnnotation({ type: 'licence', version: VERSION, body: annotationBody({ spdx }) });
}

function sbom(): Uint8Array {
  const content = { digest: digestOf(SBOM), size: SBOM.length, mediaType: 'application/spdx+json' };
  return encodeAnnotation({ type: 'sbom', version: VERSION, content });
}

/** Version 1.0.0 with a licence and an SBOM, and one more release. */
async function publishAnnotated(): Promise<OciDigest> {
  const account = encodeAnnotation({ type: 'on-behalf', body: annotationBody({ account: 'bob' }) });
  await oci.publish(PACKAGE, [releaseOf('1.0.0', CONTENT)], [CONTENT, SBOM], [licence('MIT'), sbom(), account]);
  const other = wasmOf('other');
  await oci.publish(PACKAGE, [releaseOf('1.0.1', other)], [other]);
  return (await manifestOf('1.0.0')).digest;
}

/** Pushes something that refers to a manifest. */
async function attach(subject: OciDigest, artifactType: string, note: string): Promise<OciDigest> {
  const empty = { mediaType: OCI_MEDIA_TYPE.empty, digest: digestOf(utf8('{}')), size: 2 };
  const annotations = { note, 'dev.waybill.logged': 'true' };
  const about = { mediaType: OCI_MEDIA_TYPE.manifest, digest: subject, size: 1 };
  const manifest = { schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.manifest, artifactType, annotations };
  const bytes = utf8(JSON.stringify({ ...manifest, config: empty, layers: [empty], subject: about }));
  return oci.store(PACKAGE, digestOf(bytes), bytes, OCI_MEDIA_TYPE.manifest);
}

/** The blob that a referrer is there for. */
async function blobOf(referrer: OciDigest): Promise<Uint8Array> {
  const { layers } = readManifest((await manifestOf(referrer)).bytes, OCI_MEDIA_TYPE.manifest);
  return oci.bytes(PACKAGE, layers[0]?.digest ?? assert.fail());
}

test('the proof of its record and each annotation refer to a release; what was pushed does, too, and is marked so', async () => {
  const subject = await publishAnnotated();
  const attached = await attach(subject, 'application/vnd.dev.sigstore.bundle.v0.3+json', 'a');
  const found = await oci.referrers(PACKAGE, subject);
  assert.deepEqual(
    found.map(({ artifactType, annotations }) => [
      artifactType,
      annotations?.['dev.waybill.annotation.type'],
      annotations?.['dev.waybill.logged'],
    ]),
    [
      [OCI_MEDIA_TYPE.logProof, undefined, 'true'],
      [OCI_MEDIA_TYPE.annotation, 'sbom', 'true'],
      [OCI_MEDIA_TYPE.annotation, 'licence', 'true'],
      [OCI_MEDIA_TYPE.annotation, 'on-behalf', 'true'],
      ['application/vnd.dev.sigstore.bundle.v0.3+json', undefined, 'false'],
    ],
  );
  for (const { digest, size, mediaType } of found.slice(0, -1)) {
    const { bytes } = await manifestOf(digest);
    assert.deepEqual([digestOf(bytes), bytes.length], [digest, size]);
    const read = readManifest(bytes, mediaType);
    assert.deepEqual([read.subject?.digest, read.subject?.size], [subject, (await manifestOf(subject)).bytes.length]);
    assert.equal(digestOf(await blobOf(digest)), read.layers[0]?.digest);
  }
  assert.equal(found.at(-1)?.digest, attached);
  assert.equal(found.at(-1)?.annotations?.['note'], 'a');
  assert.deepEqual(await oci.bytes(PACKAGE, digestOf(SBOM)), SBOM);
});

test('referrers come in pages and by type, over what the log says and what was pushed', async () => {
  const subject = await publishAnnotated();
  const pushed = [];
  for (const note of ['a', 'b', 'c']) pushed.push(await attach(subject, 'text/note', note));
  const digests = async (limit: number | null, artifactType: string | null = null) =>
    (await oci.referrers(PACKAGE, subject, { limit, artifactType })).map(({ digest }) => digest);
  const all = await digests(null);
  assert.equal(new Set(all).size, 7);
  for (const limit of [1, 2, 3, 4, 5, 6, 7, 8]) assert.deepEqual(await digests(limit), all, `${limit}`);
  assert.deepEqual(await digests(1, 'text/note'), pushed.toSorted());
  assert.equal((await digests(2, OCI_MEDIA_TYPE.annotation)).length, 3);
  assert.deepEqual(await digests(1, OCI_MEDIA_TYPE.logProof), all.slice(0, 1));
  assert.deepEqual(await digests(1, 'text/none'), []);
  const [attachment = assert.fail()] = pushed;
  assert.deepEqual(await oci.referrers(PACKAGE, attachment), []);
  const nobody = parseOciDigest(digestOf(utf8('nobody')));
  assert.deepEqual(await oci.referrers(PACKAGE, nobody), []);
  const ofNobody = await attach(nobody, 'text/note', 'nobody');
  assert.deepEqual(
    (await oci.referrers(PACKAGE, nobody)).map(({ digest }) => digest),
    [ofNobody],
  );
});

test('a replaced and a withdrawn annotation refer to nothing any more', async () => {
  const subject = await publishAnnotated();
  const types = async () =>
    (await oci.referrers(PACKAGE, subject)).map(
      ({ annotations }) => annotations?.['dev.waybill.annotation.type'] ?? '',
    );
  const recordId = await oci.publish(PACKAGE, [], [], [licence('Apache-2.0')]);
  assert.deepEqual(await types(), ['', 'licence', 'sbom', 'on-behalf']);
  const target = annotationIdOf(recordId, 0);
  await oci.publish(PACKAGE, [], [], [encodeAnnotation({ type: 'withdrawal', target })]);
  assert.deepEqual(await types(), ['', 'sbom', 'licence', 'on-behalf']);
});

test('each manifest of a pushed release has its own referrers, found by digest also after a start', async () => {
  const config = { mediaType: OCI_MEDIA_TYPE.wasmConfig, digest: digestOf(utf8('{}')), size: 2 };
  const layers = [{ mediaType: 'application/wasm', digest: digestOf(CONTENT), size: CONTENT.length }];
  const bytes = utf8(JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.manifest, config, layers }));
  const body = annotationBody({ digest: digestOf(bytes), size: bytes.length });
  const note = encodeAnnotation({ type: 'oci-manifest', version: VERSION, body });
  await oci.publish(PACKAGE, [releaseOf('1.0.0', CONTENT)], [CONTENT], [note]);
  const derived = (await manifestOf('1.0.0')).digest;
  const pushed = await oci.store(PACKAGE, digestOf(bytes), bytes, OCI_MEDIA_TYPE.manifest);
  const [ofDerived, ofPushed] = [await oci.referrers(PACKAGE, derived), await oci.referrers(PACKAGE, pushed)];
  assert.deepEqual([ofDerived.length, ofPushed.length], [1, 1]);
  for (const { digest } of [...ofDerived, ...ofPushed]) {
    oci.restart();
    assert.equal(digestOf((await manifestOf(digest)).bytes), digest);
    oci.restart();
    await blobOf(digest);
  }
});

/** Checks a proof as somebody does who has nothing but the operator's log. */
async function verifyProof(bytes: Uint8Array): Promise<RecordId> {
  const proof = readLogProofUnverified(bytes);
  const records = await oci.core.store.readLog(OPERATOR_LOG_ID, { fromPosition: 0, belowIndex: 99, limit: 99 });
  const operator = await replayLog(
    OPERATOR_LOG,
    emptyLogState(null),
    records.map(({ envelope }) => envelope),
  );
  const checkpoint = await openCheckpoint(proof.checkpoint, operator);
  const logId = packageLogId(proof.name);
  assert.equal(proof.logId, logId);
  const record = decodeSignedRecord(PACKAGE_LOG, proof.record);
  const places = [{ logId, recordId: record.id, registryIndex: proof.registryIndex }];
  checkPlaces(checkpoint, places, proof.inclusion);
  const isReleased = (entry: PackageEntry): boolean => entry.type === 'release' && entry.version === proof.version;
  assert.ok(record.entries.some(isReleased));
  return record.id;
}

test('SECURITY O6: the proof is checked by itself, and is the same for ever', async () => {
  const recordId = await oci.publish(PACKAGE, [releaseOf('1.0.0', CONTENT)], [CONTENT]);
  const { digest: subject } = await manifestOf('1.0.0');
  const proofOf = async () =>
    (await oci.referrers(PACKAGE, subject, { artifactType: OCI_MEDIA_TYPE.logProof })).map((one) => one.digest);
  const [first = assert.fail()] = await proofOf();
  assert.equal(await verifyProof(await blobOf(first)), recordId);
  oci.core.nowMs += HEAD_REFRESH_MS + 1_000;
  const before = oci.core.sequencer.head?.checkpoint.signature;
  await oci.core.sequencer.refreshHead();
  assert.notEqual(oci.core.sequencer.head?.checkpoint.signature, before);
  oci.restart();
  assert.deepEqual(await proofOf(), [first]);
  await oci.publish(PACKAGE, [releaseOf('1.0.1', CONTENT)]);
  oci.restart();
  assert.deepEqual(await proofOf(), [first]);
  oci.restart();
  assert.equal(await verifyProof(await blobOf(first)), recordId);
});

test('a proof with another record, index or checkpoint in it does not hold', async () => {
  await oci.publish(PACKAGE, [releaseOf('1.0.0', CONTENT)], [CONTENT]);
  await oci.publish(PACKAGE, [releaseOf('1.0.1', CONTENT)]);
  const { digest: subject } = await manifestOf('1.0.1');
  const [{ digest } = assert.fail()] = await oci.referrers(PACKAGE, subject);
  const text = new TextDecoder().decode(await blobOf(digest));
  const { registryIndex, record, checkpoint } = readLogProofUnverified(utf8(text));
  const changes: readonly [string, string, ErrorCode][] = [
    [`"registryIndex":${registryIndex}`, `"registryIndex":${registryIndex - 1}`, 'proof/mismatch'],
    [
      Buffer.from(record.contents).toString('base64'),
      Buffer.from(record.contents.slice(0, -1)).toString('base64'),
      'record/decode',
    ],
    [
      `"logLength":${checkpoint.contents.logLength}`,
      `"logLength":${checkpoint.contents.logLength + 1}`,
      'checkpoint/signature',
    ],
    [checkpoint.contents.logRoot, digestOf(utf8('another root')), 'checkpoint/signature'],
    ['"format":1', '"format":2', 'wire/shape'],
    ['"record":', '"rekord":', 'wire/shape'],
    ['{"checkpoint"', '{{"checkpoint"', 'wire/json'],
  ];
  await verifyProof(utf8(text));
  for (const [from, to, code] of changes) {
    assert.ok(text.includes(from), from);
    await assert.rejects(verifyProof(utf8(text.replace(from, to))), failsWith(code), to);
  }
});
