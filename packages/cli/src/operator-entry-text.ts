import type { JsonValue, OperatorEntry } from '@waybill/protocol';
import { visibleLine } from './visible-text.ts';

type EntryOfType<T extends OperatorEntry['type']> = Extract<OperatorEntry, { readonly type: T }>;

interface EntryRow<E> {
  readonly text: (entry: E) => string;
  readonly body: (entry: E) => { [key: string]: JsonValue };
}

/** One row for each kind of entry: leaving one out does not compile. */
const ROWS: { readonly [T in OperatorEntry['type']]: EntryRow<EntryOfType<T>> } = {
  init: {
    text: ({ key, origin }) => `starts a registry of key ${key.id}${origin ? `, named ${origin}` : ''}`,
    body: ({ key, origin }) => ({ key: key.text, origin: origin ?? null }),
  },
  grant: {
    text: ({ key, permissions }) => `grants ${permissions.join(', ')} to ${key.id}`,
    body: ({ key, permissions }) => ({ key: key.text, permissions: [...permissions] }),
  },
  revoke: {
    text: ({ keyId, permissions }) => `revokes ${permissions.join(', ')} from ${keyId}`,
    body: ({ keyId, permissions }) => ({ keyId, permissions: [...permissions] }),
  },
  defineNamespace: {
    text: ({ namespace }) => `defines namespace ${namespace}`,
    body: ({ namespace }) => ({ namespace }),
  },
  importNamespace: {
    text: ({ namespace, registry }) => `imports namespace ${namespace} from ${registry}`,
    body: ({ namespace, registry }) => ({ namespace, registry }),
  },
};

/** What an entry of the operator log does, in a sentence. */
export function operatorEntryText(entry: OperatorEntry): string {
  return visibleLine(textOf(entry));
}

function textOf<T extends OperatorEntry['type']>(entry: EntryOfType<T> & { readonly type: T }): string {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return row.text(entry);
}

/** An entry of the operator log as JSON. */
export function operatorEntryBody(entry: OperatorEntry): { [key: string]: JsonValue } {
  return bodyOf(entry);
}

function bodyOf<T extends OperatorEntry['type']>(
  entry: EntryOfType<T> & { readonly type: T },
): { [key: string]: JsonValue } {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return { type: entry.type, ...row.body(entry) };
}
