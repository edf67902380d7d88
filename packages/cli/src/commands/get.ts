import path from 'node:path';
import { stat } from 'node:fs/promises';
import { buildCommand, type Command } from '@stricli/core';
import {
  fetchContent,
  parseRequirement,
  requireRooted,
  requireStanding,
  resolveRelease,
  takedownText,
  type RegistryClient,
  type Requirement,
  type ResolvedRelease,
  type VerifiedPackage,
} from '@waybill/client';
import { fileWriter } from '@waybill/client/node';
import {
  digestHex,
  encodeHex,
  RegistryError,
  sha256Stream,
  type Digest,
  type FetchableRelease,
  type PackageName,
} from '@waybill/protocol';
import { action, type CommandResult } from '../action.ts';
import { warningLines } from '../annotation-text.ts';
import type { CliContext } from '../context.ts';
import { digestOfFile } from '../file-digest.ts';
import { argument, registryFlags, requiredFlag, textFlag } from '../flags.ts';
import { OUTPUT_MODE, writeStandardOutput } from '../output.ts';
import { formatBytes, type Progress } from '../progress.ts';
import { contentCacheOf, openClient, type RegistryFlags } from '../session.ts';
import { visibleLine } from '../visible-text.ts';

interface GetFlags extends RegistryFlags {
  readonly output?: string;
  readonly allowAdvisory?: boolean;
  readonly json?: boolean;
}

export const getCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Fetch a package, verified',
    fullDescription: `Resolves the version, verifies the log, the proofs and the bytes, and writes the file.
Without a version: the newest stable release. Ranges are those of npm and skip pre-releases. A release that an advisory affects
is passed over, and a deprecated one taken only where there is no other; a full version is given with a warning. Content that a
governance log takes down is given to nobody, and nothing of a package that was started by somebody who might not.

  waybill get demo:hello
  waybill get demo:hello@1.0.0 -o hello.wasm
  waybill get 'demo:hello@^1.0' -o - | wasm-tools print`,
  },
  parameters: {
    flags: {
      output: textFlag("Where to write; '-' is standard output (default: <name>.wasm)", 'file'),
      allowAdvisory: {
        kind: 'boolean',
        brief: 'Take also what an advisory affects',
        optional: true,
        withNegated: false,
      },
      ...registryFlags,
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted', 'ns:name[@range]')],
    },
  },
  func: action<GetFlags, [string]>(get),
});

async function get(
  context: CliContext,
  flags: GetFlags,
  progress: Progress,
  target: string,
): Promise<CommandResult | null> {
  const requirement = parseRequirement(target);
  const client = await openClient(context, flags);
  progress.step('verifying the log');
  const policy = flags.allowAdvisory ? 'allow' : 'pass over';
  const resolved = resolveRelease(await verifiedPackage(client, requirement), requirement, policy);
  const { release, content } = resolved;
  warn(context, requirement.name, resolved);
  const cache = contentCacheOf(context);
  await client.reading(() =>
    fetchContent(content, {
      client,
      cache,
      onProgress: (received, total) => progress.step(progressText(received, total)),
    }),
  );
  await requireClaim(release, await cache.read(content));
  const bytes = await cache.read(content);
  if (bytes === null)
    throw new RegistryError('content/not-found', `content ${content} has left the cache meanwhile: try again`);
  const output = flags.output ?? `${requirement.name.slice(requirement.name.indexOf(':') + 1)}.wasm`;
  progress.step(`writing ${output}`);
  await deliver(bytes, content, output);
  if (output === '-') return null;
  const size = formatBytes((await stat(output)).size);
  const json = {
    package: requirement.name,
    version: release.version,
    digest: content,
    recordId: release.recordId,
    file: path.resolve(output),
    warnings: warningsOf(requirement.name, resolved),
  };
  return { text: `${requirement.name}@${release.version} → ${output} (${size}, ${content}, verified)`, json };
}

/** A grant may have allowed the release for the size that it says (spec/version1.md 5.4). Throws `content/size`. */
async function requireClaim(
  { version, claim }: FetchableRelease['release'],
  bytes: AsyncIterable<Uint8Array> | null,
): Promise<void> {
  if (claim === null || bytes === null) return;
  let size = 0;
  for await (const chunk of bytes) size += chunk.length;
  if (size === claim.size) return;
  throw new RegistryError('content/size', `version ${version} says that it has ${claim.size} bytes, and has ${size}`);
}

function warn({ process }: CliContext, name: PackageName, resolved: ResolvedRelease): void {
  for (const line of warningsOf(name, resolved)) process.stderr.write(`warning: ${visibleLine(line)}\n`);
}

