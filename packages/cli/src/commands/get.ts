import path from 'node:path';
import { stat } from 'node:fs/promises';
import { buildCommand, type Command } from '@stricli/core';
import {
  claimCheck,
  custodialAccount,
  custodyText,
  fetchContent,
  fetchContentUpTo,
  InnerName,
  isTreeClaim,
  parseRequirement,
  parseTarget,
  readCached,
  requireAuthor,
  releaseWithDigest,
  requireClaim,
  requirePackage,
  resolveRelease,
  takedownText,
  type ContentCache,
  type RegistryClient,
  type Requirement,
  type ResolvedRelease,
  type VerifiedPackage,
} from '@waybill/client';
import { walkTree } from '@waybill/client/node';
import { RegistryError, type Digest, type FetchableRelease, type PackageName } from '@waybill/protocol';
import { action, type CommandResult } from '../action.ts';
import { warningLines } from '../annotation-text.ts';
import type { CliContext } from '../context.ts';
import { digestOfFile } from '../file-digest.ts';
import { FileDelivery, type ContentListener } from '../file-delivery.ts';
import { argument, registryFlags, requiredFlag, textFlag } from '../flags.ts';
import { formatBytes, type Progress } from '../progress.ts';
import { contentCacheOf, openClient, type RegistryFlags } from '../session.ts';
import { visibleLine } from '../visible-text.ts';
import {
  bareName,
  custodyLines,
  deliverToPipe,
  foundBody,
  type FoundRelease,
  type GetFlags,
  type GetParts,
} from './get-output.ts';
import { getTree } from './get-tree.ts';

export const getCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Fetch a package, verified',
    fullDescription: `Resolves the version, verifies the log, the proofs and the bytes, and writes the file.
Without a version: the newest stable release. Ranges are those of npm and skip pre-releases. A release that an advisory affects
is passed over, and a deprecated one taken only where there is no other; a full version is given with a warning. Content that a
governance log takes down is given to nobody, and nothing of a package that was started by somebody who might not. Content that says
that it is another package or version than its release is given with a warning. A release that the registry's gateway signed, for an
account of its own, is called custodial; --require-author refuses it.

A tree of files becomes a folder, all of it or nothing. A folder that is there is left alone, unless it is the same or --force is given,
which replaces the whole folder. A path, a folder or a glob after the version gets that part alone, checked as strictly.

  waybill get demo:hello
  waybill get demo:hello@1.0.0 -o hello.wasm
  waybill get 'demo:hello@^1.0' -o - | wasm-tools print
  waybill get demo:site -o site
  waybill get demo:site@1.0.0/wit/world.wit
  waybill get 'demo:site@1.0.0/wit/**' -o wit-only`,
  },
  parameters: {
    flags: {
      output: textFlag("Where to write; '-' is standard output (default: <name>.wasm, or the folder <name>)", 'file'),
      allowAdvisory: {
        kind: 'boolean',
        brief: 'Take also what an advisory affects',
        optional: true,
        withNegated: false,
      },
      force: {
        kind: 'boolean',
        brief: 'Replace a folder that is there, whatever is in it',
        optional: true,
        withNegated: false,
      },
      requireAuthor: {
        kind: 'boolean',
        brief: "Refuse what the registry's gateway signed, instead of an author",
        optional: true,
        withNegated: false,
      },
      ...registryFlags,
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range and a path if wanted', 'ns:name[@range][/path]')],
    },
  },
  func: action<GetFlags, [string]>(get),
});

async function get(
  context: CliContext,
  flags: GetFlags,
  progress: Progress,
  text: string,
): Promise<CommandResult | null> {
  const { requirement, path: wanted } = parseTarget(text);
  const client = await openClient(context, flags);
  progress.step('verifying the log');
  const policy = flags.allowAdvisory ? 'allow' : 'pass over';
  const log = await verifiedPackage(client, requirement);
  const resolved = resolveRelease(log, requirement, policy);
  const account = custodialAccount(log, resolved.release);
  if (flags.requireAuthor) requireAuthor(requirement.name, { version: resolved.release.version, account });
  const warnings = warningsOf(requirement.name, resolved);
  warn(context, warnings);
  const name = requirement.name;
  if (isTreeClaim(resolved.release.claim)) {
    return getTree({ context, client, progress, flags }, { name, resolved, wanted, warnings, account });
  }
  if (wanted !== null) {
    const what = `${name}@${resolved.release.version}`;
    throw new RegistryError('usage/invalid', `${what} is a single file, which has no ${wanted}: waybill get ${what}`);
  }
  return getFile({ context, client, progress, flags }, { name, resolved, warnings, account });
}

