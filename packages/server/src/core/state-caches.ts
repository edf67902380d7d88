import type {
  NamespaceBinding,
  OperatorEntry,
  OperatorPermission,
  PackageEntry,
  PackagePermission,
  Release,
} from '@waybill/protocol';
import type { LogStates } from './log-states.ts';

export type PackageStates = LogStates<PackageEntry, PackagePermission, Release>;
export type OperatorStates = LogStates<OperatorEntry, OperatorPermission, NamespaceBinding>;
