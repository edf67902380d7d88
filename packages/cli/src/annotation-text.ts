import { advisoryText, type Warnings } from '@waybill/client';
import {
  formatTimestamp,
  isAnnotationTypeKnown,
  readAnnotationBody,
  type Annotation,
  type AnnotationBook,
  type JsonValue,
  type ListedAnnotation,
} from '@waybill/protocol';
import { visibleLine } from './visible-text.ts';

type Texts = { [name: string]: string | string[] };

/** What the body says, member by member; empty where there is none, or where its type is its users' own: that may be anything. */
function textsOf(annotation: Annotation): Texts {
  const { type } = annotation;
  const said = isAnnotationTypeKnown(type) ? readAnnotationBody(type, annotation) : null;
  const texts: Texts = {};
  for (const [name, value] of Object.entries<unknown>({ ...said })) {
    if (typeof value === 'string') texts[name] = value;
    if (Array.isArray(value)) texts[name] = value.map(String);
  }
  return texts;
}

/** An annotation as JSON. */
export function annotationJson(annotation: Annotation): { [key: string]: JsonValue } {
  const { type, version, under, body, content, target } = annotation;
  return {
    type,
    ...(version === null ? {} : { version }),
    ...(body === null ? {} : { body: textsOf(annotation), bodyBytes: body.length }),
    ...(content === null ? {} : { content: { ...content } }),
    ...(target === null ? {} : { target }),
    ...(under === null ? {} : { under }),
  };
}

/** An annotation on one line, for a person. */
export function annotationLine(annotation: Annotation): string {
  const { type, version, body, content, target } = annotation;
  const texts = Object.entries(textsOf(annotation)).map(([name, text]) => `${name}: ${[text].flat().join(' ')}`);
  const parts = [
    type,
    version ?? '',
    ...(texts.length === 0 && body !== null ? [`${body.length} bytes`] : texts),
    ...(content === null ? [] : [`${content.digest} ${content.mediaType} ${content.size} bytes`]),
    target ?? '',
  ];
  return visibleLine(parts.filter((part) => part !== '').join('  '));
}

/** Annotations of a package: those that mean something, and how many others there are of each kind. */
interface Sorted {
  readonly standing: readonly Meant[];
  readonly others: Readonly<Record<'replaced' | 'withdrawn' | 'unknown' | 'unauthorized' | 'unreadable', number>>;
}

type Meant = Extract<ListedAnnotation, { readonly annotation: Annotation }>;

function sorted(book: AnnotationBook): Sorted {
  const standing: Meant[] = [];
  const others = { replaced: 0, withdrawn: 0, unknown: 0, unauthorized: 0, unreadable: 0 };
  for (const one of book.list()) {
    if (one.verdict !== 'authorized') others[one.verdict]++;
    else if (one.withdrawnBy !== null) others.withdrawn++;
    else if (book.isMeant(one)) standing.push(one);
    else if (one.annotation.type !== 'withdrawal') others.replaced++;
  }
  return { standing, others };
}

/** The annotations of a package, for a person, with the ids by which they can be withdrawn. */
export function bookLines(book: AnnotationBook): string[] {
  const { standing, others } = sorted(book);
  const lines = standing.map(({ id, annotation, signers, time }) => {
    const by = `${formatTimestamp(time)}  by ${signers.join(', ')}`;
    return `    ${annotationLine(annotation)}  ${by}  [${id}]`;
  });
  const counts = Object.entries(others).filter(([, count]) => count > 0);
  if (counts.length > 0) lines.push(`    besides: ${counts.map(([what, count]) => `${count} ${what}`).join(', ')}`);
  return lines.length === 0 ? [] : ['  annotations', ...lines];
}

export function bookJson(book: AnnotationBook): JsonValue {
  const { standing, others } = sorted(book);
  const said = standing.map(({ id, annotation, signers, time }) => {
    return { id, ...annotationJson(annotation), time: formatTimestamp(time), by: [...signers] };
  });
  return { standing: said, others };
}

/** What whoever takes a release should know, a sentence each. */
export function warningLines(release: string, { deprecation, advisories }: Warnings): string[] {
  return [
    ...(deprecation === null ? [] : [deprecationLine(release, deprecation.body)]),
    ...advisories.map((advisory) => `${release} is affected by advisory ${advisoryText(advisory)}`),
  ];
}

type DeprecationBody = NonNullable<Warnings['deprecation']>['body'];

function deprecationLine(release: string, { message, successor }: DeprecationBody): string {
  const why = message === null || message === '' ? '' : `: ${message}`;
  return `${release} is deprecated${why}${successor === null ? '' : `; use ${successor} instead`}`;
}