async function getFile(parts: GetParts, found: FoundRelease): Promise<CommandResult | null> {
  const { context, flags } = parts;
  const { name, resolved, warnings } = found;
  const { release, content } = resolved;
  const output = flags.output ?? `${bareName(name)}.wasm`;
  const contradicted = await (output === '-' ? getToPipe(parts, found) : getToFile(parts, found, output));
  warn(context, contradicted);
  if (output === '-') {
    if (found.account !== null) context.process.stderr.write(`${visibleLine(custodyText(found.account))}\n`);
    return null;
  }
  const size = formatBytes((await stat(output)).size);
  const json = { ...foundBody(found), file: path.resolve(output), warnings: [...warnings, ...contradicted] };
  return { text: `${name}@${release.version} → ${output} (${size}, ${content}, verified)${custodyLines(found)}`, json };
}

/** Gives what the content says against its release. */
async function getToFile(
  parts: GetParts,
  { name, resolved }: FoundRelease,
  output: string,
): Promise<readonly string[]> {
  const { release, content } = resolved;
  let inner = new InnerName({ name, version: release.version });
  const listen = (): ContentListener => {
    inner = new InnerName({ name, version: release.version });
    const claim = claimCheck(name, release);
    return {
      update(chunk) {
        claim.update(chunk);
        inner.update(chunk);
      },
      finish: () => claim.finish(),
    };
  };
  const delivery = new FileDelivery({ cache: contentCacheOf(parts.context), digest: content, output, listen });
  try {
    await fetchInto(delivery.cache, resolved, parts);
    await delivery.finish();
  } catch (failure) {
    await delivery.discard();
    throw failure;
  }
  return inner.contradictions();
}

/** A pipe does not give back what it was given: the claim is judged before the first byte. */
async function getToPipe(parts: GetParts, { name, resolved }: FoundRelease): Promise<readonly string[]> {
  const { release, content } = resolved;
  const cache = contentCacheOf(parts.context);
  await fetchInto(cache, resolved, parts);
  await requireClaim(name, release, await readCached(cache, content));
  const inner = new InnerName({ name, version: release.version });
  await deliverToPipe(inner.hear(await readCached(cache, content)), content);
  return inner.contradictions();
}

/** No more than the release says that it has: a source that says nothing could fill the disk. */
async function fetchInto(
  cache: ContentCache,
  { release, content }: ResolvedRelease,
  { client, progress }: GetParts,
): Promise<void> {
  const onProgress = (received: number, total: number | null): void => progress.step(progressText(received, total));
  const parts = { client, cache, onProgress };
  const size = release.claim?.size ?? null;
  await client.reading(() => (size === null ? fetchContent(content, parts) : fetchContentUpTo(size, content, parts)));
}

function warn({ process }: CliContext, lines: readonly string[]): void {
  for (const line of lines) process.stderr.write(`warning: ${visibleLine(line)}\n`);
}

/** What whoever takes a release is told. */
export function warningsOf(name: PackageName, resolved: ResolvedRelease): string[] {
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

/** The package under a verified head. Throws `log/not-found`, saying whether that was proven. */
export async function verifiedPackage(
  client: RegistryClient,
  { name }: Pick<Requirement, 'name'>,
): Promise<VerifiedPackage> {
  return requirePackage(await client.view([name]), name);
}

interface VerifyFlags extends RegistryFlags {
  readonly package: string;
  readonly json?: boolean;
}

export const verifyCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Check a file or a folder against the log of a package',
    fullDescription: `Says which release the file is, or the folder as a tree of files. With a version, it must be that one.

  waybill verify hello.wasm --package demo:hello@1.0.0
  waybill verify ./site --package demo:site`,
  },
  parameters: {
    flags: { package: requiredFlag('Package, with a version if wanted', 'ns:name[@version]'), ...registryFlags },
    positional: { kind: 'tuple', parameters: [argument('File or folder to check', 'path')] },
  },
  func: action<VerifyFlags, [string]>(async (context, flags, progress, file) => {
    const requirement = parseRequirement(flags.package);
    progress.step(`hashing ${file}`);
    const { digest } = (await stat(file)).isDirectory() ? await walkTree(file, 'all') : await digestOfFile(file);
    progress.step('verifying the log');
    const log = await verifiedPackage(await openClient(context, flags), requirement);
    const { release } =
      requirement.version === null
        ? releaseWithDigest(log, digest)
        : exactly(resolveRelease(log, requirement, 'allow'), digest, file);
    const account = custodialAccount(log, release);
    const json = {
      package: requirement.name,
      version: release.version,
      digest,
      recordId: release.recordId,
      by: release.by,
      onBehalfOf: account,
    };
    const custody = account === null ? '' : `\n${visibleLine(custodyText(account))}`;
    const text = `${file} is ${requirement.name}@${release.version} (${digest}), released by ${release.by}${custody}`;
    return { text, json };
  }),
});

function exactly(found: FetchableRelease, digest: Digest, file: string): FetchableRelease {
  if (found.content === digest) return found;
  throw new RegistryError(
    'content/digest',
    `${file} is ${digest}, but version ${found.release.version} is ${found.content}`,
    { found: digest },
  );
}
