import type { JosePublicKey } from '../../../jose/public-key.ts';
import type { Digest } from '../../../names/digest.ts';
import type { RecordId } from '../../../names/log-id.ts';
import type { Namespace, PackageName } from '../../../names/package-name.ts';
import type { Timestamp } from '../../../names/timestamp.ts';
import type { LogDraft } from '../../log-state.ts';

/** Who may start packages: everybody, or these keys in ascending order of their ids. */
export type Starters = 'open' | readonly JosePublicKey[];

/** The record that said it. */
interface Said {
  readonly recordId: RecordId;
  readonly time: Timestamp;
}

/** spec/governance.md 3.4. */
export interface Policy extends Said {
  readonly about: 'policy';
  readonly starters: Starters;
  /** Whether the registry may sign for accounts with keys of its own: its admission asks this, no verdict does. */
  readonly gateway: 'allowed' | 'refused';
  /** Whether a version must be enough of a step for what changed in its interface: admission asks this, no verdict does. */
  readonly interfaceSteps: 'free' | 'required';
}

/** spec/governance.md 3.5. */
export interface Takedown extends Said {
  readonly about: 'takedown';
  readonly digest: Digest;
  readonly code: string;
  /** Empty where none was given. */
  readonly reason: string;
  /** `null` while it stands. */
  readonly reinstated: (Said & { readonly reason: string }) | null;
}

/** spec/governance.md 3.7. */
export interface Abandonment extends Said {
  readonly about: 'abandonment';
  /** Shown to people; nothing follows it by itself. */
  readonly successor: PackageName | Namespace | null;
  /** Empty where none was given. */
  readonly message: string;
}

/** What a governance log binds: takedowns by digest, the others by what they are about. */
export type GovernanceBinding = Policy | Takedown | Abandonment;

/** A governance log gives no permissions. */
export type GovernanceDraft = LogDraft<never, GovernanceBinding>;
