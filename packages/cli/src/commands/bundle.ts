import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import {
  chooseReleases,
  parseManifest,
  parseRequirement,
  readCode,
  readContent,
  releaseText,
  surveyContent,
  withDependency,
  type LockedRelease,
  type ProjectLock,
  type ProvenLock,
  type ReleaseId,
  type Requirement,
} from '@waybill/client';
import { hasCode, ProjectFiles } from '@waybill/client/node';
import { digestOf, parsePackageName, RegistryError, type PackageName } from '@waybill/protocol';
import {
  composeComponents,
  contentDependencies,
  type Composition,
  type Dependency,
  type SupplyReach,
} from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, repeatedFlag, textFlag } from '../flags.ts';
import { OUTPUT_MODE, requireWritable, writeOutput, writeStandardOutput } from '../output.ts';
import { formatBytes, type Progress } from '../progress.ts';
import { openProject, projectClient, requireLock, verifyHeld, type Project, type ProjectSession } from '../project.ts';
import { contentCacheOf, type RegistryFlags } from '../session.ts';
import { visibleLine } from '../visible-text.ts';
import { newestRange, standingWarnings } from './project.ts';

interface BundleFlags extends RegistryFlags {
  readonly output?: string;
  readonly dep?: readonly string[];
  readonly allowAdvisory?: boolean;
  readonly json?: boolean;
}

export const bundleCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Compose a component and its dependencies into one file',
    fullDescription: `Puts dependencies into a component wherever they export what it imports: the same interface, of the same version or one that
is compatible. They come from --dep, in that order, and from waybill.lock where the project here has one; of a package of the
registry, all that it needs is found. What none of them has stays an import and is listed, as those of WASI mostly do.
Everything fetched is verified first.

  waybill bundle app.wasm                                       with what waybill.lock holds
  waybill bundle app.wasm --dep demo:math=math.wasm             with a file
  waybill bundle app.wasm --dep demo:math@^1.2 -o whole.wasm    with a release, and what that needs
  waybill bundle demo:app@1.0.0`,
  },
  parameters: {
    flags: {
      output: textFlag("Where to write; '-' is standard output (default: <name>.bundle.wasm)", 'file'),
      dep: repeatedFlag('A dependency: a file, or a package of the registry', 'ns:name=file|ns:name[@range]'),
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
      parameters: [
        argument('Component: a file, or a package with a version or range if wanted', 'file|ns:name[@range]'),
      ],
    },
  },
  func: action<BundleFlags, [string]>(bundle),
});

/** Something that is composed, and where it is from. */
interface Part extends Dependency {
  readonly name: PackageName;
  readonly from: string;
}

async function bundle(
  context: CliContext,
  flags: BundleFlags,
  progress: Progress,
  target: string,
): Promise<CommandResult | null> {
  const named = (flags.dep ?? []).map(parseDependency);
  const isFile = await isFileName(target);
  const output = flags.output ?? `${defaultName(target, isFile)}.bundle.wasm`;
  const files = named.flatMap(({ file }) => file ?? []);
  if (output !== '-') await requireWritable(outputOf(output, flags), [...(isFile ? [target] : []), ...files]);
  const wanted = [
    ...(isFile ? [] : [parseRequirement(target)]),
    ...named.flatMap(({ requirement }) => requirement ?? []),
  ];
  const dependencies = await filesOf(named);
  const released = await dependenciesOf(wanted, { context, flags, progress });
  const asked = wanted.map((requirement) => partOf(released, requirement));
  const root = isFile ? await readFile(target) : (asked[0]?.bytes ?? new Uint8Array());
  progress.step('composing');
  const others = released.filter(
    ({ bytes, name }) => bytes !== root && !dependencies.some((part) => part.name === name),
  );
  const parts = [...dependencies, ...others];
  const composition = composeComponents({ root, dependencies: parts });
  if (output === '-') {
    await writeStandardOutput([composition.bytes]);
    return null;
  }
  progress.step(`writing ${output}`);
  await writeOutput(outputOf(output, flags), composition.bytes);
  return resultOf(target, output, { composition, parts, named: new Set(named.map(({ name }) => name)) });
}

function outputOf(file: string, { output }: BundleFlags): Parameters<typeof writeOutput>[0] {
  return { file, mode: OUTPUT_MODE, mayReplace: output !== undefined };
}

/** A name with a colon may be a file all the same, where there is one. */
async function isFileName(target: string): Promise<boolean> {
  try {
    return (await stat(target)).isFile();
  } catch (failure) {
    if (!hasCode(failure, 'ENOENT')) throw failure;
    if (/^[^/\\.]+:[^/\\]+$/.test(target)) return false;
    throw failure;
  }
}

function defaultName(target: string, isFile: boolean): string {
  return isFile ? path.basename(target).replace(/\.wasm$/, '') : parseRequirement(target).name.replace(/^.*:/, '');
}

/** What `--dep` says: a package in a file, or one of the registry. */
interface NamedDependency {
  readonly name: PackageName;
  readonly file: string | null;
  readonly requirement: Requirement | null;
}

function parseDependency(text: string): NamedDependency {
  // A range has '=' in it too, and only after an '@'.
  const [, name, file] = /^([^=@]+)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && file !== undefined) return { name: parsePackageName(name), file, requirement: null };
  const requirement = parseRequirement(text);
  return { name: requirement.name, file: null, requirement };
}

async function filesOf(named: readonly NamedDependency[]): Promise<Part[]> {
  const parts: Part[] = [];
  for (const { name, file } of named) {
    if (file !== null) parts.push({ name, version: null, supplies: 'any', bytes: await readFile(file), from: file });
  }
  return parts;
}

