import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { REGISTRY_LOG_ID } from '../../../names/log-id.ts';
import { parseNamespace, parsePackageName } from '../../../names/package-name.ts';
import { noKeys, type EntryKind } from '../../entry-kind.ts';
import { checkReason, REASON_FIELD } from '../shared/reason.ts';
import type { Abandonment, GovernanceBinding } from './binding.ts';

/** Nobody minds the namespace any more. */
export interface AbandonEntry {
  readonly type: 'abandon';
  readonly successor: Abandonment['successor'];
  readonly message?: string;
}

const SUCCESSOR_CHARACTERS_MAX = 256;

/** spec/governance.md 3.7. */
export const abandonKind: EntryKind<AbandonEntry, never, GovernanceBinding> = {
  number: 27,
  shape: new Map([
    [1, 'string'],
    [REASON_FIELD, 'string'],
  ]),
  needs: null,
  keyCount: noKeys,
  read: (message) => ({
    type: 'abandon',
    successor: readSuccessor(message.string(1)),
    message: checkReason(message.string(REASON_FIELD)),
  }),
  write: ({ successor, message = '' }) =>
    new ProtoWriter()
      .string(1, successor ?? '')
      .string(REASON_FIELD, message)
      .finish(),
  apply(draft, { successor, message = '' }, { recordId, time }) {
    if (draft.home?.log === REGISTRY_LOG_ID) {
      throw new RegistryError('record/abandon-registry', "the registry's log abandons no namespace: its own log does");
    }
    if (draft.binding('abandonment') !== undefined) {
      throw new RegistryError('record/abandon-again', 'the namespace is abandoned already');
    }
    draft.bind('abandonment', { about: 'abandonment', successor, message, recordId, time });
  },
};

function readSuccessor(text: string): Abandonment['successor'] {
  if (text === '') return null;
  if (text.length > SUCCESSOR_CHARACTERS_MAX) {
    throw new RegistryError('wire/shape', `a successor is longer than ${SUCCESSOR_CHARACTERS_MAX} characters`);
  }
  return text.includes(':') ? parsePackageName(text) : parseNamespace(text);
}
