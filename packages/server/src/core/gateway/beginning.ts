import {
  decodeSignedRecord,
  isRegistryError,
  namespaceOf,
  PACKAGE_LOG,
  packageLogId,
  readAnnotationBody,
  readAnnotations,
  RegistryError,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type SignedRecord,
} from '@waybill/protocol';
import type { RegistryReader } from '../ports.ts';

/** What the first record of a package says of who began it. */
export interface Beginning {
  /** `null` where it says of nobody that it was signed for them: then no gateway began it. */
  readonly account: string | null;
  readonly signers: readonly string[];
}

/** `null` for a package without a record. */
export async function readBeginning(
  store: Pick<RegistryReader, 'readLog'>,
  name: PackageName,
): Promise<Beginning | null> {
  const range = { fromPosition: 0, belowIndex: Number.MAX_SAFE_INTEGER, limit: 1 };
  const [first] = await store.readLog(packageLogId(name), range);
  if (first === undefined) return null;
  const record = decodeSignedRecord(PACKAGE_LOG, first.envelope);
  return { account: accountIn(record), signers: record.binding?.signers ?? [record.envelope.keyId] };
}

/** For whom a record says that it was signed; `null` for nobody. */
export function accountIn(record: SignedRecord<PackageEntry>): string | null {
  for (const read of readAnnotations(record)) {
    if (!('annotation' in read) || read.annotation.type !== 'on-behalf') continue;
    try {
      return readAnnotationBody('on-behalf', read.annotation).account;
    } catch (failure) {
      if (!isRegistryError(failure)) throw failure;
    }
  }
  return null;
}

/** The one key that has everything of a package; `null` where there is none, or several. */
export function soleHolder({ length, permissions, root }: PackageState): string | null {
  if (length === 0) return null;
  if (root !== null) return root.keys.length === 1 ? (root.keys[0]?.id ?? null) : null;
  const [only, ...others] = [...permissions].filter(([, held]) => held.size > 0);
  return only !== undefined && others.length === 0 && only[1].size === 2 ? only[0] : null;
}

/**
 * Throws `oci/gateway` for a package that a gateway began and holds still, with a key that is not here: one whose file was lost
 * is made anew, and nobody would learn of it otherwise.
 */
export function requireNotLost(
  name: PackageName,
  holder: string | null,
  { beginning, keyId }: { readonly beginning: Beginning | null; readonly keyId: string },
): void {
  if (beginning === null || beginning.account === null) return;
  if (holder === null || holder === keyId || !beginning.signers.includes(holder)) return;
  throw new RegistryError(
    'oci/gateway',
    `${name} is held by the key ${holder}, which signed it on behalf of ${beginning.account} and is not here: nobody can publish ` +
      `or claim it until the operator puts gateway/${namespaceOf(name)}.key back from a backup of the data folder`,
    { package: name, keyId: holder },
  );
}
