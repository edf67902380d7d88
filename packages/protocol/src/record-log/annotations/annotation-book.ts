import type { RecordId } from '../../names/log-id.ts';
import type { Timestamp } from '../../names/timestamp.ts';
import type { VersionText } from '../../names/version.ts';
import type { PackagePermission, Release } from '../kinds/package/release.ts';
import type { PackageEntry } from '../package-log.ts';
import type { ReplayStep } from '../replay.ts';
import type { SignedRecord } from '../signed-record.ts';
import type { Annotation, AnnotationId, ContentReference } from './annotation.ts';
import { judgeAnnotations, signersOf, type FindTarget, type JudgedAnnotation } from './annotation-judge.ts';
import {
  isReplacedByLater,
  readAnnotationBody,
  type AnnotationBodies,
  type AnnotationType,
} from './annotation-types.ts';

/** An annotation that is authorized and not withdrawn. */
export interface Statement<B> {
  readonly id: AnnotationId;
  readonly signers: readonly string[];
  /** Of its record. */
  readonly time: Timestamp;
  /** `null`: it is about the package, or about its record. */
  readonly version: VersionText | null;
  readonly body: B;
  readonly content: ContentReference | null;
}

/** Any annotation of the log, whatever it is worth. */
export type ListedAnnotation = JudgedAnnotation & {
  readonly signers: readonly string[];
  readonly time: Timestamp;
  /** The withdrawal that ended it. */
  readonly withdrawnBy: AnnotationId | null;
};

/** A record that has annotations. */
interface AnnotatedRecord {
  readonly id: RecordId;
  readonly signers: readonly string[];
  readonly time: Timestamp;
  readonly annotations: readonly JudgedAnnotation[];
}

/** One that stands, or stood before it was withdrawn. */
interface Filed {
  readonly id: AnnotationId;
  readonly record: AnnotatedRecord;
  readonly annotation: Annotation;
}

const ID_INFIX = '/annotation/';

/**
 * What the annotations of one package's log amount to, record after record: {@link AnnotationBook.add} is an `onRecord` of
 * `replayLog`. A record costs as much as it holds, and the latest statement is found at once.
 */
export class AnnotationBook {
  readonly #records = new Map<string, AnnotatedRecord>();
  readonly #withdrawals = new Map<AnnotationId, AnnotationId>();
  /** By type and version, in the order of the log. */
  readonly #files = new Map<string, Filed[]>();

  readonly add = (record: SignedRecord<PackageEntry>, step: ReplayStep<PackagePermission, Release>): void => {
    if (record.annotations.length === 0) return;
    const annotations = judgeAnnotations(record, step, this.findTarget);
    const annotated = { id: record.id, signers: signersOf(record), time: record.time, annotations };
    this.#records.set(record.id, annotated);
    for (const judged of annotations) if (judged.verdict === 'authorized') this.#file(annotated, judged);
  };

  /** What a withdrawal in the next record would ask of the annotation that it names. */
  readonly findTarget: FindTarget = (id) => {
    const found = this.#find(id);
    return found && { signers: found.record.signers, isWithdrawal: found.judged.annotation?.type === 'withdrawal' };
  };

