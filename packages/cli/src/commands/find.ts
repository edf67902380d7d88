import { stat } from 'node:fs/promises';
import { buildCommand, type Command } from '@stricli/core';
import { lookUpContent, unrootedText, type ContentFound } from '@waybill/client';
import { walkTree } from '@waybill/client/node';
import { formatTimestamp, parseDigest, type Digest, type JsonValue } from '@waybill/protocol';
import { claimedKindOf } from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { digestOfFile } from '../file-digest.ts';
import { argument, registryFlags } from '../flags.ts';
import { contentTakedownBody, takedownLine } from '../package-standing.ts';
import type { Progress } from '../progress.ts';
import { openClient, type RegistryFlags } from '../session.ts';

interface FindFlags extends RegistryFlags {
  readonly json?: boolean;
}

export const findCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Find the releases that hold a content, of whichever package',
    fullDescription: `Takes a digest, or a file or a folder, which is hashed; nothing of it leaves this machine but its digest. Every release that is shown
was found in the log of its package first, yanked ones too; one that the registry names wrongly ends the command with 65.

A registry can leave out what it likes, and nobody can see that: what is shown is true, but there may be more. Whether
a package has these bytes says, with proof, waybill verify FILE --package ns:name. Files within a tree are not looked for.

Ends with 0 where there is a release, and with 68 where the registry names none.

  waybill find sha256:e102f7fc843279d44ffb1d089c155222fb9d21cfea1b8dff1305dbfff08a7e89
  waybill find hello.wasm
  waybill find ./site --json`,
  },
  parameters: {
    flags: registryFlags,
    positional: { kind: 'tuple', parameters: [argument('Digest, file or folder', 'sha256:…|path')] },
  },
  func: action<FindFlags, [string]>(find),
});

async function find(context: CliContext, flags: FindFlags, progress: Progress, text: string): Promise<CommandResult> {
  const digest = await digestOfArgument(text, progress);
  const client = await openClient(context, flags);
  progress.step('asking the registry, and verifying what it names');
  const { found, isWhole, checkpoint } = await lookUpContent(client, digest);
  const more = isWhole ? [] : ['the registry names more, which were not looked at'];
  const none = found.length === 0 ? [`the registry names no release that holds ${digest}`] : [];
  return {
    text: [...found.map(lineOf), ...none, ...more].join('\n'),
    json: { digest, logLength: checkpoint.contents.logLength, isWhole, releases: found.map(bodyOf) },
    exitCode: found.length === 0 ? EXIT.notFound : EXIT.ok,
  };
}

/** A file whose name begins like a digest is named with its folder: `./sha256:…`. */
async function digestOfArgument(text: string, progress: Progress): Promise<Digest> {
  if (text.startsWith('sha256:')) return parseDigest(text);
  progress.step(`hashing ${text}`);
  const { digest } = (await stat(text)).isDirectory() ? await walkTree(text, 'all') : await digestOfFile(text);
  return digest;
}

function lineOf({ log, release }: ContentFound['found'][number]): string {
  const { version, content, claim, state, recordId } = release;
  const kind = claimedKindOf(claim?.mediaType ?? null);
  const yank = state.status === 'yanked' ? `  yanked ${formatTimestamp(state.time)} ${state.reason}`.trimEnd() : '';
  const unrooted = log.rootedness.verdict === 'unrooted' ? `  ${unrootedText(log.name, log.rootedness)}` : '';
  return `${log.name}@${version}  ${kind}  record ${recordId}${yank}${takedownLine(log, content)}${unrooted}`;
}

function bodyOf({ log, release }: ContentFound['found'][number]): JsonValue {
  const { version, content, claim, state, recordId } = release;
  return {
    package: log.name,
    version,
    status: state.status,
    kind: claimedKindOf(claim?.mediaType ?? null),
    ...(claim === null ? {} : { mediaType: claim.mediaType, size: claim.size }),
    ...(state.status === 'yanked' ? { yanked: { time: formatTimestamp(state.time), reason: state.reason } } : {}),
    ...contentTakedownBody(log, content),
    rootedness: log.rootedness.verdict,
    recordId,
  };
}