/** What the project here holds fast, and what is wanted besides with all that it needs: proven, and its bytes verified. */
async function dependenciesOf(
  wanted: readonly Requirement[],
  { context, flags, progress }: Omit<ProjectSession, 'client'>,
): Promise<Part[]> {
  const project = (await ProjectFiles.find(process.cwd())) === null ? null : await openProject();
  const held = project === null || project.lock === null ? null : requireLock(project);
  if (held === null && wanted.length === 0) return [];
  const client = await projectClient(context, flags, project ?? { wishes: wishesOf(''), lock: null });
  const session = { context, flags, progress, client };
  const proven: ProvenLock[] = [];
  if (held !== null && project !== null) proven.push(await verifyHeld(held, project, session));
  const beside = wanted.length === 0 ? null : await chosenBeside(held, wanted, session);
  if (beside !== null) proven.push(beside);
  const warnings = new Set(proven.flatMap(standingWarnings));
  for (const line of warnings) context.process.stderr.write(`warning: ${visibleLine(line)}\n`);
  const chosen = beside?.lock ?? null;
  const releases = new Map(
    [...(chosen?.releases ?? []), ...(held?.releases ?? [])].map((one) => [releaseText(one), one]),
  );
  const parts: Part[] = [];
  for (const [text, release] of releases) {
    progress.step(`fetching ${text}`);
    const supplies = reachOf(release, { chosen, held });
    const part = await fetched(release, supplies, session);
    if (part !== null) parts.push(part);
  }
  return parts;
}

/** Whoever names a package chose what it exports; what comes along with it was chosen by nobody. */
function reachOf(release: ReleaseId, locks: Readonly<Record<'chosen' | 'held', ProjectLock | null>>): SupplyReach {
  const isDirect = (lock: ProjectLock | null): boolean =>
    lock?.dependencies.some((direct) => releaseText(direct) === releaseText(release)) === true;
  if (isDirect(locks.chosen)) return 'any';
  return isDirect(locks.held) ? 'own before others' : 'own';
}

function wishesOf(manifestText: string): Project['wishes'] {
  return { manifest: parseManifest(manifestText), overrides: [] };
}

/** Releases of what is wanted, the ones that the project holds wherever they fit. */
async function chosenBeside(
  held: ProjectLock | null,
  wanted: readonly Requirement[],
  session: ProjectSession,
): Promise<ProvenLock> {
  let manifestText = '';
  for (const requirement of wanted) {
    const range = requirement.version ?? (await rangeHeld(held, requirement, session));
    manifestText = withDependency(manifestText, requirement.name, range);
  }
  const { context, flags, progress, client } = session;
  return chooseReleases(
    { wishes: wishesOf(manifestText), kept: held?.releases ?? [], previous: held },
    {
      client,
      cache: contentCacheOf(context),
      reader: surveyContent,
      clock: Date.now,
      policy: flags.allowAdvisory ? 'allow' : 'pass over',
      onStep: (what) => progress.step(what),
    },
  );
}

async function rangeHeld(held: ProjectLock | null, requirement: Requirement, session: ProjectSession): Promise<string> {
  const release = held?.releases.find(({ name }) => name === requirement.name);
  return release?.version ?? newestRange(requirement, session);
}

/** `null` for what is no component or core module, such as WIT, and has none in it: nothing of it could be run. */
async function fetched(
  { name, version, digest, kind }: LockedRelease,
  supplies: SupplyReach,
  { context, client }: ProjectSession,
): Promise<Part | null> {
  const parts = { client, cache: contentCacheOf(context) };
  const bytes = await readCode(await readContent(digest, parts), kind, parts);
  const found = bytes === null ? null : contentDependencies(bytes).kind;
  if (bytes === null || (found !== 'component' && found !== 'module')) return null;
  return { name, version, supplies, bytes, from: digest };
}

/** The release that was chosen for it: the project here may hold others. */
function partOf(released: readonly Part[], requirement: Requirement): Part {
  const part = released.find(({ name, supplies }) => name === requirement.name && supplies === 'any');
  if (part !== undefined) return part;
  throw new RegistryError('usage/invalid', `${requirement.name} is no component: nothing in it could be composed`);
}

interface Bundled {
  readonly composition: Composition;
  readonly parts: readonly Part[];
  /** What the command line names: of the rest, nobody asks whether it is needed. */
  readonly named: ReadonlySet<PackageName>;
}

function resultOf(target: string, output: string, { composition, parts, named }: Bundled): CommandResult {
  const { bytes, imports } = composition;
  const ordered = composition.composed.flatMap((dependency) => parts.find((part) => part === dependency) ?? []);
  const unused = parts.filter((part) => composition.unused.includes(part) && named.has(part.name));
  const digest = digestOf(bytes);
  const count = ordered.length === 1 ? '1 dependency' : `${ordered.length} dependencies`;
  const lines = [
    `${target} and ${count} → ${output} (${formatBytes(bytes.length)}, ${digest})`,
    ...ordered.map((part) => `  composed  ${titleOf(part)} (${part.from})`),
    ...imports.map((name) => `  imports   ${name}`),
    ...unused.map((part) => `  not used  ${titleOf(part)} (${part.from})`),
  ];
  const shown = ({ name, version, from }: Part) => ({ package: name, version, from });
  const json = {
    file: path.resolve(output),
    digest,
    size: bytes.length,
    composed: ordered.map(shown),
    imports: [...imports],
    unused: unused.map(shown),
  };
  return { text: lines.join('\n'), json };
}

function titleOf({ name, version }: Part): string {
  return version === null ? name : `${name}@${version}`;
}
