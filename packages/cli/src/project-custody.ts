import { custodialAccount, releaseText, requireAuthor, type LockedRelease, type ProvenLock } from '@waybill/client';
import type { ProjectFlags } from './project.ts';

/** A release of a lock that no author signed. */
export interface CustodialRelease {
  readonly release: LockedRelease;
  readonly account: string;
}

/** What of a lock a registry's gateway signed. Throws `release/custodial` where that is not wanted. */
export function custodialReleases(
  { lock, view }: ProvenLock,
  { requireAuthor: isAuthorNeeded }: ProjectFlags,
): readonly CustodialRelease[] {
  return lock.releases.flatMap((release) => {
    const log = view.packages.get(release.name);
    const account = log === undefined ? null : custodialAccount(log, release);
    if (isAuthorNeeded) requireAuthor(release.name, { version: release.version, account });
    return account === null ? [] : [{ release, account }];
  });
}

/** For a person: one line for each account. */
export function custodyLines(releases: readonly CustodialRelease[]): string[] {
  const byAccount = new Map<string, string[]>();
  for (const { release, account } of releases) {
    byAccount.set(account, [...(byAccount.get(account) ?? []), releaseText(release)]);
  }
  return [...byAccount].map(
    ([account, names]) => `custodial, signed by the registry's gateway for ${account}: ${names.join(', ')}`,
  );
}
