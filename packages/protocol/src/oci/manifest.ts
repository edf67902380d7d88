import { sha512 } from '@noble/hashes/sha2.js';
import * as z from 'zod/mini';
import { equalBytes } from '../bytes/byte-array.ts';
import { decodeHex } from '../bytes/hex.ts';
import { parseJson, type JsonValue } from '../bytes/json.ts';
import { sha256 } from '../crypto/hash.ts';
import { isRegistryError, RegistryError } from '../errors.ts';
import { base64Bytes, count, decodeShape, parsed } from '../wire/shape.ts';
import { isForeignLayer, manifestSortOf, type ManifestSort } from './media-types.ts';
import { algorithmOf, parseOciDigest, type OciDigest } from './oci-names.ts';

/** Bytes of a manifest (spec/oci.md 3.1). */
export const MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
/** Layers, or entries of an index: a tree's files fit. */
export const MANIFEST_DESCRIPTORS_MAX = 20_000;
/** Of one manifest or descriptor. */
export const MANIFEST_ANNOTATIONS_MAX = 10_000;
const MEDIA_TYPE_LENGTH_MAX = 255;

/** What names bytes (spec/oci.md 3.4). */
export interface OciDescriptor {
  readonly mediaType: string;
  readonly digest: OciDigest;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>> | null;
  readonly artifactType: string | null;
  /** The bytes lie elsewhere: they may be missing here, and nobody fetches them. */
  readonly isForeign: boolean;
}

/** What a manifest says, as far as it matters to a registry. */
export interface ReadManifest {
  readonly sort: ManifestSort;
  /** As it says it, or as it was sent where it says none. */
  readonly mediaType: string;
  readonly artifactType: string | null;
  /** `null` for an index. */
  readonly config: OciDescriptor | null;
  /** None for an index. */
  readonly layers: readonly OciDescriptor[];
  /** None for an image. */
  readonly manifests: readonly OciDescriptor[];
  readonly subject: OciDescriptor | null;
  readonly annotations: Readonly<Record<string, string>> | null;
}

/**
 * Reads a manifest for what it is, or not at all: what two readers could take for different things is refused
 * (SECURITY.md O2, O3). Its digest is that of `bytes`, never of what was read. Throws `oci/manifest`, and `oci/size` over
 * {@link MANIFEST_BYTES_MAX}.
 *
 * @param contentType - As the bytes were sent or stored; empty for unknown.
 */
export function readManifest(bytes: Uint8Array, contentType: string): ReadManifest {
  if (bytes.length > MANIFEST_BYTES_MAX) {
    throw new RegistryError('oci/size', `the manifest has over ${MANIFEST_BYTES_MAX} bytes`);
  }
  const document = documentOf(bytes);
  const mediaType = mediaTypeOf(document, essenceOf(contentType));
  const sort = manifestSortOf(mediaType);
  if (sort === null) throw refused(`${JSON.stringify(mediaType.slice(0, 80))} is no media type of a manifest`);
  const { artifactType, annotations, subject, ...parts } = document;
  const common = { sort, mediaType, artifactType: artifactType || null, annotations, subject };
  return { ...common, ...(sort === 'image' ? imageParts(parts) : indexParts(parts)) };
}

/** The type under which a manifest is listed among referrers; `null` for none (spec/oci.md 7.2). */
export function referrerType({ artifactType, config }: ReadManifest): string | null {
  return artifactType ?? config?.mediaType ?? null;
}

/** `undefined`: not there at all. */
interface Parts {
  readonly config?: OciDescriptor | null | undefined;
  readonly layers?: readonly OciDescriptor[] | null | undefined;
  readonly manifests?: readonly OciDescriptor[] | null | undefined;
}

function imageParts({ config, layers, manifests }: Parts): Pick<ReadManifest, 'config' | 'layers' | 'manifests'> {
  if (manifests !== undefined) throw refused('it is an image and has manifests');
  if (config == null) throw refused('it is an image without a config');
  if (layers === undefined) throw refused('it is an image without layers: write an empty list');
  return { config, layers: bounded(layers ?? []), manifests: [] };
}

function indexParts({ config, layers, manifests }: Parts): Pick<ReadManifest, 'config' | 'layers' | 'manifests'> {
  if (config !== undefined || layers !== undefined) throw refused('it is an index and has a config or layers');
  if (manifests === undefined) throw refused('it is an index without manifests: write an empty list');
  return { config: null, layers: [], manifests: bounded(manifests ?? []) };
}

function bounded(descriptors: readonly OciDescriptor[]): readonly OciDescriptor[] {
  if (descriptors.length <= MANIFEST_DESCRIPTORS_MAX) return descriptors;
  throw refused(`it has over ${MANIFEST_DESCRIPTORS_MAX} layers or manifests`);
}

