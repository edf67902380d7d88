import {
  formatTimestamp,
  NO_PREDICATES,
  type Holder,
  type JsonValue,
  type PackageEntry,
  type Predicates,
} from '@waybill/protocol';
import { visibleLine } from './visible-text.ts';

type EntryOfType<T extends PackageEntry['type']> = Extract<PackageEntry, { readonly type: T }>;

interface EntryRow<E> {
  /** What it did to `name`, for the person who did it. */
  readonly done: (name: string, entry: E) => string;
  readonly body: (entry: E) => { [key: string]: JsonValue };
}

/** One row for each kind of entry: leaving one out does not compile. */
const ROWS: { readonly [T in PackageEntry['type']]: EntryRow<EntryOfType<T>> } = {
  init: {
    done: (name) => `started the log of ${name}`,
    body: ({ key }) => ({ key: key.text }),
  },
  grant: {
    done: (name, { permissions, key }) => `granted ${permissions.join(', ')} on ${name} to ${key.id}`,
    body: ({ key, permissions }) => ({ key: key.text, permissions: [...permissions] }),
  },
  revoke: {
    done: (name, { permissions, keyId }) => `revoked ${permissions.join(', ')} on ${name} from ${keyId}`,
    body: ({ keyId, permissions }) => ({ keyId, permissions: [...permissions] }),
  },
  release: {
    done: (name, { version, content }) => `released ${name}@${version} (${content})`,
    body: ({ version, content, claim, under }) => ({
      version,
      content,
      ...(claim ? { mediaType: claim.mediaType, size: claim.size } : {}),
      ...underBody(under),
    }),
  },
  yank: {
    done: (name, { version }) => `yanked ${name}@${version}`,
    body: ({ version, reason, under }) => ({ version, ...reasonBody(reason), ...underBody(under) }),
  },
  restore: {
    done: (name, { version }) => `restored ${name}@${version}`,
    body: ({ version, reason, under }) => ({ version, ...reasonBody(reason), ...underBody(under) }),
  },
  root: {
    done: (name, { holder }) => `${name} is of version 1 now; its root is held by ${holderText(holder)}`,
    body: ({ holder }) => holderBody(holder),
  },
  transfer: {
    done: (name, { holder }) => `gave the root of ${name} to ${holderText(holder)}`,
    body: ({ holder }) => holderBody(holder),
  },
  delegate: {
    done: (name, { holder, permissions, predicates }) =>
      `granted ${permissions.join(', ')} on ${name} to ${holderText(holder)}${predicatesText(predicates)}`,
    body: ({ holder, permissions, predicates, under }) => ({
      ...holderBody(holder),
      permissions: [...permissions],
      ...predicatesBody(predicates),
      ...underBody(under),
    }),
  },
  revokeGrant: {
    done: (name, { grant }) => `revoked grant ${grant} on ${name}`,
    body: ({ grant, reason, under }) => ({ grant, ...reasonBody(reason), ...underBody(under) }),
  },
};

/** What an entry did, in a sentence. */
export function describeEntry(name: string, entry: PackageEntry): string {
  return visibleLine(doneOf(name, entry));
}

function doneOf<T extends PackageEntry['type']>(name: string, entry: EntryOfType<T> & { readonly type: T }): string {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return row.done(name, entry);
}

/** An entry as JSON. */
export function entryBody(entry: PackageEntry): { [key: string]: JsonValue } {
  return bodyOf(entry);
}

function bodyOf<T extends PackageEntry['type']>(
  entry: EntryOfType<T> & { readonly type: T },
): { [key: string]: JsonValue } {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return { type: entry.type, ...row.body(entry) };
}

/** An entry as JSON, on one line for a person. */
export function entryLine(body: { [key: string]: JsonValue }): string {
  return visibleLine(Object.values(body).map(wordsOf).join(' '));
}

function wordsOf(value: JsonValue): string {
  if (Array.isArray(value)) return value.map(wordsOf).join(' ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A holder in a sentence: key ids, and how many of them it takes. */
export function holderText({ keys, threshold }: Holder): string {
  const ids = keys.map(({ id }) => id).join(', ');
  return keys.length === 1 ? ids : `any ${threshold} of ${ids}`;
}

export function holderBody({ keys, threshold }: Holder): { [key: string]: JsonValue } {
  return { keys: keys.map(({ text }) => text), threshold };
}

/** What narrows a grant, each after a comma; empty when nothing does. */
export function predicatesText(predicates: Predicates): string {
  const { versionMin, versionMax, notAfter, mediaTypes, sizeMax, annotationTypes } = predicates;
  const parts = [
    versionMin === null ? '' : `versions from ${versionMin}`,
    versionMax === null ? '' : `versions below ${versionMax}`,
    notAfter === null ? '' : `until ${formatTimestamp({ seconds: notAfter, nanos: 0 })}`,
    mediaTypes.length === 0 ? '' : `content of ${mediaTypes.join(' or ')}`,
    sizeMax === null ? '' : `at most ${sizeMax} bytes`,
    annotationTypes.length === 0 ? '' : `annotations of ${annotationTypes.join(' or ')}`,
  ];
  return parts.map((part) => (part === '' ? '' : `, ${part}`)).join('');
}

export function predicatesBody(predicates: Predicates): { [key: string]: JsonValue } {
  if (predicates === NO_PREDICATES) return {};
  const { versionMin, versionMax, notAfter, mediaTypes, sizeMax, annotationTypes } = predicates;
  const until = notAfter === null ? null : formatTimestamp({ seconds: notAfter, nanos: 0 });
  return {
    predicates: {
      versionMin,
      versionMax,
      notAfter: until,
      mediaTypes: [...mediaTypes],
      sizeMax,
      annotationTypes: [...annotationTypes],
    },
  };
}

function underBody(under: string | null | undefined): { [key: string]: JsonValue } {
  return under === null || under === undefined ? {} : { under };
}

function reasonBody(reason: string | undefined): { [key: string]: JsonValue } {
  return reason === undefined || reason === '' ? {} : { reason };
}
