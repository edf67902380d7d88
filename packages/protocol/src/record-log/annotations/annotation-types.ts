import * as z from 'zod/mini';
import { utf8 } from '../../bytes/byte-array.ts';
import type { JsonValue } from '../../bytes/json.ts';
import { RegistryError } from '../../errors.ts';
import { parseDigest, type Digest } from '../../names/digest.ts';
import { parsePackageName, type PackageName } from '../../names/package-name.ts';
import { parseVersion, type VersionText } from '../../names/version.ts';
import { decodeJson, parsed } from '../../wire/shape.ts';
import { checkReason } from '../kinds/shared/reason.ts';
import type { Annotation } from './annotation.ts';

/** The release should be used no more. */
export interface Deprecation {
  readonly message: string | null;
  /** The package to use instead. */
  readonly successor: PackageName | null;
}

export const ADVISORY_SEVERITIES = ['low', 'medium', 'high', 'critical'] as const;

/** A vulnerability. */
export interface Advisory {
  readonly id: string;
  readonly severity: (typeof ADVISORY_SEVERITIES)[number];
  /** A range of versions, read by whoever resolves ranges; `null` for all. Never of an advisory that names its release. */
  readonly affected: string | null;
  readonly fixed: readonly VersionText[] | null;
  readonly message: string | null;
}

/** Under which licence it may be used: an expression of SPDX. */
export interface Licence {
  readonly spdx: string;
}

/** What somebody found who looked at the release. */
export interface Audit {
  readonly result: 'pass' | 'fail';
  readonly by: string | null;
  readonly message: string | null;
}

/** What somebody got who built the release again. */
export interface Rebuild {
  readonly result: 'same' | 'different';
  readonly digest: Digest | null;
  readonly message: string | null;
}

/** For whom a gateway signed the record. */
export interface OnBehalf {
  readonly account: string;
}

/** The OCI manifest by which the release was pushed, whose tag shows it for ever. */
export interface OciManifestNote {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
}

/** From where a registry has fetched the release: it was nobody's release here before. */
export interface ImportNote {
  /** Host of the other registry, with its port where that is not the usual one. */
  readonly registry: string;
  readonly repository: string;
  /** `null` where it was named by digest. */
  readonly tag: string | null;
  /** Of the manifest there. */
  readonly digest: Digest;
}

/** Type → what its body says; `null` where it names content instead, or has neither. */
export interface AnnotationBodies {
  readonly deprecation: Deprecation;
  readonly advisory: Advisory;
  readonly licence: Licence;
  readonly readme: null;
  readonly provenance: null;
  readonly sbom: null;
  readonly audit: Audit | null;
  readonly rebuild: Rebuild | null;
  readonly 'on-behalf': OnBehalf;
  readonly 'oci-manifest': OciManifestNote;
  readonly 'imported-from': ImportNote;
  readonly withdrawal: null;
}

/** A type of spec/version1.md 6.5. */
export type AnnotationType = keyof AnnotationBodies;

/** What an annotation of a type is about. */
export type AnnotationSubject = 'release' | 'release or package' | 'record' | 'annotation';

/** Everything about one type. */
interface AnnotationTypeRow<B> {
  readonly about: AnnotationSubject;
  /** Of content that it may name: `any`, or one of these. */
  readonly mediaTypes: readonly string[] | 'any';
  /** Throws `wire/json`, `wire/shape`. */
  readonly readBody: (annotation: Annotation) => B;
}

/** spec/version1.md 6.5 and 2.7: free text that is too long for a sentence can only be named by its digest. */
const sentence = orNull(parsed(checkReason));
/** The names of a registry's accounts: no address of a person fits. */
const account = z.string().check(z.regex(/^[a-z0-9._-]{1,64}$/));
const advisoryId = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/));
const spdx = z.string().check(z.regex(/^[A-Za-z0-9(][A-Za-z0-9.+:() -]{0,255}$/));
/** spec/oci.md 3.1. */
const OCI_MANIFEST_BYTES_MAX = 4 * 1024 * 1024;
const host = z.string().check(z.regex(/^[a-z0-9.:[\]-]{1,255}$/));
const repository = z.string().check(z.regex(/^[a-z0-9._/-]{1,255}$/));
const tag = z.string().check(z.regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/));
const FIXED_VERSIONS_MAX = 16;
const fixed = orNull(z.array(parsed(parseVersion)).check(z.maxLength(FIXED_VERSIONS_MAX)));
const advisorySchema = z.object({
  id: advisoryId,
  severity: z.enum(ADVISORY_SEVERITIES),
  affected: sentence,
  fixed,
  message: sentence,
});

