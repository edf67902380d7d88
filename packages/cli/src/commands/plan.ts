import { stat } from 'node:fs/promises';
import { createReadStream, openAsBlob } from 'node:fs';
import { authorOf, draftPublish, publish, type RegistryClient } from '@waybill/client';
import {
  encodeHex,
  parseDigest,
  parsePackageName,
  parseVersion,
  RegistryError,
  sha256Stream,
  WasmScanner,
  type AnnotationDraft,
  type Digest,
  type Holder,
  type JosePrivateKey,
  type PackageEntry,
  type PackageName,
  type PackageState,
} from '@waybill/protocol';
import type { CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { describeEntry } from '../entry-text.ts';
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
}

/** Signs and publishes a plan as one record, and says what was done. */
export async function publishPlan(
  context: CliContext,
  flags: PlanFlags,
  progress: Progress,
  plan: Plan,
): Promise<CommandResult> {
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
  const contents = new Map([...plan.files].map(([digest, file]) => [digest, () => openAsBlob(file)] as const));
  const done = await client.withEvidence(() =>
    publish(
      {
        name,
        entries: (state) => entriesFor(state, plan),
        annotations: plan.annotations,
        contents,
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

/** The record of a plan, for others to sign; content that it names is for whoever sends it. */
async function draftPlan(
  { name, plan, file }: { readonly name: PackageName; readonly plan: Plan; readonly file: string },
  { signer }: DraftFlags,
  { client, progress }: { readonly client: RegistryClient; readonly progress: Progress },
): Promise<CommandResult> {
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

/** A release of a file: hashed now, uploaded later. Warns when it is no WebAssembly, which most registries refuse. */
export async function releaseOfFile(
  context: CliContext,
  version: string,
  file: string,
): Promise<{ entry: PackageEntry; content: Digest }> {
  if (!(await stat(file)).isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
  const hash = sha256Stream();
  const scanner = new WasmScanner();
  let isWasm = true;
  let size = 0;
  for await (const chunk of createReadStream(file)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a file is bytes');
    hash.update(chunk);
    size += chunk.length;
    if (isWasm) isWasm = passes(() => scanner.update(chunk));
  }
  isWasm = isWasm && passes(() => scanner.finish());
  if (!isWasm) context.process.stderr.write(`warning: ${file} is not WebAssembly\n`);
  const claim = { mediaType: isWasm ? 'application/wasm' : 'application/octet-stream', size };
  const content = parseDigest(`sha256:${encodeHex(hash.digest())}`);
  return { entry: { type: 'release', version: parseVersion(version), content, claim }, content };
}

function passes(step: () => unknown): boolean {
  try {
    step();
    return true;
  } catch (failure) {
    if (failure instanceof RegistryError) return false;
    throw failure;
  }
}