function warningsOf(name: PackageName, resolved: ResolvedRelease): string[] {
  const { version, state } = resolved.release;
  // Only whoever names a yanked version exactly gets it.
  const yank = state.status === 'yanked' ? [`version ${version} was yanked${state.reason && `: ${state.reason}`}`] : [];
  const passedOver = resolved.passedOver.flatMap(({ version: newer, advisories, takedown }) => {
    const what = `${name}@${newer}, which is newer,`;
    if (takedown !== null) return [`${what} is ${takedownText(name, takedown)}`];
    return warningLines(what, { deprecation: null, advisories });
  });
  return [...yank, ...warningLines(`${name}@${version}`, resolved), ...passedOver];
}

function progressText(received: number, total: number | null): string {
  return total === null
    ? `received ${formatBytes(received)}`
    : `received ${formatBytes(received)} of ${formatBytes(total)}`;
}

/** Hashes once more on the way out: the file is put in place only when it is what the log names. */
async function deliver(bytes: AsyncIterable<Uint8Array>, digest: Digest, output: string): Promise<void> {
  if (output === '-') return deliverToPipe(bytes, digest);
  const writer = await fileWriter(path.resolve(output), OUTPUT_MODE);
  const hash = sha256Stream();
  try {
    for await (const chunk of bytes) {
      hash.update(chunk);
      await writer.write(chunk);
    }
    requireDigest(hash.digest(), digest);
    await writer.keep();
  } catch (failure) {
    await writer.discard();
    throw failure;
  }
}

function requireDigest(found: Uint8Array, digest: Digest): void {
  if (encodeHex(found) !== digestHex(digest))
    throw new RegistryError('content/digest', `${digest} changed in the cache`);
}

async function deliverToPipe(bytes: AsyncIterable<Uint8Array>, digest: Digest): Promise<void> {
  const hash = sha256Stream();
  const hashed = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
    requireDigest(hash.digest(), digest);
  };
  await writeStandardOutput(hashed());
}

/** The package under a verified head. Throws `log/not-found`, saying whether that was proven. */
export async function verifiedPackage(
  client: RegistryClient,
  { name }: Pick<Requirement, 'name'>,
): Promise<VerifiedPackage> {
  const view = await client.view([name]);
  const found = view.packages.get(name);
  if (found !== undefined) return found;
  const how = view.absent.get(name) === 'proven' ? 'proven by its map' : 'so it says; not proven';
  throw new RegistryError('log/not-found', `the registry has no package ${name} (${how})`, { proven: how });
}

interface VerifyFlags extends RegistryFlags {
  readonly package: string;
  readonly json?: boolean;
}

export const verifyCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Check a file against the log of a package',
    fullDescription: `Says which release the file is. With a version, it must be that one.

  waybill verify hello.wasm --package demo:hello@1.0.0`,
  },
  parameters: {
    flags: { package: requiredFlag('Package, with a version if wanted', 'ns:name[@version]'), ...registryFlags },
    positional: { kind: 'tuple', parameters: [argument('File to check', 'file')] },
  },
  func: action<VerifyFlags, [string]>(async (context, flags, progress, file) => {
    const requirement = parseRequirement(flags.package);
    progress.step(`hashing ${file}`);
    const { digest } = await digestOfFile(file);
    progress.step('verifying the log');
    const log = await verifiedPackage(await openClient(context, flags), requirement);
    const { release } =
      requirement.version === null
        ? releaseWith(log, digest)
        : exactly(resolveRelease(log, requirement, 'allow'), digest, file);
    const json = {
      package: requirement.name,
      version: release.version,
      digest,
      recordId: release.recordId,
      by: release.by,
    };
    return { text: `${file} is ${requirement.name}@${release.version} (${digest}), released by ${release.by}`, json };
  }),
});

function releaseWith(log: VerifiedPackage, digest: Digest): FetchableRelease {
  requireRooted(log);
  for (const release of log.state.bindings.values()) {
    if (release.state.status !== 'released' || release.content !== digest) continue;
    requireStanding(log, digest, `${log.name}@${release.version}`);
    return { release, content: digest };
  }
  throw new RegistryError(
    'content/digest',
    `no release of the package that is not yanked has these bytes (${digest})`,
    { found: digest },
  );
}

function exactly(found: FetchableRelease, digest: Digest, file: string): FetchableRelease {
  if (found.content === digest) return found;
  throw new RegistryError(
    'content/digest',
    `${file} is ${digest}, but version ${found.release.version} is ${found.content}`,
    { found: digest },
  );
}
