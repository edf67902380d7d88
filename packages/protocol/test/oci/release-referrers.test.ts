import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { digestOf } from '../../src/names/digest.ts';
import { parseLogId } from '../../src/names/log-id.ts';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';
import { readManifest, referrerType } from '../../src/oci/manifest.ts';
import { OCI_MEDIA_TYPE } from '../../src/oci/media-types.ts';
import { parseOciDigest } from '../../src/oci/oci-names.ts';
import { annotationReferrer, logProofReferrer } from '../../src/oci/release-referrers.ts';
import { NO_COSIGNATURES } from '../../src/wire/envelope.ts';

const SUBJECT = { mediaType: OCI_MEDIA_TYPE.manifest, digest: parseOciDigest(`sha256:${'1'.repeat(64)}`), size: 9 };
const RELEASE = {
  name: parsePackageName('demo:hello'),
  version: parseVersion('1.0.0'),
  logId: parseLogId(`sha256:${'2'.repeat(64)}`),
  registryIndex: 4,
};
const ROOT = digestOf(utf8('root'));
const PROOF = {
  ...RELEASE,
  record: { contents: utf8('record'), keyId: 'k', signature: 's', cosignatures: NO_COSIGNATURES },
  inclusion: utf8('inclusion'),
  checkpoint: {
    contents: { logLength: 5, logRoot: ROOT, mapRoot: ROOT, timestamp: 1_700_000_000 },
    keyId: 'c',
    signature: 't',
  },
};
const ANNOTATION = {
  ...RELEASE,
  id: `sha256:${'3'.repeat(64)}/annotation/0`,
  type: 'advisory',
  body: utf8('{"id":"x"}'),
  content: null,
};

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

test('oci 7.4: the log proof of a release is one document for ever, in a manifest that refers to the release', () => {
  const referrer = logProofReferrer(SUBJECT, PROOF);
  assert.equal(
    text(referrer.blob),
    `{"checkpoint":{"contents":{"logLength":5,"logRoot":"${ROOT}","mapRoot":"${ROOT}","timestamp":1700000000},"keyId":"c","signature":"t"},` +
      `"format":1,"inclusion":"aW5jbHVzaW9u","log":"${RELEASE.logId}","package":"demo:hello",` +
      `"record":{"contentBytes":"cmVjb3Jk","keyId":"k","signature":"s"},"registryIndex":4,"version":"1.0.0"}`,
  );
  const manifest = readManifest(referrer.manifest, OCI_MEDIA_TYPE.manifest);
  assert.equal(referrerType(manifest), OCI_MEDIA_TYPE.logProof);
  assert.equal(manifest.subject?.digest, SUBJECT.digest);
  assert.deepEqual(
    manifest.layers.map(({ digest, size }) => ({ digest, size })),
    [{ digest: referrer.blobDigest, size: referrer.blob.length }],
  );
  assert.equal(referrer.manifestDigest, digestOf(referrer.manifest));
  assert.equal(manifest.config?.digest, digestOf(utf8('{}')));
  assert.equal(manifest.annotations, null);
});

test('oci 7.4: the other signatures of a record are there where there are any', () => {
  const record = { ...PROOF.record, cosignatures: [{ keyId: 'k2', signature: 's2' }] };
  assert.ok(
    text(logProofReferrer(SUBJECT, { ...PROOF, record }).blob).includes(
      '"cosignatures":[{"keyId":"k2","signature":"s2"}]',
    ),
  );
});

test('oci 7.5: an annotation is told with its body as text, in base64 where it is none, or with the content that it names', () => {
  const bodies: readonly (readonly [Parameters<typeof annotationReferrer>[1], string])[] = [
    [ANNOTATION, String.raw`"body":"{\"id\":\"x\"}"`],
    [{ ...ANNOTATION, body: Uint8Array.of(0xff) }, '"bodyBytes":"/w=="'],
    [
      { ...ANNOTATION, body: null, content: { digest: ROOT, size: 3, mediaType: 'text/markdown' } },
      `"content":{"digest":"${ROOT}","mediaType":"text/markdown","size":3}`,
    ],
  ];
  for (const [annotation, said] of bodies) {
    const referrer = annotationReferrer(SUBJECT, annotation);
    assert.equal(
      text(referrer.blob),
      `{${said},"format":1,"id":"${ANNOTATION.id}","log":"${RELEASE.logId}","package":"demo:hello","registryIndex":4,"type":"advisory","version":"1.0.0"}`,
    );
    const manifest = readManifest(referrer.manifest, '');
    assert.equal(referrerType(manifest), OCI_MEDIA_TYPE.annotation);
    assert.deepEqual({ ...manifest.annotations }, { 'dev.waybill.annotation.type': 'advisory' });
  }
});
