import {
  GOVERNANCE_LOG,
  OPERATOR_LOG,
  PACKAGE_LOG,
  REGISTRY_LOG_ID,
  type GovernanceBinding,
  type GovernanceEntry,
  type NamespaceBinding,
  type OperatorEntry,
  type OperatorPermission,
  type PackageEntry,
  type PackagePermission,
  type Release,
} from '@waybill/protocol';
import { LogStates, type HomeOf } from './log-states.ts';
import type { RegistryReader } from './ports.ts';

export type PackageStates = LogStates<PackageEntry, PackagePermission, Release>;
export type OperatorStates = LogStates<OperatorEntry, OperatorPermission, NamespaceBinding>;
export type GovernanceLogStates = LogStates<GovernanceEntry, never, GovernanceBinding>;

/** The states of all logs, by the kind of log. */
export interface StateCaches {
  readonly packages: PackageStates;
  readonly operator: OperatorStates;
  readonly governance: GovernanceLogStates;
}

export function openStateCaches(store: RegistryReader, homeOf: HomeOf, itemsMax?: number): StateCaches {
  return {
    packages: new LogStates({ dialect: PACKAGE_LOG, homeOf, store, itemsMax }),
    operator: new LogStates({ dialect: OPERATOR_LOG, homeOf: () => null, store }),
    governance: new LogStates({ dialect: GOVERNANCE_LOG, homeOf, store, pinned: REGISTRY_LOG_ID }),
  };
}
