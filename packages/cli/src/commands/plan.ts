import { readFile, stat } from 'node:fs/promises';
import { createReadStream, openAsBlob } from 'node:fs';
import { authorOf, draftPublish, publish, type RegistryClient } from '@waybill/client';
import { readWitText, walkTree } from '@waybill/client/node';
import {
  concatBytes,
  digestOf,
  encodeHex,
  isRegistryError,
  parseDigest,
  parsePackageName,
  RegistryError,
  sha256Stream,
  type AnnotationDraft,
  type ContentClaim,
  type Digest,
  type Holder,
  type JsonValue,
  type JosePrivateKey,
  type PackageEntry,
  type PackageName,
  type PackageState,
} from '@waybill/protocol';
import {
  CONTENT_KINDS,
  decodeTreeIndex,
  encodeWit,
  kindCheckOf,
  kindDemand,
  parseWit,
  readInterface,
  requireReleaseName,
  STEP_CONTENT_BYTES_MAX,
  TREE_COMPONENT_PATH,
  type ClaimedKind,
  type InterfaceReading,
  type KindDemand,
  type ReleaseName,
} from '@waybill/protocol/content';
import type { CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { describeEntry } from '../entry-text.ts';
import { isWitText } from '../interface-argument.ts';
import type { Progress } from '../progress.ts';
import { requireDraft, signersOf, type DraftFlags } from '../signer-flags.ts';
import { signingKey, keyStoreOf, openClient, type RegistryFlags, type SigningFlags } from '../session.ts';
import { writeDraft } from './carry.ts';

export interface PlanFlags extends RegistryFlags, SigningFlags, DraftFlags {
  readonly final?: boolean;
  readonly json?: boolean;
}

/** What one record in the making is to say, with the files whose content they name. */
export interface Plan {
  readonly package: string;
  /** For the state that the record will follow. */
  readonly entries: (state: PackageState) => readonly PackageEntry[];
  readonly annotations: readonly AnnotationDraft[];
  readonly files: ReadonlyMap<Digest, string>;
  /** The content indexes of trees, and WIT packages that were text: no file has them. */
  readonly made?: ReadonlyMap<Digest, Uint8Array>;
}

/** A program reads what was done by name, and may be told more. */
export interface PlanResult extends CommandResult {
  readonly json: { readonly [key: string]: JsonValue };
}

/** Signs and publishes a plan as one record, and says what was done. */
export async function publishPlan(
  context: CliContext,
  flags: PlanFlags,
  progress: Progress,
  plan: Plan,
): Promise<PlanResult> {
  const name = parsePackageName(plan.package);
  requireDraft(flags, { '--key': flags.key, '--cosign': flags.cosign });
  const client = await openClient(context, flags);
  if (flags.draft !== undefined) return draftPlan({ name, plan, file: flags.draft }, flags, { client, progress });
  const parts = {
    client,
    author: authorOf(await authorKeys(context, flags)),
    clock: Date.now,
    random,
    onStep: (step: string) => progress.step(step),
  };
  const done = await client.withEvidence(() =>
    publish(
      {
        name,
        entries: (state) => entriesFor(state, plan),
        annotations: plan.annotations,
        contents: contentsOf(plan),
        final: flags.final ?? false,
      },
      parts,
    ),
  );
  const lines = [
    ...done.entries.map((entry) => describeEntry(plan.package, entry)),
    ...plan.annotations.map((draft, index) => annotatedLine(plan.package, draft, done.annotations[index])),
  ];
  lines.push(`record ${done.recordId} is number ${done.registryIndex} of the registry log, verified`);
  const json = {
    package: plan.package,
    recordId: done.recordId,
    registryIndex: done.registryIndex,
    startedLog: done.started,
    annotations: [...done.annotations],
  };
  return { text: lines.join('\n'), json };
}

function contentsOf({ files, made = new Map() }: Plan): ReadonlyMap<Digest, () => Promise<Blob>> {
  const contents = new Map<Digest, () => Promise<Blob>>();
  for (const [digest, file] of files) contents.set(digest, () => openAsBlob(file));
  for (const [digest, bytes] of made) contents.set(digest, () => Promise.resolve(new Blob([new Uint8Array(bytes)])));
  return contents;
}

/** The record of a plan, for others to sign; content that it names is for whoever sends it. */
async function draftPlan(
  { name, plan, file }: { readonly name: PackageName; readonly plan: Plan; readonly file: string },
  { signer }: DraftFlags,
  { client, progress }: { readonly client: RegistryClient; readonly progress: Progress },
): Promise<PlanResult> {
  const carried = await client.withEvidence(() =>
    draftPublish(
      { name, entries: (state) => entriesFor(state, plan), annotations: plan.annotations },
      (state, entries) => signersOf(signer, state, holdersIn(entries)),
      { client, clock: Date.now, random, onStep: (step) => progress.step(step) },
    ),
  );
  return writeDraft(carried, file);
}

/** Those who get the root sign as well. */
function holdersIn(entries: readonly PackageEntry[]): Holder[] {
  return entries.flatMap((entry) => (entry.type === 'root' || entry.type === 'transfer' ? [entry.holder] : []));
}

const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

function annotatedLine(name: string, { type, version = null, target }: AnnotationDraft, id = ''): string {
  if (type === 'withdrawal') return `withdrew ${target ?? ''} on ${name}`;
  return `said ${type} of ${name}${version === null ? '' : `@${version}`} (${id})`;
}

/** The keys that sign: the first is the author's own. */
export async function authorKeys(
  context: CliContext,
  flags: SigningFlags,
): Promise<readonly [JosePrivateKey, ...JosePrivateKey[]]> {
  const own = await signingKey(context, flags);
  const others = await Promise.all((flags.cosign ?? []).map((name) => keyStoreOf(context).load(name)));
  return [own, ...others];
}

/** Only a release, or a key to share the work with, starts a log: anything else would be a slip in the name. */
function entriesFor(state: PackageState, plan: Plan): readonly PackageEntry[] {
  const { package: name } = plan;
  const entries = plan.entries(state);
  if (state.length > 0 || entries.some(({ type }) => type === 'release')) return entries;
  throw new RegistryError('log/not-found', `there is no package ${name} yet: publish a release first`);
}

/** A release in the making, with what goes up for it. */
export interface PlannedRelease extends Pick<Plan, 'files' | 'made'> {
  readonly entry: PackageEntry;
  readonly release: ReleaseName;
  readonly content: Digest;
  /** What the content says in WIT; `null` for what says nothing, and for what is too large to be read for a remark. */
  readonly reading: InterfaceReading | null;
}

/** Kinds that can be said of a file; without one it is WebAssembly of whichever kind. */
export type FileKind = Exclude<ClaimedKind, 'tree' | 'other' | 'wasm'>;

/** What is to be released, as it was asked for. */
export interface ReleaseSource {
  readonly source: string;
  readonly kind: FileKind | null;
  /** The file or folder is WIT text, whatever it is called. */
  readonly isWit: boolean;
}

/**
 * A release of a file or a folder: read now, uploaded later. Throws `usage/invalid`, `content/policy`, `content/tree`,
 * `content/wit`.
 */
export async function releaseOf(
  context: CliContext,
  release: ReleaseName,
  { source, kind, isWit }: ReleaseSource,
): Promise<PlannedRelease> {
  const isFolder = (await stat(source)).isDirectory();
  if (isWit || (!isFolder && isWitText(source))) return releaseOfText(release, source, kind);
  if (!isFolder) return releaseOfFile(context, release, { file: source, kind });
  if (kind !== null) throw new RegistryError('usage/invalid', folderHint(source));
  const { index, digest, sources } = await walkTree(source, 'published');
  const claim = { mediaType: CONTENT_KINDS.tree.mediaType ?? '', size: index.length };
  const made = new Map([[digest, index]]);
  return { ...planned(release, digest, claim), files: sources, made, reading: await componentReading(index, sources) };
}

/** Of a tree, what its component says. */
async function componentReading(
  index: Uint8Array,
  sources: ReadonlyMap<Digest, string>,
): Promise<InterfaceReading | null> {
  const component = decodeTreeIndex(index).find(({ path }) => path === TREE_COMPONENT_PATH);
  const source = component === undefined ? undefined : sources.get(component.digest);
  if (source === undefined || (await stat(source)).size > STEP_CONTENT_BYTES_MAX) return null;
  return readingOf(await readFile(source));
}

function folderHint(source: string): string {
  return `${source} is a folder, and --kind is for files: with --wit it is WIT text, which may have a kind`;
}

function planned(
  release: ReleaseName,
  content: Digest,
  claim: ContentClaim,
): Pick<PlannedRelease, 'entry' | 'release' | 'content'> {
  return { entry: { type: 'release', version: release.version, content, claim }, release, content };
}

/** WIT text goes up in its binary form: docs/decisions/0022-wit-text.md. */
async function releaseOfText(release: ReleaseName, source: string, kind: FileKind | null): Promise<PlannedRelease> {
  const document = parseWit(await readWitText(source));
  const bytes = encodeWit(document);
  const said = kind ?? 'wasm';
  const check = kindCheckOf(kindDemand(said, release));
  check.update(bytes);
  check.finish();
  requireReleaseName(document.main.id, release);
  const content = digestOf(bytes);
  const claim = { mediaType: CONTENT_KINDS[said].mediaType ?? '', size: bytes.length };
  const made = new Map([[content, bytes]]);
  return { ...planned(release, content, claim), files: new Map(), made, reading: { kind: 'wit-package', document } };
}

/** Warns when a file is no WebAssembly, which most registries refuse. */
async function releaseOfFile(
  context: CliContext,
  release: ReleaseName,
  { file, kind }: { readonly file: string; readonly kind: FileKind | null },
): Promise<PlannedRelease> {
  if (!(await stat(file)).isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
  const { content, size, refusal, reading } = await readFileOnce(file, kindDemand(kind ?? 'wasm', release));
  if (refusal !== null && kind !== null) throw refusal;
  if (refusal !== null) context.process.stderr.write(`warning: ${file} is not WebAssembly\n`);
  if (reading?.kind === 'wit-package') requireReleaseName(reading.document.main.id, release);
  const said = kind ?? (refusal === null ? 'wasm' : 'other');
  const claim = { mediaType: CONTENT_KINDS[said].mediaType ?? 'application/octet-stream', size };
  return { ...planned(release, content, claim), files: new Map([[content, file]]), reading };
}

interface FileReading extends Pick<PlannedRelease, 'content' | 'reading'> {
  readonly size: number;
  /** Why it is not what it is to be; `null` where it is. */
  readonly refusal: RegistryError | null;
}

async function readFileOnce(file: string, demand: KindDemand): Promise<FileReading> {
  const hash = sha256Stream();
  const check = kindCheckOf(demand);
  let refusal: RegistryError | null = null;
  let kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of createReadStream(file)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a file is bytes');
    hash.update(chunk);
    size += chunk.length;
    refusal ??= refusalOf(() => check.update(chunk));
    if (refusal === null && size <= STEP_CONTENT_BYTES_MAX) kept.push(chunk);
    else kept = [];
  }
  refusal ??= refusalOf(() => check.finish());
  const isRead = refusal === null && size <= STEP_CONTENT_BYTES_MAX;
  const reading = isRead ? readingOf(concatBytes(...kept)) : null;
  return { content: parseDigest(`sha256:${encodeHex(hash.digest())}`), size, refusal, reading };
}

/** The interface is for remarks here: content in which something is unknown is released like any other. */
function readingOf(bytes: Uint8Array): InterfaceReading | null {
  try {
    return readInterface(bytes);
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy')) return null;
    throw failure;
  }
}

function refusalOf(step: () => void): RegistryError | null {
  try {
    step();
    return null;
  } catch (failure) {
    if (failure instanceof RegistryError) return failure;
    throw failure;
  }
}
