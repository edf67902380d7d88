import { RegistryError, type PackageName, type RecordId, type VersionText } from '@waybill/protocol';
import type { VerifiedPackage } from './governance-view.ts';

/**
 * The account on whose behalf a registry's gateway signed a release, as its record says; `null` where it says nothing, so that the
 * key that signed it is its author's. A gateway that says nothing of itself looks like an author: docs/verifying.md.
 */
export function custodialAccount(
  { annotations }: Pick<VerifiedPackage, 'annotations'>,
  { recordId }: { readonly recordId: RecordId },
): string | null {
  return annotations.accountOf(recordId);
}

/** For a person. */
export function custodyText(account: string): string {
  return `custodial: signed by the registry's gateway on behalf of ${account}`;
}

/** Throws `release/custodial` for a release that no author signed. */
export function requireAuthor(
  name: PackageName,
  { version, account }: { readonly version: VersionText; readonly account: string | null },
): void {
  if (account === null) return;
  const message = `no author signed ${name}@${version}: the registry's gateway did, on behalf of ${account}`;
  throw new RegistryError('release/custodial', message, { account });
}
