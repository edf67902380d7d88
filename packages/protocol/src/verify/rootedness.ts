import type { Digest } from '../names/digest.ts';
import { abandonmentOf, policyOf, takedownOf, type GovernanceState } from '../record-log/governance-log.ts';
import type { Policy, Takedown } from '../record-log/kinds/governance/binding.ts';
import type { PackageEntry } from '../record-log/package-log.ts';
import type { SignedRecord } from '../record-log/signed-record.ts';

/** The governance logs that matter to a package, at some registry index; `null` for one that is not there, or void. */
export interface GovernanceStates {
  readonly namespace: GovernanceState | null;
  readonly registry: GovernanceState | null;
}

/** Whose governance log says something. */
export type Governor = 'namespace' | 'registry';

/** Whether a package was started by somebody who was allowed to: spec/governance.md 6.3. */
export type Rootedness =
  | { readonly verdict: 'rooted' }
  | {
      readonly verdict: 'unrooted';
      readonly reason: 'abandoned' | 'key';
      /** Whose log decided it. */
      readonly by: Governor;
    };

const ROOTED: Rootedness = { verdict: 'rooted' };

/**
 * The verdict on a package by the first record of its log. `before` is how the governance logs stand before the registry index
 * of that record: with later states the verdict means nothing. Throws TypeError for a record that starts no package.
 */
export function rootednessOf(before: GovernanceStates, first: SignedRecord<PackageEntry>): Rootedness {
  return rootednessOfStarters(before, startersOfRecord(first));
}

/** The same for a package that these keys are about to start: by the states at the head the verdict is a forecast. */
export function rootednessOfStarters(before: GovernanceStates, keyIds: readonly string[]): Rootedness {
  const { namespace } = before;
  if (namespace !== null && abandonmentOf(namespace) !== null) {
    return { verdict: 'unrooted', reason: 'abandoned', by: 'namespace' };
  }
  const allowed = policyInForce(before)?.starters ?? 'open';
  if (allowed === 'open' || allowed.some(({ id }) => keyIds.includes(id))) return ROOTED;
  const isOwn = namespace !== null && policyOf(namespace) !== null;
  return { verdict: 'unrooted', reason: 'key', by: isOwn ? 'namespace' : 'registry' };
}

/** spec/governance.md 6.2: key ids. */
function startersOfRecord({ prev, entries: [beginning], binding }: SignedRecord<PackageEntry>): readonly string[] {
  if (prev !== null) throw new TypeError('not the first record of a package');
  if (beginning?.type === 'init') return [beginning.key.id];
  if (beginning?.type !== 'root' || binding === null) throw new TypeError('the record does not start a package');
  const { keys } = beginning.holder;
  return binding.signers.filter((signer) => keys.some(({ id }) => id === signer));
}

/** The policy for a namespace; `null` where everybody may start packages and the registry decides about its gateway. */
export function policyInForce({ namespace, registry }: GovernanceStates): Policy | null {
  return (namespace && policyOf(namespace)) ?? (registry && policyOf(registry));
}

/** The takedown of a digest that holds in a namespace: the registry's before the namespace's own. */
export function takedownInForce({ namespace, registry }: GovernanceStates, digest: Digest): Takedown | null {
  return (registry && takedownOf(registry, digest)) ?? (namespace && takedownOf(namespace, digest));
}
