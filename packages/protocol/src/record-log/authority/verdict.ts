import { RegistryError } from '../../errors.ts';
import type { Act } from './act.ts';
import { parseGrantId, type Grant, type GrantId } from './grant.ts';
import { isSignedFor, type Holder } from './holder.ts';
import { includesPermission, type Permission } from './permission.ts';
import { failingPredicate, type PredicateReason } from './predicates.ts';

/** Who has what in a log. */
export interface Authority {
  readonly root: Holder | null;
  grant(id: GrantId): Grant | undefined;
}

/** Why an act may not be done: spec/version1.md 4.5. */
export type RefusalReason = 'grant-unknown' | 'holder' | 'permission' | 'revoked' | PredicateReason;

export interface Refusal {
  readonly reason: RefusalReason;
  /** Where it failed; `null` at the root. */
  readonly grant: GrantId | null;
}

/** Who acts, and under what. */
export interface Actor {
  readonly signers: ReadonlySet<string>;
  /** `null` for the root. */
  readonly under: GrantId | null;
}

/** What stands in the way of an act, or `null`. Costs as much as the chain is deep (spec/version1.md 4.5). */
export function findRefusal(authority: Authority, { signers, under }: Actor, act: Act): Refusal | null {
  if (under === null) {
    const { root } = authority;
    return root !== null && isSignedFor(root, signers) ? null : { reason: 'holder', grant: null };
  }
  const grant = authority.grant(under);
  if (grant === undefined) return { reason: 'grant-unknown', grant: under };
  if (!isSignedFor(grant.holder, signers)) return { reason: 'holder', grant: under };
  const { permission } = act;
  if (permission !== null && !includesPermission(grant.permissions, permission)) {
    return { reason: 'permission', grant: under };
  }
  for (const link of chainOf(authority, grant)) {
    const reason = link.revokedBy === null ? failingPredicate(link.predicates, act) : 'revoked';
    if (reason !== null) return { reason, grant: link.id };
  }
  return null;
}

/** The grant, the one it stands under, and so on. */
export function* chainOf(authority: Authority, grant: Grant): Generator<Grant, void, undefined> {
  let link: Grant | undefined = grant;
  while (link !== undefined) {
    yield link;
    link = link.parent === null ? undefined : authority.grant(link.parent);
  }
}

/** Throws `record/grant-unknown` or `record/unauthorized` with the reason. */
export function requireMay(authority: Authority, actor: Actor, act: Act): void {
  const refusal = findRefusal(authority, actor, act);
  if (refusal !== null) throw refusalError(refusal, act.permission);
}

/** The error of a refusal. */
export function refusalError({ reason, grant }: Refusal, permission: Permission | null): RegistryError {
  if (reason === 'grant-unknown') {
    return new RegistryError('record/grant-unknown', `there is no grant ${grant}`, { grant: grant ?? '' });
  }
  const what = permission === null ? 'this' : permission;
  return new RegistryError(
    'record/unauthorized',
    `${what} may not be done under ${nameOf(grant)}: ${REFUSAL_WORDS[reason]}`,
    {
      reason,
      permission: permission ?? '',
      grant: grant ?? '',
    },
  );
}

/** The refusal that a `record/unauthorized` of {@link refusalError} tells of. */
export function refusalOf({ detail }: RegistryError): Refusal {
  const { reason = '', grant = '' } = detail;
  return { reason: isReason(reason) ? reason : 'holder', grant: grant === '' ? null : parseGrantId(String(grant)) };
}

function isReason(text: string | number): text is keyof typeof REFUSAL_WORDS {
  return Object.hasOwn(REFUSAL_WORDS, text);
}

/** What each reason means, for a person. */
export const REFUSAL_WORDS: Readonly<Record<Exclude<RefusalReason, 'grant-unknown'>, string>> = {
  holder: 'the signers do not hold it',
  permission: 'it does not give that permission',
  revoked: 'it was revoked',
  expired: 'it has expired',
  version: 'it is not for that version',
  'media-type': 'it is not for content of that type',
  size: 'it is not for content of that size',
  'annotation-type': 'it is not for annotations of that type',
};

function nameOf(grant: GrantId | null): string {
  return grant === null ? 'the root' : `grant ${grant}`;
}