const ANNOTATION_TYPES: { readonly [T in AnnotationType]: AnnotationTypeRow<AnnotationBodies[T]> } = {
  deprecation: {
    about: 'release or package',
    ...saying(z.object({ message: sentence, successor: orNull(parsed(parsePackageName)) })),
  },
  advisory: {
    about: 'release or package',
    mediaTypes: [],
    readBody(annotation) {
      const advisory = readSaid(advisorySchema, annotation);
      if (advisory.affected === null || annotation.version === null) return advisory;
      throw malformed('an advisory names its release, and a range beside it');
    },
  },
  licence: { about: 'release or package', ...saying(z.object({ spdx })) },
  readme: { about: 'release or package', ...naming(['text/markdown']) },
  provenance: { about: 'release', ...naming(['application/vnd.in-toto+json']) },
  sbom: { about: 'release', ...naming(['application/spdx+json', 'application/vnd.cyclonedx+json']) },
  audit: {
    about: 'release',
    ...sayingOrNaming(z.object({ result: z.enum(['pass', 'fail']), by: sentence, message: sentence })),
  },
  rebuild: {
    about: 'release',
    ...sayingOrNaming(
      z.object({ result: z.enum(['same', 'different']), digest: orNull(parsed(parseDigest)), message: sentence }),
    ),
  },
  'on-behalf': { about: 'record', ...saying(z.object({ account })) },
  'oci-manifest': {
    about: 'release',
    ...saying(
      z.object({ digest: parsed(parseDigest), size: z.int().check(z.minimum(2), z.maximum(OCI_MANIFEST_BYTES_MAX)) }),
    ),
  },
  'imported-from': {
    about: 'release',
    ...saying(z.object({ registry: host, repository, tag: orNull(tag), digest: parsed(parseDigest) })),
  },
  withdrawal: {
    about: 'annotation',
    mediaTypes: [],
    readBody(annotation) {
      if (annotation.under === null) return readNothing(annotation);
      throw malformed('a withdrawal is under no grant: it needs no permission');
    },
  },
};

function orNull<T>(schema: z.ZodMiniType<T>): z.ZodMiniType<T | null> {
  return z.pipe(
    z.optional(schema),
    z.transform((value) => value ?? null),
  );
}

/** Of a type with a body in JSON. */
function saying<B>(schema: z.ZodMiniType<B>): Omit<AnnotationTypeRow<B>, 'about'> {
  return { mediaTypes: [], readBody: (annotation) => readSaid(schema, annotation) };
}

function readSaid<B>(schema: z.ZodMiniType<B>, { body }: Annotation): B {
  if (body === null) throw malformed('no body');
  return decodeJson(schema, body);
}

/** Of a type that names content. */
function naming(mediaTypes: readonly string[]): Omit<AnnotationTypeRow<null>, 'about'> {
  return {
    mediaTypes,
    readBody(annotation) {
      if (annotation.content === null) throw malformed('no content');
      return readNothing(annotation);
    },
  };
}

/** Of a type that does either. */
function sayingOrNaming<B>(schema: z.ZodMiniType<B>): Omit<AnnotationTypeRow<B | null>, 'about'> {
  return {
    mediaTypes: 'any',
    readBody: (annotation) => (annotation.content === null ? readSaid(schema, annotation) : null),
  };
}

function readNothing({ body }: Annotation): null {
  if (body === null) return null;
  throw malformed('a body where none belongs');
}

/** Which of its fields an annotation of a type has: `null` where it may have it or not. */
const SUBJECT_FIELDS: Readonly<
  Record<AnnotationSubject, { readonly version: boolean | null; readonly target: boolean }>
> = {
  release: { version: true, target: false },
  'release or package': { version: null, target: false },
  record: { version: false, target: false },
  annotation: { version: false, target: true },
};

/** spec/version1.md 6.7: of these the latest counts; all others count side by side. */
const REPLACED_BY_LATER: readonly string[] = ['deprecation', 'licence', 'readme'] satisfies AnnotationType[];

export function isReplacedByLater(type: string): type is 'deprecation' | 'licence' | 'readme' {
  return REPLACED_BY_LATER.includes(type);
}

const FREE_PREFIX = 'x.';

/** True for a type of 6.5. */
export function isAnnotationTypeKnown(type: string): type is AnnotationType {
  return Object.hasOwn(ANNOTATION_TYPES, type);
}

/** True for a type that anybody may define: whatever it says is between those who use it. */
export function isFreeAnnotationType(type: string): boolean {
  return type.startsWith(FREE_PREFIX);
}

/** spec/version1.md 6.5: nothing about a type that is not in its table. Throws `wire/json`, `wire/shape`. */
export function checkAnnotation(annotation: Annotation): void {
  const { type, version, content, target } = annotation;
  if (!isAnnotationTypeKnown(type)) return;
  const { about, mediaTypes } = ANNOTATION_TYPES[type];
  const fields = SUBJECT_FIELDS[about];
  if (fields.version !== null && fields.version !== (version !== null))
    throw malformed(`${type} is about the ${about} that it names`);
  if (fields.target !== (target !== null)) throw malformed(`${type} is about the ${about} that it names`);
  if (content !== null && mediaTypes !== 'any' && !mediaTypes.includes(content.mediaType)) {
    throw malformed(`${type} names no content of type ${content.mediaType}`);
  }
  readAnnotationBody(type, annotation);
}

/** What the body says. Throws `wire/json`, `wire/shape`; never for an annotation that {@link checkAnnotation} has passed. */
export function readAnnotationBody<T extends AnnotationType>(type: T, annotation: Annotation): AnnotationBodies[T] {
  return ANNOTATION_TYPES[type].readBody(annotation);
}

/** The bytes of a body. */
export function annotationBody(value: JsonValue): Uint8Array {
  return utf8(JSON.stringify(value));
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed annotation: ${why}`);
}
