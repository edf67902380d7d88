import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { isKebab } from '../../../names/package-name.ts';
import { noKeys, type EntryKind } from '../../entry-kind.ts';
import type { LogDraft } from '../../log-state.ts';

export type OperatorPermission = 'commit' | 'defineNamespace' | 'importNamespace';

/** Whose a namespace is: this registry's own, or another registry's. Bound once for ever. */
export type NamespaceBinding =
  | { readonly status: 'defined' }
  | { readonly status: 'imported'; readonly registry: string };

/** Opens a namespace on this registry. */
export interface DefineNamespaceEntry {
  readonly type: 'defineNamespace';
  readonly namespace: string;
}

/** Says that a namespace is another registry's. */
export interface ImportNamespaceEntry {
  readonly type: 'importNamespace';
  readonly namespace: string;
  readonly registry: string;
}

type OperatorDraft = LogDraft<OperatorPermission, NamespaceBinding>;

/** spec/record-log.md 3. */
export const defineNamespaceKind: EntryKind<DefineNamespaceEntry, OperatorPermission, NamespaceBinding> = {
  number: 4,
  shape: new Map([[1, 'string']]),
  needs: 'defineNamespace',
  keyCount: noKeys,
  read: (message) => ({ type: 'defineNamespace', namespace: message.string(1) }),
  write: (entry) => new ProtoWriter().string(1, entry.namespace).finish(),
  apply: (draft, { namespace }) => bindNamespace(draft, namespace, { status: 'defined' }),
};

/** spec/record-log.md 3; the `registry` text is not validated there. */
export const importNamespaceKind: EntryKind<ImportNamespaceEntry, OperatorPermission, NamespaceBinding> = {
  number: 5,
  shape: new Map([
    [1, 'string'],
    [2, 'string'],
  ]),
  needs: 'importNamespace',
  keyCount: noKeys,
  read: (message) => ({ type: 'importNamespace', namespace: message.string(1), registry: message.string(2) }),
  write: (entry) => new ProtoWriter().string(1, entry.namespace).string(2, entry.registry).finish(),
  apply: (draft, { namespace, registry }) => bindNamespace(draft, namespace, { status: 'imported', registry }),
};

function bindNamespace(draft: OperatorDraft, namespace: string, binding: NamespaceBinding): void {
  if (!isKebab(namespace)) {
    throw new RegistryError('record/namespace-invalid', `${JSON.stringify(namespace)} is not a lower-case kebab name`);
  }
  if (draft.binding(namespace) !== undefined) {
    throw new RegistryError('record/namespace-defined', `namespace ${namespace} is bound already`, { namespace });
  }
  draft.bind(namespace, binding);
}
