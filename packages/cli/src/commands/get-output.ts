import path from 'node:path';
import { writeVerified, type RegistryClient, type ResolvedRelease } from '@waybill/client';
import { fileWriter } from '@waybill/client/node';
import { digestHex, encodeHex, RegistryError, sha256Stream, type Digest, type PackageName } from '@waybill/protocol';
import type { CliContext } from '../context.ts';
import { OUTPUT_MODE, writeStandardOutput } from '../output.ts';
import type { Progress } from '../progress.ts';
import type { RegistryFlags } from '../session.ts';

/* What `waybill get` has in common for a file and for a tree. */

export interface GetFlags extends RegistryFlags {
  readonly output?: string;
  readonly allowAdvisory?: boolean;
  readonly force?: boolean;
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
}

/** What a result of `get` says of the release. */
export function releaseBody(name: PackageName, { release, content }: ResolvedRelease): Record<string, string> {
  return { package: name, version: release.version, digest: content, recordId: release.recordId };
}

/** The name without its namespace. */
export function bareName(name: PackageName): string {
  return name.slice(name.indexOf(':') + 1);
}

/** Hashes once more on the way out: the file is put in place only when it is what the log names. */
export async function deliver(bytes: AsyncIterable<Uint8Array>, digest: Digest, output: string): Promise<void> {
  if (output === '-') return deliverToPipe(bytes, digest);
  const writer = await fileWriter(path.resolve(output), { mode: OUTPUT_MODE });
  await writeVerified(bytes, writer, { digest, otherwise: () => changed(digest) });
}

function changed(digest: Digest): RegistryError {
  return new RegistryError('content/digest', `${digest} changed in the cache`);
}

async function deliverToPipe(bytes: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
  const hash = sha256Stream();
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
    if (encodeHex(hash.digest()) !== digestHex(digest)) throw changed(digest);
  };
  await writeStandardOutput(hashed());
}
