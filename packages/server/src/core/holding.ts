import { decodeSignedRecord, isDigest, isRegistryError, PACKAGE_LOG, type PackageEntry } from '@waybill/protocol';
import { recordKindOf } from './log-kind.ts';
import type { Holding, StoredRecord } from './ports.ts';

/** The releases of a package record, by the content that each names. */
export function holdingsOf(
  { entries }: { readonly entries: readonly PackageEntry[] },
  registryIndex: number,
): readonly Holding[] {
  return entries.flatMap((entry, entryIndex) =>
    // Content can only be asked for under a digest.
    entry.type === 'release' && isDigest(entry.content) ? [{ digest: entry.content, registryIndex, entryIndex }] : [],
  );
}

/** The same of a record as it is stored. None of what is no package's, or damaged: fsck names that. */
export function holdingsOfStored(stored: StoredRecord): readonly Holding[] {
  if (recordKindOf(stored) !== 'package') return [];
  try {
    return holdingsOf(decodeSignedRecord(PACKAGE_LOG, stored.envelope), stored.registryIndex);
  } catch (failure) {
    if (isRegistryError(failure)) return [];
    throw failure;
  }
}