function mediaTypeOf({ mediaType }: { readonly mediaType?: string | null | undefined }, sent: string): string {
  if (mediaType == null) {
    if (sent === '') throw refused('it has no media type, and none was sent');
    return sent;
  }
  if (sent === '' || sent === mediaType) return mediaType;
  const said = JSON.stringify(mediaType.slice(0, 80));
  throw refused(`it says that it is ${said}, and was sent as ${JSON.stringify(sent.slice(0, 80))}`);
}

/** A media type without its parameters. */
function essenceOf(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

const annotationsSchema = z.nullish(
  z
    .record(z.string(), z.string())
    .check(z.refine((all) => Object.keys(all).length <= MANIFEST_ANNOTATIONS_MAX, 'too many annotations')),
);
const mediaTypeSchema = z.string().check(z.minLength(1), z.maxLength(MEDIA_TYPE_LENGTH_MAX));
const artifactTypeSchema = z.nullish(z.string().check(z.maxLength(MEDIA_TYPE_LENGTH_MAX)));

const descriptorSchema: z.ZodMiniType<OciDescriptor> = z.pipe(
  z
    .object({
      mediaType: mediaTypeSchema,
      digest: parsed(parseOciDigest),
      size: count,
      annotations: annotationsSchema,
      artifactType: artifactTypeSchema,
      urls: z.nullish(z.array(z.string())),
      data: z.nullish(base64Bytes),
    })
    .check(z.refine(isDataNamed, 'data that is not what the descriptor names')),
  z.transform(({ mediaType, digest, size, annotations, artifactType }) => ({
    mediaType,
    digest,
    size,
    annotations: annotations ?? null,
    artifactType: artifactType || null,
    isForeign: isForeignLayer(mediaType),
  })),
);

function isDataNamed(named: {
  readonly digest: OciDigest;
  readonly size: number;
  readonly data?: Uint8Array | null | undefined;
}): boolean {
  const { digest, size, data } = named;
  if (data == null) return true;
  const hash = algorithmOf(digest) === 'sha256' ? sha256(data) : sha512(data);
  return data.length === size && equalBytes(hash, decodeHex(digest.slice(digest.indexOf(':') + 1)));
}

const descriptorsSchema = z.optional(z.nullable(z.array(descriptorSchema)));

const documentSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.nullish(z.string()),
  artifactType: artifactTypeSchema,
  config: z.optional(z.nullable(descriptorSchema)),
  layers: descriptorsSchema,
  manifests: descriptorsSchema,
  subject: z.nullish(descriptorSchema),
  annotations: annotationsSchema,
});

type Document = z.infer<typeof documentSchema> & Pick<ReadManifest, 'annotations' | 'subject'>;

function documentOf(bytes: Uint8Array): Document {
  try {
    const value = parseJson(bytes);
    requireOneSpelling(value);
    const document = decodeShape(documentSchema, value);
    return { ...document, annotations: document.annotations ?? null, subject: document.subject ?? null };
  } catch (failure) {
    if (isRegistryError(failure, 'wire/json', 'wire/shape')) throw refused(failure.message, failure);
    throw failure;
  }
}

const MEMBERS: ReadonlySet<string> = new Set([...Object.keys(documentSchema.shape), 'digest', 'size', 'urls', 'data']);
const FOLDED_MEMBERS: ReadonlySet<string> = new Set([...MEMBERS].map(folded));

/** Readers in Go take `Layers` for `layers`, and the last of both for the one (SECURITY.md O2). */
function requireOneSpelling(value: JsonValue): void {
  if (value === null || typeof value !== 'object') return;
  if (Array.isArray(value)) {
    for (const element of value) requireOneSpelling(element);
    return;
  }
  for (const [name, member] of Object.entries(value)) {
    if (!MEMBERS.has(name) && FOLDED_MEMBERS.has(folded(name))) {
      throw refused(`the member ${JSON.stringify(name.slice(0, 80))} differs from a known one in case alone`);
    }
    // Names of annotations are their writer's, and what is in members that are unknown is read by nobody here.
    if (name !== 'annotations' && MEMBERS.has(name)) requireOneSpelling(member);
  }
}

/** As Unicode's simple folding does it for the letters of the members: `ſ` is an s, the Kelvin sign a k. */
function folded(name: string): string {
  return name.toUpperCase().toLowerCase();
}

function refused(why: string, cause?: unknown): RegistryError {
  return new RegistryError('oci/manifest', `the manifest is refused: ${why}`, {}, { cause });
}
