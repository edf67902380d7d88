import { equalBytes } from '../../bytes/byte-array.ts';
import { ProtoMessage, ProtoWriter } from '../../bytes/protobuf.ts';
import { RegistryError } from '../../errors.ts';
import { parseDigest, type Digest } from '../../names/digest.ts';
import type { RecordId } from '../../names/log-id.ts';
import { parseVersion, type VersionText } from '../../names/version.ts';
import { parseGrantId, type GrantId } from '../authority/grant.ts';
import { isMediaType, type ContentClaim } from '../authority/media-type.ts';
import { isAnnotationType } from '../authority/permission.ts';

/** spec/version1.md 6.2 and 6.3. */
export const ANNOTATION_BYTES_MAX = 2_048;
export const ANNOTATION_BODY_BYTES_MAX = 1_024;

declare const annotationId: unique symbol;

/** `<record id>/annotation/<index>`. */
export type AnnotationId = string & { readonly [annotationId]: true };

/** Content that an annotation names instead of holding it, so that it can be taken down. */
export interface ContentReference extends ContentClaim {
  readonly digest: Digest;
}

/** Something said beside the entries of a record, which decides nothing about the log. */
export interface Annotation {
  readonly type: string;
  /** The release that it is about. */
  readonly version: VersionText | null;
  /** The grant that it is made under; `null` for the root, or in a log that has none. */
  readonly under: GrantId | null;
  /** Never beside `content`. */
  readonly body: Uint8Array | null;
  readonly content: ContentReference | null;
  /** The annotation that it is about. */
  readonly target: AnnotationId | null;
}

/** What a new annotation says; the rest is `null`. */
export type AnnotationDraft = Pick<Annotation, 'type'> & Partial<Annotation>;

/**
 * Strict: the one encoding of what it says (spec/version1.md 6.2 and 6.3). Throws `wire/too-large`, `wire/protobuf`,
 * `wire/shape`, `text/version`, `text/hash`.
 */
export function decodeAnnotation(bytes: Uint8Array): Annotation {
  if (bytes.length > ANNOTATION_BYTES_MAX) throw tooLarge('an annotation', bytes.length, ANNOTATION_BYTES_MAX);
  const annotation = readAnnotation(ProtoMessage.decode(bytes));
  // A field that is skipped could be a restriction, and two encodings of one statement two statements.
  if (equalBytes(writeAnnotation(annotation), bytes)) return annotation;
  throw malformed('not in its canonical form, or with unknown fields');
}

function readAnnotation(message: ProtoMessage): Annotation {
  const type = message.string(1);
  if (!isAnnotationType(type)) throw malformed('a type that is none');
  const body = message.bytes(4);
  if (body.length > ANNOTATION_BODY_BYTES_MAX) throw tooLarge('a body', body.length, ANNOTATION_BODY_BYTES_MAX);
  const content = readContent(message);
  if (body.length > 0 && content !== null) throw malformed('a body, and content beside it');
  return {
    type,
    version: ifGiven(message.string(2), parseVersion),
    under: ifGiven(message.string(3), parseGrantId),
    // A copy: what stands for long must not keep a whole record in memory.
    body: body.length === 0 ? null : body.slice(),
    content,
    target: ifGiven(message.string(8), parseAnnotationId),
  };
}

function ifGiven<T>(text: string, parse: (text: string) => T): T | null {
  return text === '' ? null : parse(text);
}

function readContent(message: ProtoMessage): ContentReference | null {
  const [digest, size, mediaType] = [message.string(5), message.uint64(6), message.string(7)];
  if (digest === '' && size === 0n && mediaType === '') return null;
  if (!isMediaType(mediaType)) throw malformed('content without a media type');
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('content of more than 2^53 - 1 bytes');
  return { digest: parseDigest(digest), size: Number(size), mediaType };
}

/** Throws, as {@link decodeAnnotation} does, what no reader could read. */
export function encodeAnnotation({ type, ...rest }: AnnotationDraft): Uint8Array {
  const { version = null, under = null, body = null, content = null, target = null } = rest;
  const bytes = writeAnnotation({ type, version, under, body, content, target });
  decodeAnnotation(bytes);
  return bytes;
}

function writeAnnotation({ type, version, under, body, content, target }: Annotation): Uint8Array {
  return new ProtoWriter()
    .string(1, type)
    .string(2, version ?? '')
    .string(3, under ?? '')
    .bytes(4, body ?? new Uint8Array())
    .string(5, content?.digest ?? '')
    .varint(6, content?.size ?? 0)
    .string(7, content?.mediaType ?? '')
    .string(8, target ?? '')
    .finish();
}

const ANNOTATION_ID = /^sha256:[0-9a-f]{64}\/annotation\/(?:0|[1-9][0-9]{0,9})$/;

/** Throws `wire/shape`. */
export function parseAnnotationId(text: string): AnnotationId {
  if (!ANNOTATION_ID.test(text)) throw malformed('an annotation id is <record id>/annotation/<index>');
  return text as AnnotationId;
}

/** The id of the annotation with that index in its record. */
export function annotationIdOf(recordId: RecordId, index: number): AnnotationId {
  return parseAnnotationId(`${recordId}/annotation/${index}`);
}

function tooLarge(what: string, bytes: number, bytesMax: number): RegistryError {
  return new RegistryError('wire/too-large', `${what} of ${bytes} bytes is over ${bytesMax}`);
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed annotation: ${why}`);
}
