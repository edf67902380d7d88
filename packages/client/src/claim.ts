import {
  cosignContents,
  decodeUnsignedRecord,
  localSigner,
  namespaceOf,
  PACKAGE_LOG,
  packageLogId,
  RegistryError,
  type EnvelopeSignature,
  type JosePrivateKey,
  type PackageName,
  type PackageState,
  type RecordId,
} from '@waybill/protocol';
import { requirePackage } from './listed-release.ts';
import { originOf, type RegistryClient, type VerifiedView } from './registry-client.ts';

export interface ClaimParts {
  readonly client: RegistryClient;
  /** Whose the package is to be. */
  readonly key: JosePrivateKey;
  /** Told what is being done, for a person who waits. */
  readonly onStep: (step: string) => void;
}

export interface ClaimedPackage {
  readonly recordId: RecordId;
  readonly registryIndex: number;
}

/**
 * Takes a package over from the registry's gateway, and verifies that the key has it now and nobody else. Throws `oci/gateway`
 * for a package that is not the gateway's, `token/…`, `registry/protocol` for a draft that says anything else.
 */
export async function claimPackage(name: PackageName, { client, key, onStep }: ClaimParts): Promise<ClaimedPackage> {
  onStep('checking the package log');
  const before = await client.view([name]);
  requirePackage(before, name);
  onStep('claiming the package');
  const logId = packageLogId(name);
  const asked = { packageName: name, publicKey: key.publicKey, proof: null };
  const first = await client.api.claim(logId, asked);
  const answer =
    first.state === 'published'
      ? first
      : await client.api.claim(logId, { ...asked, proof: await proofOf(name, { view: before, key, ...first }) });
  if (answer.state !== 'published') throw nonsense('it asks again for a signature that it has');
  onStep('verifying the log');
  const { state } = requirePackage(await client.view([name]), name);
  if (isOnlyHeldBy(state, key.publicKey.id)) return answer;
  const message = `the registry says that ${name} is yours, and its log does not: see waybill who ${name}`;
  throw new RegistryError('log/incomplete', message);
}

interface Draft {
  readonly view: VerifiedView;
  readonly key: JosePrivateKey;
  readonly contents: Uint8Array;
}

/** Signs the transfer of this package to this key, and nothing else that a registry may ask for. */
async function proofOf(
  name: PackageName,
  { view, key, contents }: Draft,
): Promise<{ readonly contents: Uint8Array; readonly signature: EnvelopeSignature }> {
  const { entries, binding } = decodeUnsignedRecord(PACKAGE_LOG, contents);
  const [entry, ...others] = entries;
  const keys = entry?.type === 'transfer' ? entry.holder.keys : [];
  const isOurs = keys.length === 1 && keys[0]?.id === key.publicKey.id && others.length === 0;
  const isHere = binding?.log === packageLogId(name) && binding.origin === originOf(view.operator, namespaceOf(name));
  if (!isOurs || !isHere) throw nonsense(`its draft is no transfer of ${name} to ${key.publicKey.id}`);
  return { contents, signature: await cosignContents(PACKAGE_LOG, contents, localSigner(key)) };
}

function isOnlyHeldBy({ root, grants, permissions }: PackageState, keyId: string): boolean {
  if (root === null) {
    const holders = [...permissions].filter(([, held]) => held.size > 0);
    return holders.length === 1 && holders[0]?.[0] === keyId && holders[0][1].size === 2;
  }
  const isRoot = root.keys.length === 1 && root.keys[0]?.id === keyId;
  return isRoot && [...grants.values()].every(({ revokedBy }) => revokedBy !== null);
}

function nonsense(why: string): RegistryError {
  return new RegistryError('registry/protocol', `the registry's answer makes no sense: ${why}`);
}
