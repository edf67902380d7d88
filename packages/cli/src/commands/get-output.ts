import { custodyText, type RegistryClient, type ResolvedRelease } from '@waybill/client';
import { digestHex, encodeHex, RegistryError, sha256Stream, type Digest, type PackageName } from '@waybill/protocol';
import type { CliContext } from '../context.ts';
import { writeStandardOutput } from '../output.ts';
import type { Progress } from '../progress.ts';
import type { RegistryFlags } from '../session.ts';
import { visibleLine } from '../visible-text.ts';

/* What `waybill get` has in common for a file and for a tree. */

export interface GetFlags extends RegistryFlags {
  readonly output?: string;
  readonly allowAdvisory?: boolean;
  readonly force?: boolean;
  readonly requireAuthor?: boolean;
  readonly json?: boolean;
}

/** What a `get` goes on with once it has found the release. */
export interface GetParts {
  readonly context: CliContext;
  readonly client: RegistryClient;
  readonly progress: Progress;
  readonly flags: GetFlags;
}

/** A release to be delivered. */
export interface FoundRelease {
  readonly name: PackageName;
  readonly resolved: ResolvedRelease;
  readonly warnings: readonly string[];
  /** For whom the gateway signed it; `null` where its author did. */
  readonly account: string | null;
}

/** What a result of `get` says of the release. */
export function releaseBody(name: PackageName, { release, content }: ResolvedRelease): Record<string, string> {
  return { package: name, version: release.version, digest: content, recordId: release.recordId };
}

/** The same with who signed it. */
export function foundBody({ name, resolved, account }: Omit<FoundRelease, 'warnings'>): Record<string, string | null> {
  return { ...releaseBody(name, resolved), onBehalfOf: account };
}

/** Beside what was written, where no author signed it. */
export function custodyLines({ account }: Pick<FoundRelease, 'account'>): string {
  return account === null ? '' : `\n${visibleLine(custodyText(account))}`;
}

/** The name without its namespace. */
export function bareName(name: PackageName): string {
  return name.slice(name.indexOf(':') + 1);
}

/** Hashes once more on the way out. Throws `content/digest`. */
export async function deliverToPipe(bytes: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
  const hash = sha256Stream();
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
    if (encodeHex(hash.digest()) !== digestHex(digest))
      throw new RegistryError('content/digest', `${digest} changed in the cache`);
  };
  await writeStandardOutput(hashed());
}
