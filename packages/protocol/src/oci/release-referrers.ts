import { encodeBase64 } from '../bytes/base64.ts';
import { utf8Text } from '../bytes/byte-array.ts';
import { digestOf, type Digest } from '../names/digest.ts';
import type { LogId } from '../names/log-id.ts';
import type { PackageName } from '../names/package-name.ts';
import type { VersionText } from '../names/version.ts';
import type { SignedCheckpoint } from '../wire/checkpoint.ts';
import type { Envelope, EnvelopeSignature } from '../wire/envelope.ts';
import { canonicalJson, type PlainJson } from './canonical-json.ts';
import type { OciDescriptor } from './manifest.ts';
import { OCI_MEDIA_TYPE } from './media-types.ts';
import { EMPTY_CONFIG } from './release-manifest.ts';

/** A manifest that refers to another, with the one blob that it is there for. Its configuration is `EMPTY_CONFIG`. */
export interface ReferrerManifest {
  readonly artifactType: string;
  readonly manifest: Uint8Array;
  readonly manifestDigest: Digest;
  readonly blob: Uint8Array;
  readonly blobDigest: Digest;
}

/** What is referred to. */
export type ReferredManifest = Pick<OciDescriptor, 'mediaType' | 'digest' | 'size'>;

/** What the log proof of a release holds (spec/oci.md 7.4). */
export interface ReleaseProof {
  readonly name: PackageName;
  readonly version: VersionText;
  readonly logId: LogId;
  /** The record that released it. */
  readonly record: Envelope;
  readonly registryIndex: number;
  /** A LogProofBundle of this leaf alone, for the length of the checkpoint. */
  readonly inclusion: Uint8Array;
  /** The first one that covered the record. */
  readonly checkpoint: SignedCheckpoint;
}

/** An annotation that is authorized and stands, with the record that holds it (spec/oci.md 7.5). */
export interface ReleaseAnnotation {
  readonly name: PackageName;
  readonly version: VersionText;
  readonly logId: LogId;
  /** `<record id>/annotation/<index>`. */
  readonly id: string;
  readonly type: string;
  readonly registryIndex: number;
  readonly body: Uint8Array | null;
  readonly content: { readonly digest: Digest; readonly size: number; readonly mediaType: string } | null;
}

/** The log's proof of a release, as a referrer: the same bytes for ever. */
export function logProofReferrer(subject: ReferredManifest, proof: ReleaseProof): ReferrerManifest {
  const { name, version, logId, record, registryIndex, inclusion, checkpoint } = proof;
  const { contents, keyId, signature } = checkpoint;
  const { logLength, logRoot, mapRoot, timestamp } = contents;
  const blob = canonicalJson({
    format: 1,
    package: name,
    version,
    log: logId,
    registryIndex,
    record: recordJson(record),
    inclusion: encodeBase64(inclusion),
    checkpoint: { contents: { logLength, logRoot, mapRoot, timestamp }, keyId, signature },
  });
  return referrerOf(subject, { artifactType: OCI_MEDIA_TYPE.logProof, blob, annotations: {} });
}

/** An annotation of a release, as a referrer. */
export function annotationReferrer(subject: ReferredManifest, annotation: ReleaseAnnotation): ReferrerManifest {
  const { name, version, logId, id, type, registryIndex, body, content } = annotation;
  const text = body === null ? null : utf8Text(body);
  const blob = canonicalJson({
    format: 1,
    package: name,
    version,
    log: logId,
    registryIndex,
    id,
    type,
    body: text ?? undefined,
    bodyBytes: body === null || text !== null ? undefined : encodeBase64(body),
    content: content === null ? undefined : { ...content },
  });
  const annotations = { 'dev.waybill.annotation.type': type };
  return referrerOf(subject, { artifactType: OCI_MEDIA_TYPE.annotation, blob, annotations });
}

/** As in `envelopeBody` of the HTTP interface: the signatures of version 1 are there only where there are any. */
function recordJson({ contents, keyId, signature, cosignatures }: Envelope): PlainJson {
  const plain = ({ keyId: id, signature: text }: EnvelopeSignature): PlainJson => ({ keyId: id, signature: text });
  return {
    contentBytes: encodeBase64(contents),
    keyId,
    signature,
    cosignatures: cosignatures.length === 0 ? undefined : cosignatures.map(plain),
  };
}

interface ReferrerParts {
  readonly artifactType: string;
  readonly blob: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
}

function referrerOf(subject: ReferredManifest, { artifactType, blob, annotations }: ReferrerParts): ReferrerManifest {
  const blobDigest = digestOf(blob);
  const manifest = canonicalJson({
    schemaVersion: 2,
    mediaType: OCI_MEDIA_TYPE.manifest,
    artifactType,
    config: { mediaType: OCI_MEDIA_TYPE.empty, digest: digestOf(EMPTY_CONFIG), size: EMPTY_CONFIG.length },
    layers: [{ mediaType: artifactType, digest: blobDigest, size: blob.length }],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.size },
    annotations: Object.keys(annotations).length === 0 ? undefined : annotations,
  });
  return { artifactType, manifest, manifestDigest: digestOf(manifest), blob, blobDigest };
}
