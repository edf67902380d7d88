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
import { isRegistryError, messageOf, type AnyHash, type JsonValue } from '@waybill/protocol';
import {
  changeText,
  claimedKindOf,
  CONTENT_KINDS,
  differenceLines,
  interfaceChange,
  type ClaimedKind,
  type InterfaceChange,
  type InterfaceReading,
  type TreeFile,
  type VersionPair,
} from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags } from '../flags.ts';
import { isReleaseText, readInterfaceArgument, type NamedInterface } from '../interface-argument.ts';
import { changeBody, LINES_MAX } from '../interface-comparison.ts';
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

/** What is compared: a release, or a file. */
type Subject = (Side & { readonly from: 'registry' }) | (NamedInterface & { readonly from: 'file' });

interface Comparing {
  readonly context: CliContext;
  readonly flags: CompareFlags;
  readonly progress: Progress;
}

export const diffCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Compare two releases',
    fullDescription: `Of two trees: the files that were added, removed and changed, by their indexes alone. Of WebAssembly: what differs in the
interface, what that does to those who rely on it, which step of the version it asks for, and whether the step that was made is
enough. Of others: whether they are the same content. WebAssembly may be a file, and a WIT package also text, as a file or a folder.

  waybill diff demo:site@1.0.0 demo:site@1.1.0
  waybill diff demo:hello@1.0.0 hello.wasm
  waybill diff demo:api@1.0.0 ./wit --json`,
  },
  parameters: {
    flags: registryFlags,
    positional: {
      kind: 'tuple',
      parameters: [
        argument('Release or file before', 'ns:name[@range]|file'),
        argument('Release or file after', 'ns:name[@range]|file'),
      ],
    },
  },
  func: action<CompareFlags, [string, string]>(async (context, flags, progress, before, after) => {
    const parts = { context, flags, progress };
    const subjects = [await subjectOf(parts, before), await subjectOf(parts, after)] as const;
    return comparisonFor(...subjects)(parts, ...subjects);
  }),
});

async function subjectOf(parts: Comparing, text: string): Promise<Subject> {
  if (!isReleaseText(text)) return { from: 'file', ...(await readInterfaceArgument(parts, text)) };
  return { from: 'registry', ...(await sideOf(await readingOf(parts), text)) };
}

async function readingOf({ context, flags, progress }: Comparing): Promise<Reading> {
  return { context, client: await openClient(context, flags), progress };
}

type Comparison = (parts: Comparing, before: Subject, after: Subject) => Promise<CommandResult>;

/** How two things are compared: what knows more of a kind than its digest has its row here. */
function comparisonFor(before: Subject, after: Subject): Comparison {
  const kinds = [before, after].map(subjectKind);
  if (kinds.every((kind) => kind === 'tree')) return treeComparison;
  const mayDiffer = digestOf(before) !== digestOf(after) && kinds.every((kind) => CONTENT_KINDS[kind].layers !== null);
  return mayDiffer ? interfaceComparison : digestComparison;
}

const MARKS: Readonly<Record<FileFate, string>> = { added: '+', removed: '-', changed: '~' };

async function treeComparison(parts: Comparing, before: Subject, after: Subject): Promise<CommandResult> {
  const reading = await readingOf(parts);
  const differences = compareTrees(await subjectFiles(reading, before), await subjectFiles(reading, after));
  const lines = differences.map(({ path, fate }) => `${MARKS[fate]} ${path}`);
  const text = lines.length === 0 ? `${before.title} and ${after.title} are the same tree` : lines.join('\n');
  const files = differences.map(({ path, fate }) => ({ path, fate }));
  return { text, json: { ...comparedBody(before, after), files } };
}

/** A file is no tree. */
async function subjectFiles(reading: Reading, subject: Subject): Promise<readonly TreeFile[]> {
  return subject.from === 'file' ? [] : filesOf(reading, subject.resolved);
}

async function interfaceComparison(parts: Comparing, before: Subject, after: Subject): Promise<CommandResult> {
  const compared = await compareInterfaces(parts, before, after);
  if ('remark' in compared) return remarked(parts, before, after, compared.remark);
  const { change, pair } = compared;
  const text = [...differenceLines(change, LINES_MAX).map((line) => `  ${line}`), changeText(change, pair)].join('\n');
  return { text, json: { ...comparedBody(before, after), interface: changeBody(change, pair) } };
}

/** Two packages have no version in common. */
function pairOf(before: NamedInterface, after: NamedInterface): VersionPair {
  const areApart = before.package !== null && after.package !== null && before.package !== after.package;
  return areApart ? { from: null, to: null } : { from: before.version, to: after.version };
}

type ComparedInterfaces =
  | { readonly change: InterfaceChange; readonly pair: VersionPair }
  | { readonly remark: string };

/** What cannot be read, or compared, is still content with a digest. */
async function compareInterfaces(parts: Comparing, before: Subject, after: Subject): Promise<ComparedInterfaces> {
  try {
    const [old, now] = [await interfaceOf(parts, before), await interfaceOf(parts, after)];
    const pair = pairOf(old, now);
    const change = interfaceChange({ ...old, version: pair.from }, { ...now, version: pair.to });
    return change === null ? { remark: 'one is a WIT package, and the other is not' } : { change, pair };
  } catch (failure) {
    if (!isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy', 'content/size'))
      throw failure;
    return { remark: messageOf(failure) };
  }
}

async function interfaceOf(parts: Comparing, subject: Subject): Promise<NamedInterface> {
  return subject.from === 'file' ? subject : readInterfaceArgument(parts, subject.title);
}

async function remarked(parts: Comparing, before: Subject, after: Subject, remark: string): Promise<CommandResult> {
  const { text, json } = await digestComparison(parts, before, after);
  return { text: `${text}\nthe interfaces are not compared: ${remark}`, json: { ...json, interface: null, remark } };
}

interface DigestResult extends CommandResult {
  readonly json: { readonly [key: string]: JsonValue };
}

function digestComparison(_parts: Comparing, before: Subject, after: Subject): Promise<DigestResult> {
  const same = digestOf(before) === digestOf(after);
  const text = same
    ? `${before.title} and ${after.title} are the same content (${digestOf(before)})`
    : [before, after].map((one) => `${one.title} is ${digestOf(one)} (${titleOf(subjectKind(one))})`).join('\n');
  return Promise.resolve({ text, json: comparedBody(before, after) });
}

function comparedBody(before: Subject, after: Subject): { [key: string]: JsonValue } {
  const subjectBody = (subject: Subject): JsonValue => ({
    [subject.from === 'file' ? 'file' : 'release']: subject.title,
    digest: digestOf(subject),
    kind: subjectKind(subject),
  });
  return { same: digestOf(before) === digestOf(after), before: subjectBody(before), after: subjectBody(after) };
}

function digestOf(subject: Subject): AnyHash {
  return subject.from === 'file' ? subject.digest : subject.resolved.content;
}

const KIND_OF_FILE: Readonly<Record<InterfaceReading['kind'], ClaimedKind>> = {
  component: 'component',
  module: 'module',
  'wit-package': 'interface',
};

function subjectKind(subject: Subject): ClaimedKind {
  return subject.from === 'file' ? KIND_OF_FILE[subject.reading.kind] : kindOf(subject.resolved);
}

function kindOf({ release }: ResolvedRelease): ClaimedKind {
  return claimedKindOf(release.claim?.mediaType ?? null);
}

function titleOf(kind: ClaimedKind): string {
  return CONTENT_KINDS[kind].title;
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
