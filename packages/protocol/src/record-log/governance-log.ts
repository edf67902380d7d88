import type { Digest } from '../names/digest.ts';
import type { LogDialect } from './dialect.ts';
import { rootOnlyEntries } from './entry-table.ts';
import { rootKind, transferKind, type RootEntry, type TransferEntry } from './kinds/authority/root.ts';
import { abandonKind, type AbandonEntry } from './kinds/governance/abandon.ts';
import type { Abandonment, GovernanceBinding, Policy, Takedown } from './kinds/governance/binding.ts';
import { policyKind, type PolicyEntry } from './kinds/governance/policy.ts';
import { reinstateKind, takedownKind, type ReinstateEntry, type TakedownEntry } from './kinds/governance/takedown.ts';
import type { LogState } from './log-state.ts';

interface GovernanceEntries {
  readonly root: RootEntry;
  readonly transfer: TransferEntry;
  readonly policy: PolicyEntry;
  readonly takedown: TakedownEntry;
  readonly reinstate: ReinstateEntry;
  readonly abandon: AbandonEntry;
}

/** One statement of a governance record. */
export type GovernanceEntry = GovernanceEntries[keyof GovernanceEntries];

/** Replayed state of the governance log of a namespace, or of the registry. */
export type GovernanceState = LogState<never, GovernanceBinding>;

/** The governance log: spec/governance.md 3. Its home says whether it is a namespace's or the registry's. */
export const GOVERNANCE_LOG: LogDialect<GovernanceEntry, never, GovernanceBinding> & { readonly kind: 'governance' } = {
  kind: 'governance',
  entries: [
    null,
    rootOnlyEntries<{ [T in keyof GovernanceEntries]: GovernanceEntries[T] }, never, GovernanceBinding>({
      root: rootKind(),
      transfer: transferKind(),
      policy: policyKind,
      takedown: takedownKind,
      reinstate: reinstateKind,
      abandon: abandonKind,
    }),
  ],
};

/** The latest policy of a log; `null` without one. */
export function policyOf({ bindings }: GovernanceState): Policy | null {
  const found = bindings.get('policy');
  return found?.about === 'policy' ? found : null;
}

/** The takedown of a digest that stands in a log. */
export function takedownOf({ bindings }: GovernanceState, digest: Digest): Takedown | null {
  const found = bindings.get(digest);
  return found?.about === 'takedown' && found.reinstated === null ? found : null;
}

/** The latest takedown of each digest that a log ever took down, reinstated or not, in the order of the first. */
export function takedownsOf({ bindings }: GovernanceState): Takedown[] {
  return [...bindings.values()].filter((bound) => bound.about === 'takedown');
}

/** That a namespace is abandoned; `null` where its log does not say so. */
export function abandonmentOf({ bindings }: GovernanceState): Abandonment | null {
  const found = bindings.get('abandonment');
  return found?.about === 'abandonment' ? found : null;
}
