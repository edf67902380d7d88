import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseDigest, type Digest } from '../../../names/digest.ts';
import { isKebab } from '../../../names/package-name.ts';
import { noKeys, type EntryKind } from '../../entry-kind.ts';
import { checkReason, REASON_FIELD } from '../shared/reason.ts';
import type { GovernanceBinding, GovernanceDraft, Takedown } from './binding.ts';

/** Content is not to be served any more. */
export interface TakedownEntry {
  readonly type: 'takedown';
  readonly digest: Digest;
  readonly code: string;
  readonly reason?: string;
}

/** Takes a takedown back. */
export interface ReinstateEntry {
  readonly type: 'reinstate';
  readonly digest: Digest;
  readonly reason?: string;
}

/** Those with a meaning: spec/governance.md 2.5. Validity does not ask for one of them, so that there can be others. */
export const TAKEDOWN_CODES: readonly string[] = [
  'malware',
  'secret',
  'personal-data',
  'copyright',
  'court-order',
  'other',
];
const CODE_CHARACTERS_MAX = 32;

/** spec/governance.md 3.5. */
export const takedownKind: EntryKind<TakedownEntry, never, GovernanceBinding> = {
  number: 25,
  shape: new Map([
    [1, 'string'],
    [2, 'string'],
    [REASON_FIELD, 'string'],
  ]),
  needs: null,
  keyCount: noKeys,
  read: (message) => ({
    type: 'takedown',
    digest: parseDigest(message.string(1)),
    code: checkCode(message.string(2)),
    reason: checkReason(message.string(REASON_FIELD)),
  }),
  write: ({ digest, code, reason = '' }) =>
    new ProtoWriter().string(1, digest).string(2, code).string(REASON_FIELD, reason).finish(),
  apply(draft, { digest, code, reason = '' }, { recordId, time }) {
    if (standing(draft, digest) !== null) {
      throw new RegistryError('record/takedown-again', `${digest} is taken down already`, { digest });
    }
    draft.bind(digest, { about: 'takedown', digest, code, reason, recordId, time, reinstated: null });
  },
};

/** spec/governance.md 3.6. */
export const reinstateKind: EntryKind<ReinstateEntry, never, GovernanceBinding> = {
  number: 26,
  shape: new Map([
    [1, 'string'],
    [REASON_FIELD, 'string'],
  ]),
  needs: null,
  keyCount: noKeys,
  read: (message) => ({
    type: 'reinstate',
    digest: parseDigest(message.string(1)),
    reason: checkReason(message.string(REASON_FIELD)),
  }),
  write: ({ digest, reason = '' }) => new ProtoWriter().string(1, digest).string(REASON_FIELD, reason).finish(),
  apply(draft, { digest, reason = '' }, { recordId, time }) {
    const takedown = standing(draft, digest);
    if (takedown === null) {
      throw new RegistryError('record/reinstate-standing', `${digest} is not taken down in this log`, { digest });
    }
    draft.bind(digest, { ...takedown, reinstated: { recordId, time, reason } });
  },
};

function checkCode(text: string): string {
  if (text.length <= CODE_CHARACTERS_MAX && isKebab(text)) return text;
  throw new RegistryError('wire/shape', `a takedown's code is not kebab case of at most ${CODE_CHARACTERS_MAX}`);
}

function standing(draft: GovernanceDraft, digest: Digest): Takedown | null {
  const found = draft.binding(digest);
  return found?.about === 'takedown' && found.reinstated === null ? found : null;
}
