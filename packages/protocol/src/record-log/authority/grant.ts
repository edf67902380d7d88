import { RegistryError } from '../../errors.ts';
import type { RecordId } from '../../names/log-id.ts';
import type { Holder } from './holder.ts';
import type { Permission } from './permission.ts';
import type { Predicates } from './predicates.ts';

declare const grantId: unique symbol;

/** `<record id>/<entry index>`, or with `/<permission>` after it for what version 0 had given. */
export type GrantId = string & { readonly [grantId]: true };

/** Grants below the root are of depth 0: spec/version1.md 4.1. */
export const GRANT_DEPTH_MAX = 8;

/** A capability: never changed but to be revoked, and never forgotten. */
export interface Grant {
  readonly id: GrantId;
  /** `null` under the root. */
  readonly parent: GrantId | null;
  readonly depth: number;
  readonly holder: Holder;
  readonly permissions: ReadonlySet<Permission>;
  readonly predicates: Predicates;
  /** The record that revoked it. */
  readonly revokedBy: RecordId | null;
}

const GRANT_ID = /^sha256:[0-9a-f]{64}\/(?:0|[1-9][0-9]{0,9})(?:\/(?:release|yank))?$/;

/** Throws `wire/shape`. */
export function parseGrantId(text: string): GrantId {
  if (!GRANT_ID.test(text)) {
    throw new RegistryError('wire/shape', 'not a grant id: <record id>/<entry>, as `waybill who` shows it');
  }
  return text as GrantId;
}

/** The id of the grant that an entry makes. */
export function grantIdOf(recordId: RecordId, entryIndex: number): GrantId {
  return parseGrantId(`${recordId}/${entryIndex}`);
}

/** The id that a permission of version 0 has after the upgrade: spec/version1.md 7.6. */
export function inheritedGrantId(recordId: RecordId, entryIndex: number, permission: 'release' | 'yank'): GrantId {
  return parseGrantId(`${recordId}/${entryIndex}/${permission}`);
}
