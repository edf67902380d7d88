import { isRegistryError } from '../../errors.ts';
import { annotatePermission } from '../authority/permission.ts';
import { isSignedFor } from '../authority/holder.ts';
import { findRefusal, type Authority, type RefusalReason } from '../authority/verdict.ts';
import type { PackagePermission, Release } from '../kinds/package/release.ts';
import type { PackageEntry } from '../package-log.ts';
import type { ReplayStep } from '../replay.ts';
import type { SignedRecord } from '../signed-record.ts';
import { annotationIdOf, decodeAnnotation, type Annotation, type AnnotationId } from './annotation.ts';
import { checkAnnotation, isAnnotationTypeKnown, isFreeAnnotationType } from './annotation-types.ts';

/** Those after the first so many of a record are not judged, and cannot be read: spec/version1.md 6.4. */
export const ANNOTATIONS_JUDGED_MAX = 256;

/** Why an annotation is not authorized; `target`: nothing that can be withdrawn stands there. */
export type AnnotationRefusal = RefusalReason | 'target';

/** What an annotation is worth: spec/version1.md 6.4. Only an authorized one means anything. */
export type JudgedAnnotation =
  | { readonly id: AnnotationId; readonly verdict: 'authorized' | 'unknown'; readonly annotation: Annotation }
  | {
      readonly id: AnnotationId;
      readonly verdict: 'unauthorized';
      readonly annotation: Annotation;
      readonly reason: AnnotationRefusal;
    }
  | {
      readonly id: AnnotationId;
      readonly verdict: 'unreadable';
      readonly annotation: null;
      /** For a person. */
      readonly why: string;
    };

/** What a withdrawal asks of the annotation that it names. */
export interface WithdrawalTarget {
  /** Who signed its record. */
  readonly signers: readonly string[];
  readonly isWithdrawal: boolean;
}

/** An annotation of an earlier record; `null` when there is none. */
export type FindTarget = (id: AnnotationId) => WithdrawalTarget | null;

const NONE: readonly JudgedAnnotation[] = [];

/**
 * Judges the annotations of a record that is valid, the first {@link ANNOTATIONS_JUDGED_MAX} of them: the rest are
 * unreadable, and not in the list. Never throws for what a record holds.
 */
export function judgeAnnotations(
  record: SignedRecord<PackageEntry>,
  step: ReplayStep<PackagePermission, Release>,
  findTarget: FindTarget,
): readonly JudgedAnnotation[] {
  if (record.annotations.length === 0) return NONE;
  const court = courtOf(record, step, findTarget);
  return readAnnotations(record).map((read) =>
    'why' in read ? { ...read, verdict: 'unreadable', annotation: null } : judge(court, read.id, read.annotation),
  );
}

/** An annotation as far as it can be read by itself, or why not, for a person. */
export type ReadAnnotation = { readonly id: AnnotationId } & (
  | { readonly annotation: Annotation }
  | { readonly why: string }
);

/** What the annotations of a record say, whatever they are worth: the first {@link ANNOTATIONS_JUDGED_MAX} of them. */
export function readAnnotations({
  id: recordId,
  annotations,
}: Pick<SignedRecord<PackageEntry>, 'id' | 'annotations'>): readonly ReadAnnotation[] {
  return annotations
    .slice(0, ANNOTATIONS_JUDGED_MAX)
    .map((bytes, index) => ({ id: annotationIdOf(recordId, index), ...readAnnotation(bytes) }));
}

/** Who signed the record: in version 0, whoever its envelope says. */
export function signersOf({ binding, envelope }: SignedRecord<PackageEntry>): readonly string[] {
  return binding?.signers ?? [envelope.keyId];
}

/** What all annotations of a record are judged by. */
interface Court {
  readonly authority: Authority;
  readonly signers: ReadonlySet<string>;
  readonly time: SignedRecord<PackageEntry>['time'];
  /** In a log without records of version 1: whether one of the signers holds release or yank there. */
  readonly isHeldByVersion0: () => boolean;
  readonly findTarget: FindTarget;
}

function courtOf(
  record: SignedRecord<PackageEntry>,
  { before, after }: ReplayStep<PackagePermission, Release>,
  findTarget: FindTarget,
): Court {
  const isFirst = before.length === 0;
  const signers = new Set(signersOf(record));
  return {
    authority: isFirst ? after : before,
    signers,
    time: record.time,
    isHeldByVersion0: () =>
      [...signers].some((keyId) => {
        const held = isFirst ? after.permissionsOf(keyId) : before.permissions.get(keyId);
        return held !== undefined && held.size > 0;
      }),
    findTarget,
  };
}

function readAnnotation(bytes: Uint8Array): { readonly annotation: Annotation } | { readonly why: string } {
  try {
    const annotation = decodeAnnotation(bytes);
    checkAnnotation(annotation);
    return { annotation };
  } catch (thrown) {
    if (isRegistryError(thrown)) return { why: thrown.message };
    throw thrown;
  }
}

function judge(court: Court, id: AnnotationId, annotation: Annotation): JudgedAnnotation {
  const { type, target } = annotation;
  const reason =
    type === 'withdrawal' && target !== null ? refuseWithdrawal(court, target) : refuseStatement(court, annotation);
  if (reason !== null) return { id, verdict: 'unauthorized', annotation, reason };
  const isKnown = isAnnotationTypeKnown(type) || isFreeAnnotationType(type);
  return { id, verdict: isKnown ? 'authorized' : 'unknown', annotation };
}

function refuseStatement(court: Court, { type, version, under }: Annotation): AnnotationRefusal | null {
  const { authority, signers, time, isHeldByVersion0 } = court;
  if (authority.root === null) {
    if (under !== null) return 'grant-unknown';
    return isHeldByVersion0() ? null : 'permission';
  }
  const act = { permission: annotatePermission(type), time, version, annotationType: type };
  return findRefusal(authority, { signers, under }, act)?.reason ?? null;
}

/** spec/version1.md 6.6. */
function refuseWithdrawal({ authority, signers, findTarget }: Court, id: AnnotationId): AnnotationRefusal | null {
  const target = findTarget(id);
  if (target === null || target.isWithdrawal) return 'target';
  const { root } = authority;
  const isOwn = target.signers.every((keyId) => signers.has(keyId));
  return isOwn || (root !== null && isSignedFor(root, signers)) ? null : 'holder';
}