  #find(id: AnnotationId): { readonly record: AnnotatedRecord; readonly judged: JudgedAnnotation } | null {
    const [recordId = '', index] = id.split(ID_INFIX);
    const record = this.#records.get(recordId);
    const judged = record?.annotations[Number(index)];
    return record && judged ? { record, judged } : null;
  }

  #file(
    record: AnnotatedRecord,
    { id, annotation }: { readonly id: AnnotationId; readonly annotation: Annotation },
  ): void {
    const { type, version, target } = annotation;
    if (target !== null && type === 'withdrawal') this.#withdraw(target, id);
    const key = fileKey(type, version);
    const file = this.#files.get(key);
    if (file === undefined) this.#files.set(key, [{ id, record, annotation }]);
    else file.push({ id, record, annotation });
  }

  #withdraw(target: AnnotationId, by: AnnotationId): void {
    if (!this.#withdrawals.has(target)) this.#withdrawals.set(target, by);
    const annotation = this.#find(target)?.judged.annotation;
    const file = (annotation && this.#files.get(fileKey(annotation.type, annotation.version))) ?? [];
    // So that the last one of a file always stands: each is taken off once.
    while (this.#isWithdrawn(file.at(-1))) file.pop();
  }

  #isWithdrawn(filed: Filed | undefined): boolean {
    return filed !== undefined && this.#withdrawals.has(filed.id);
  }

  /** The latest statement of a type about exactly that: a release, or with `null` the package. */
  latest<T extends AnnotationType>(type: T, version: VersionText | null): Statement<AnnotationBodies[T]> | null {
    const filed = this.#files.get(fileKey(type, version))?.at(-1);
    return filed === undefined ? null : statementOf(type, filed);
  }

  /** All statements of a type about exactly that, latest first. */
  statements<T extends AnnotationType>(type: T, version: VersionText | null): Statement<AnnotationBodies[T]>[] {
    const file = this.#files.get(fileKey(type, version)) ?? [];
    return file
      .filter((filed) => !this.#isWithdrawn(filed))
      .toReversed()
      .map((filed) => statementOf(type, filed));
  }

  /** What is said of the release or, where nothing is, of the package. */
  deprecationOf(version: VersionText): Statement<AnnotationBodies['deprecation']> | null {
    return this.latest('deprecation', version) ?? this.latest('deprecation', null);
  }

  /** As {@link deprecationOf}. */
  licenceOf(version: VersionText): Statement<AnnotationBodies['licence']> | null {
    return this.latest('licence', version) ?? this.latest('licence', null);
  }

  /** As {@link deprecationOf}. */
  readmeOf(version: VersionText): Statement<null> | null {
    return this.latest('readme', version) ?? this.latest('readme', null);
  }

  /**
   * Those about the release, and those about the package whose range it `isAffected` by: latest first of each. A range that
   * the caller cannot read had better affect every version.
   */
  advisoriesOf(
    version: VersionText,
    isAffected: (range: string, version: VersionText) => boolean,
  ): Statement<AnnotationBodies['advisory']>[] {
    const ofPackage = this.statements('advisory', null).filter(
      ({ body: { affected } }) => affected === null || isAffected(affected, version),
    );
    return [...this.statements('advisory', version), ...ofPackage];
  }

  /** For whom a gateway signed a record; `null` where none says so. */
  accountOf(recordId: RecordId): string | null {
    const record = this.#records.get(recordId);
    for (const { id, verdict, annotation } of record?.annotations.toReversed() ?? []) {
      if (verdict !== 'authorized' || annotation.type !== 'on-behalf' || this.#withdrawals.has(id)) continue;
      return readAnnotationBody('on-behalf', annotation).account;
    }
    return null;
  }

  /** True for one that means something now: authorized, not withdrawn, no withdrawal, and said by no later one instead. */
  isMeant({ id, verdict, annotation, withdrawnBy }: ListedAnnotation): boolean {
    if (verdict !== 'authorized' || withdrawnBy !== null || annotation.type === 'withdrawal') return false;
    const { type, version } = annotation;
    return !isReplacedByLater(type) || this.latest(type, version)?.id === id;
  }

  /** Every annotation that was judged, latest first: those that mean nothing, too. */
  *list(): Generator<ListedAnnotation, void, undefined> {
    for (const recordId of [...this.#records.keys()].toReversed()) yield* this.listRecord(recordId);
  }

  /** As {@link list}, of one record. */
  *listRecord(recordId: string): Generator<ListedAnnotation, void, undefined> {
    const record = this.#records.get(recordId);
    if (record === undefined) return;
    const { annotations, signers, time } = record;
    for (const judged of annotations.toReversed()) {
      yield { ...judged, signers, time, withdrawnBy: this.#withdrawals.get(judged.id) ?? null };
    }
  }
}

function fileKey(type: string, version: VersionText | null): string {
  return `${type} ${version ?? ''}`;
}

function statementOf<T extends AnnotationType>(
  type: T,
  { id, record, annotation }: Filed,
): Statement<AnnotationBodies[T]> {
  const { signers, time } = record;
  const { version, content } = annotation;
  return { id, signers, time, version, body: readAnnotationBody(type, annotation), content };
}
