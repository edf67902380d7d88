import { buildCommand, type Command } from '@stricli/core';
import {
  compareTrees,
  fetchTreeIndex,
  isTreeClaim,
  parseRequirement,
  resolveRelease,
  type FileFate,
  type RegistryClient,
  type ResolvedRelease,
} from '@waybill/client';
import type { JsonValue } from '@waybill/protocol';
import { claimedKindOf, CONTENT_KINDS, type ClaimedKind, type TreeFile } from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags } from '../flags.ts';
import type { Progress } from '../progress.ts';
import { contentCacheOf, openClient, type RegistryFlags } from '../session.ts';
import { verifiedPackage } from './get.ts';

interface CompareFlags extends RegistryFlags {
  readonly json?: boolean;
}

interface Reading {
  readonly context: CliContext;
  readonly client: RegistryClient;
  readonly progress: Progress;
}

/** A release to look into, as it was asked for. */
interface Side {
  readonly title: string;
  readonly resolved: ResolvedRelease;
}

export const lsCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'List the files of a tree',
    fullDescription: `Fetches the content index alone. Sizes are told of files that are in the cache, for no index has them. A release that is a
single file is one line.

  waybill ls demo:site
  waybill ls demo:site@1.0.0 --json`,
  },
  parameters: {
    flags: registryFlags,
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted', 'ns:name[@range]')],
    },
  },
  func: action<CompareFlags, [string]>(async (context, flags, progress, text) => {
    const reading = { context, client: await openClient(context, flags), progress };
    const { title, resolved } = await sideOf(reading, text);
    const files = isTreeClaim(resolved.release.claim)
      ? await Promise.all((await filesOf(reading, resolved)).map((file) => listed(context, file)))
      : [{ path: null, digest: resolved.content, size: resolved.release.claim?.size ?? null }];
    const lines = files.map(({ path, digest, size }) => `${digest}  ${size ?? '-'}  ${path ?? '(a single file)'}`);
    const { version, recordId } = resolved.release;
    const json = { package: title, version, digest: resolved.content, recordId, kind: kindOf(resolved), files };
    return { text: lines.join('\n'), json };
  }),
});

export const diffCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Compare two releases',
    fullDescription: `Of two trees: the files that were added, removed and changed, by their indexes alone. Of others: whether they are the same content.

  waybill diff demo:site@1.0.0 demo:site@1.1.0
  waybill diff demo:hello@1.0.0 demo:hello --json`,
  },
  parameters: {
    flags: registryFlags,
    positional: {
      kind: 'tuple',
      parameters: [argument('Release before', 'ns:name[@range]'), argument('Release after', 'ns:name[@range]')],
    },
  },
  func: action<CompareFlags, [string, string]>(async (context, flags, progress, before, after) => {
    const reading = { context, client: await openClient(context, flags), progress };
    const sides = [await sideOf(reading, before), await sideOf(reading, after)] as const;
    return comparisonFor(...sides)(reading, ...sides);
  }),
});

type Comparison = (reading: Reading, before: Side, after: Side) => Promise<CommandResult>;

/** How two releases are compared: what knows more of a kind than its digest has its row here. */
function comparisonFor(before: Side, after: Side): Comparison {
  const areTrees = [before, after].every(({ resolved }) => isTreeClaim(resolved.release.claim));
  return areTrees ? treeComparison : digestComparison;
}

const MARKS: Readonly<Record<FileFate, string>> = { added: '+', removed: '-', changed: '~' };

async function treeComparison(reading: Reading, before: Side, after: Side): Promise<CommandResult> {
  const differences = compareTrees(await filesOf(reading, before.resolved), await filesOf(reading, after.resolved));
  const lines = differences.map(({ path, fate }) => `${MARKS[fate]} ${path}`);
  const text = lines.length === 0 ? `${before.title} and ${after.title} are the same tree` : lines.join('\n');
  const files = differences.map(({ path, fate }) => ({ path, fate }));
  return { text, json: { ...comparedBody(before, after), files } };
}

function digestComparison(_reading: Reading, before: Side, after: Side): Promise<CommandResult> {
  const same = before.resolved.content === after.resolved.content;
  const text = same
    ? `${before.title} and ${after.title} are the same content (${before.resolved.content})`
    : `${before.title} is ${before.resolved.content} (${titleOf(before.resolved)})\n${after.title} is ${after.resolved.content} (${titleOf(after.resolved)})`;
  return Promise.resolve({ text, json: comparedBody(before, after) });
}

function comparedBody(before: Side, after: Side): { [key: string]: JsonValue } {
  const sideBody = ({ title, resolved }: Side): JsonValue => ({
    release: title,
    digest: resolved.content,
    kind: kindOf(resolved),
  });
  return {
    same: before.resolved.content === after.resolved.content,
    before: sideBody(before),
    after: sideBody(after),
  };
}

function kindOf({ release }: ResolvedRelease): ClaimedKind {
  return claimedKindOf(release.claim?.mediaType ?? null);
}

function titleOf(resolved: ResolvedRelease): string {
  return CONTENT_KINDS[kindOf(resolved)].title;
}

async function sideOf({ client, progress }: Reading, text: string): Promise<Side> {
  const requirement = parseRequirement(text);
  progress.step('verifying the log');
  const resolved = resolveRelease(await verifiedPackage(client, requirement), requirement, 'pass over');
  return { title: `${requirement.name}@${resolved.release.version}`, resolved };
}

function filesOf({ context, client, progress }: Reading, resolved: ResolvedRelease): Promise<readonly TreeFile[]> {
  progress.step('reading the index');
  const parts = { client, cache: contentCacheOf(context), onProgress: () => undefined };
  return client.reading(() => fetchTreeIndex(resolved, parts));
}

async function listed(
  context: CliContext,
  { path, digest }: TreeFile,
): Promise<{ path: string | null; digest: string; size: number | null }> {
  return { path, digest, size: await contentCacheOf(context).size(digest) };
}
