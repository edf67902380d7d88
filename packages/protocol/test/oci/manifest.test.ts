import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { SEED } from '@waybill/tools/test-scale';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { decodeHex } from '../../src/bytes/hex.ts';
import {
  MANIFEST_ANNOTATIONS_MAX,
  MANIFEST_BYTES_MAX,
  MANIFEST_DESCRIPTORS_MAX,
  readManifest,
  referrerType,
} from '../../src/oci/manifest.ts';
import { OCI_MEDIA_TYPE } from '../../src/oci/media-types.ts';
import { referrersIndex } from '../../src/oci/referrers.ts';
import { parseOciDigest } from '../../src/oci/oci-names.ts';
import { outcome, readVectors } from './vector-cases.ts';

interface ManifestCase {
  readonly name: string;
  readonly clause: string;
  readonly contentType: string;
  readonly text?: string;
  readonly hex?: string;
  readonly expect: string;
  readonly sort?: string;
  readonly referrerType?: string | null;
  readonly layers?: readonly string[];
  readonly manifests?: readonly string[];
  readonly subject?: string | null;
  readonly foreign?: readonly string[];
}

const CASES: readonly ManifestCase[] = JSON.parse(readVectors('manifest.json'));

function bytesOf({ text, hex }: ManifestCase): Uint8Array {
  return hex === undefined ? utf8(text ?? '') : decodeHex(hex);
}

test('vectors of OCI manifests: O2, O3: what two readers could take for two things is refused', () => {
  for (const one of CASES) {
    assert.equal(
      outcome(() => readManifest(bytesOf(one), one.contentType)),
      one.expect,
      `${one.clause}: ${one.name}`,
    );
  }
});

test('vectors of OCI manifests: O7: what is read of those that are accepted', () => {
  for (const one of CASES.filter(({ expect }) => expect === 'ok')) {
    const manifest = readManifest(bytesOf(one), one.contentType);
    assert.deepEqual(
      {
        sort: manifest.sort,
        referrerType: referrerType(manifest),
        layers: manifest.layers.map(({ digest }) => digest),
        manifests: manifest.manifests.map(({ digest }) => digest),
        subject: manifest.subject?.digest ?? null,
        foreign: manifest.layers.filter(({ isForeign }) => isForeign).map(({ digest }) => digest),
        hasConfig: manifest.config !== null,
      },
      {
        sort: one.sort,
        referrerType: one.referrerType,
        layers: one.layers,
        manifests: one.manifests,
        subject: one.subject,
        foreign: one.foreign,
        hasConfig: one.sort === 'image',
      },
      one.name,
    );
  }
});

const EMPTY = { mediaType: OCI_MEDIA_TYPE.empty, digest: `sha256:${'0'.repeat(64)}`, size: 2 };

function image(members: Readonly<Record<string, unknown>>): Uint8Array {
  return utf8(
    JSON.stringify({ schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.manifest, config: EMPTY, layers: [], ...members }),
  );
}

function annotations(count: number, length: number): Readonly<Record<string, string>> {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}`, 'x'.repeat(length)]));
}

test('W1: a manifest has a limit of bytes, of descriptors and of annotations', () => {
  const read = (bytes: Uint8Array): string => outcome(() => readManifest(bytes, ''));
  const room = MANIFEST_BYTES_MAX - image({ x: '' }).length;
  assert.equal(read(image({ x: 'x'.repeat(room) })), 'ok');
  assert.equal(read(image({ x: 'x'.repeat(room + 1) })), 'oci/size');
  assert.equal(read(image({ annotations: annotations(390, 10_000) })), 'ok');
  assert.equal(read(image({ annotations: annotations(MANIFEST_ANNOTATIONS_MAX, 1) })), 'ok');
  assert.equal(read(image({ annotations: annotations(MANIFEST_ANNOTATIONS_MAX + 1, 1) })), 'oci/manifest');
  const layer = { ...EMPTY, mediaType: 'a/b' };
  assert.equal(read(image({ layers: Array.from({ length: MANIFEST_DESCRIPTORS_MAX }, () => layer) })), 'ok');
  assert.equal(
    read(image({ layers: Array.from({ length: MANIFEST_DESCRIPTORS_MAX + 1 }, () => layer) })),
    'oci/manifest',
  );
});

test('O2: no manifest is read as an image under one media type and as an index under another', () => {
  for (const one of CASES) {
    const sorts = [OCI_MEDIA_TYPE.manifest, OCI_MEDIA_TYPE.index, ''].flatMap((contentType) => {
      let sort: string | null = null;
      outcome(() => (sort = readManifest(bytesOf(one), contentType).sort));
      return sort ?? [];
    });
    assert.ok(new Set(sorts).size <= 1, one.name);
  }
});

test('oci 7.1: a list of referrers is an index that is read as one', () => {
  const digest = parseOciDigest(`sha256:${'1'.repeat(64)}`);
  const listed = {
    mediaType: OCI_MEDIA_TYPE.manifest,
    digest,
    size: 7,
    artifactType: 'a/b',
    annotations: { '10': 'x', '9': 'y' },
  };
  const bytes = referrersIndex([listed, { ...listed, artifactType: null, annotations: null }]);
  assert.equal(
    new TextDecoder().decode(bytes),
    `{"manifests":[{"annotations":{"10":"x","9":"y"},"artifactType":"a/b","digest":"${digest}","mediaType":"${OCI_MEDIA_TYPE.manifest}","size":7},` +
      `{"digest":"${digest}","mediaType":"${OCI_MEDIA_TYPE.manifest}","size":7}],"mediaType":"${OCI_MEDIA_TYPE.index}","schemaVersion":2}`,
  );
  const { manifests } = readManifest(bytes, OCI_MEDIA_TYPE.index);
  assert.deepEqual(
    manifests.map(({ artifactType }) => artifactType),
    ['a/b', null],
  );
  assert.equal(
    outcome(() => readManifest(referrersIndex([]), OCI_MEDIA_TYPE.index)),
    'ok',
  );
});

test('W7, W8: a manifest with bytes that were changed is read, or refused in the words of a manifest', () => {
  const draw = (at: number): number => createHash('sha256').update(`${SEED}:${at}`).digest().readUInt32LE();
  const counts = new Map<string, number>();
  for (const [index, one] of CASES.entries()) {
    const bytes = bytesOf(one);
    for (let round = 0; round < 100 && bytes.length > 0; round++) {
      const changed = new Uint8Array(bytes);
      for (let i = 0; i <= round % 3; i++) {
        const random = draw(index * 1_000 + round * 10 + i);
        changed[random % bytes.length] = random >>> 24;
      }
      const verdict = outcome(() => readManifest(changed, one.contentType));
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    }
  }
  assert.deepEqual(new Set(counts.keys()), new Set(['ok', 'oci/manifest']));
});
