import { buildCommand, type Command } from '@stricli/core';
import {
  isUpToDate,
  lockChanges,
  MANIFEST_FILE,
  parseRequirement,
  releasesOf,
  releaseText,
  resolveRelease,
  wayTo,
  withDependency,
  type LockChanges,
  type LockedRelease,
  type ProjectLock,
  type ProvenLock,
  type ReleaseId,
  type Requirement,
  type VerifiedPackage,
} from '@waybill/client';
import type { InstalledFile } from '@waybill/client/node';
import { isStable, parsePackageName, RegistryError, type JsonValue, type VersionText } from '@waybill/protocol';
import { trackOf } from '@waybill/protocol/content';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, jsonFlag, registryFlags } from '../flags.ts';
import { formatBytes, type Progress } from '../progress.ts';
import {
  changeProject,
  choose,
  install,
  keptBut,
  openOrBeginProject,
  openProject,
  projectClient,
  requireLock,
  shownFile,
  verifyHeld,
  type Installation,
  type Project,
  type ProjectFlags,
  type ProjectSession,
} from '../project.ts';
import { custodialReleases, custodyLines } from '../project-custody.ts';
import { visibleLine } from '../visible-text.ts';
import { verifiedPackage, warningsOf } from './get.ts';

const projectFlags = {
  allowAdvisory: { kind: 'boolean', brief: 'Take also what an advisory affects', optional: true, withNegated: false },
  ...registryFlags,
} as const;

const changingFlags = {
  requireAuthor: {
    kind: 'boolean',
    brief: "Take nothing that the registry's gateway signed for somebody",
    optional: true,
    withNegated: false,
  },
  ...projectFlags,
} as const;

export const addCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Add a dependency to the project here, and install it',
    fullDescription: `Writes the range into waybill.toml, what was chosen into waybill.lock, and the files into the project. Without a range: what
is compatible with the newest stable release. Where there is no project, one begins in this folder.

  waybill add demo:hello
  waybill add 'demo:hello@^1.2'
  waybill add demo:hello@1.2.3             exactly this release`,
  },
  parameters: {
    flags: changingFlags,
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted', 'ns:name[@range]')],
    },
  },
  func: action<ProjectFlags, [string]>((context, flags, progress, target) => {
    const requirement = parseRequirement(target);
    return changeProject(openOrBeginProject, async (project) => {
      const session = { context, flags, progress, client: await projectClient(context, flags, project) };
      const range = requirement.version ?? (await newestRange(requirement, session));
      const manifestText = withDependency(project.manifestText, requirement.name, range);
      const wishes = await project.files.wishes(manifestText);
      const proven = await choose({ ...project, wishes }, project.lock?.releases ?? null, session);
      return installed({ project, proven, manifestText, isFrozen: false }, session);
    });
  }),
});

/** Compatible with the newest stable release. */
export async function newestRange(requirement: Requirement, { client, flags }: ProjectSession): Promise<string> {
  const log = await verifiedPackage(client, requirement);
  const { release } = resolveRelease(log, requirement, flags.allowAdvisory ? 'allow' : 'pass over');
  return `^${release.version}`;
}

interface InstallFlags extends ProjectFlags {
  readonly frozen?: boolean;
}

export const installCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Install what the project here needs',
    fullDescription: `Takes what waybill.lock holds. Where waybill.toml asks for more than that, chooses, keeps what fits, and writes the lock.
With --frozen nothing is chosen and no file but what is installed is written: a lock that does not fit is an error.

WIT goes to wit/deps, as wkg puts it; all else to wasm/deps. Both folders are replaced at once, when everything in them is verified:
the log continues the one that the lock was made under, and holds each release where the lock says.

  waybill install
  waybill install --frozen                 on another machine, or in CI`,
  },
  parameters: {
    flags: {
      frozen: { kind: 'boolean', brief: 'Take the lock as it is, or fail', optional: true, withNegated: false },
      ...changingFlags,
    },
  },
  func: action<InstallFlags, []>((context, flags, progress) =>
    changeProject(openProject, async (project) => {
      const held = flags.frozen ? requireLock(project) : project.lock;
      const session = { context, flags, progress, client: await projectClient(context, flags, project) };
      const isHeld = held !== null && isUpToDate(held, project.wishes);
      const proven = isHeld
        ? await verifyHeld(held, project, session)
        : await choose(project, held?.releases ?? null, session);
      return installed({ project, proven, manifestText: null, isFrozen: flags.frozen ?? false }, session);
    }),
  ),
});

export const updateCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Choose newer releases for the project here',
    fullDescription: `The newest that the ranges in waybill.toml and of all dependencies allow; with packages, of these alone as far as that goes. What a
new release asks for and the old one did not is said. The newest head, without a project: waybill head.

  waybill update
  waybill update demo:hello`,
  },
  parameters: {
    flags: changingFlags,
    positional: { kind: 'array', parameter: argument('Packages', 'ns:name') },
  },
  func: action<ProjectFlags, string[]>((context, flags, progress, ...names) =>
    changeProject(openProject, async (project) => {
      const kept = keptBut(project.lock, names.map(parsePackageName));
      const session = { context, flags, progress, client: await projectClient(context, flags, project) };
      const proven = await choose(project, kept, session);
      return installed({ project, proven, manifestText: null, isFrozen: false }, session);
    }),
  ),
});

/** Installs, and says what has changed. */
async function installed(installation: Installation, session: ProjectSession): Promise<CommandResult> {
  const { project, proven } = installation;
  const { lock } = proven;
  const custodial = custodialReleases(proven, session.flags);
  const files = await install(installation, session);
  const changes = lockChanges(project.lock, lock);
  const warnings = warningsAbout(proven, changes);
  for (const line of warnings) session.context.process.stderr.write(`warning: ${visibleLine(line)}\n`);
  const size = lock.releases.reduce((sum, release) => sum + release.size, 0);
  const summary = `${lock.releases.length} packages installed (${formatBytes(size)}, verified)`;
  const hosts = hostLines(lock);
  return {
    text: [...changeLines(changes), ...hosts, ...custodyLines(custodial).map(visibleLine), summary].join('\n'),
    json: {
      ...installedBody(installation, files, changes),
      custodial: custodial.map(({ release, account }) => ({ release: releaseText(release), onBehalfOf: account })),
      warnings,
    },
  };
}

/** What is said of releases that a lock holds: that they were yanked, are affected by an advisory, or deprecated. */
export function standingWarnings({ lock, view }: ProvenLock): string[] {
  return lock.releases.flatMap(({ name, version }) => {
    const log = view.packages.get(name);
    const said = log === undefined ? [] : warningsOf(name, resolveRelease(log, { name, version }, 'allow'));
    return said.map((line) => (line.startsWith(name) ? line : `${name}: ${line}`));
  });
}

/** What has happened to releases since they were locked, and what is new about those that were not. */
function warningsAbout(proven: ProvenLock, { asksAnew }: LockChanges): string[] {
  const anew = asksAnew.map(
    ({ release, what }) => `${releaseText(release)} asks for ${what.join(', ')}, which the release before it did not`,
  );
  return [...standingWarnings(proven), ...anew];
}

function changeLines({ added, removed, changed }: LockChanges): string[] {
  return [
    ...added.map((release) => `+ ${releaseText(release)}`),
    ...removed.map((release) => `- ${releaseText(release)}`),
    ...changed.map(({ from, to }) => `  ${releaseText(from)} → ${to.version}`),
  ];
}

function hostLines({ hosts, releases }: ProjectLock): string[] {
  const all = new Set([...hosts, ...releases.flatMap((release) => release.hosts)]);
  return all.size === 0 ? [] : [`left to the host: ${[...all].toSorted().join(', ')}`];
}

function installedBody(
  { project, proven: { lock } }: Installation,
  files: readonly InstalledFile[],
  { added, removed, changed, asksAnew }: LockChanges,
): Readonly<Record<string, JsonValue>> {
  const fileOf = new Map(files.map((each) => [releaseText(each), shownFile(project.files, each.file)]));
  return {
    head: lock.checkpoint.contents.logLength,
    packages: lock.releases.map(({ name, version, digest, size, recordId, registryIndex, dependencies, hosts }) => ({
      package: name,
      version,
      digest,
      size,
      recordId,
      registryIndex,
      file: fileOf.get(releaseText({ name, version })) ?? null,
      dependencies: dependencies.map(releaseText),
      hosts: [...hosts],
    })),
    added: added.map(releaseText),
    removed: removed.map(releaseText),
    changed: changed.map(({ from, to }) => ({ from: releaseText(from), to: releaseText(to) })),
    asksAnew: asksAnew.map(({ release, what }) => ({ release: releaseText(release), asksFor: [...what] })),
  };
}

export const whyCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show why a package is in the project here',
    fullDescription: `The way from waybill.toml to each release of it in waybill.lock, and all that need it directly. Asks no registry.

  waybill why demo:hello`,
  },
  parameters: { flags: jsonFlag, positional: { kind: 'tuple', parameters: [argument('Package', 'ns:name')] } },
  func: action<CommonFlags, [string]>(async (_context, _flags, _progress, text) => {
    const name = parsePackageName(text);
    const lock = requireLock(await openProject());
    const found = lock.releases.filter((release) => release.name === name);
    if (found.length === 0) throw new RegistryError('release/not-found', `nothing in the project needs ${name}`);
    const reasons = found.map((release) => ({ release, way: wayTo(lock, release), by: directlyBy(lock, release) }));
    return {
      text: reasons
        .map(({ release, way, by }) =>
          [releaseText(release), `  ${wayText(way)}`, `  needed by ${by.join(', ')}`].join('\n'),
        )
        .join('\n'),
      json: reasons.map(({ release, way, by }) => ({
        release: releaseText(release),
        way: way.map(releaseText),
        neededBy: by,
      })),
    };
  }),
});

function wayText(way: readonly ReleaseId[]): string {
  return [MANIFEST_FILE, ...way.map(releaseText)].join(' → ');
}

function directlyBy({ dependencies, releases }: ProjectLock, { name, version }: ReleaseId): string[] {
  const isIt = (each: ReleaseId): boolean => each.name === name && each.version === version;
  const others = releases.filter((release) => release.dependencies.some(isIt)).map(releaseText);
  return dependencies.some(isIt) ? [MANIFEST_FILE, ...others] : others;
}

/** A release of the lock beside what there is. */
interface Standing {
  readonly release: LockedRelease;
  /** The newest of its track that may be taken. */
  readonly compatible: VersionText;
  readonly newest: VersionText;
}

/** It takes nothing. */
type OutdatedFlags = Omit<ProjectFlags, 'requireAuthor'>;

export const outdatedCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show which dependencies have newer releases',
    fullDescription: `Of each release in waybill.lock: the newest compatible one, and the newest of all that is stable. Nothing is changed.

  waybill outdated`,
  },
  parameters: { flags: projectFlags },
  func: action<OutdatedFlags, []>(outdated),
});

async function outdated(context: CliContext, flags: OutdatedFlags, progress: Progress): Promise<CommandResult> {
  const project: Project = await openProject();
  const lock = requireLock(project);
  const client = await projectClient(context, flags, project);
  progress.step('verifying the log');
  const view = await client.view([...new Set(lock.releases.map(({ name }) => name))]);
  const standings = lock.releases.flatMap((release): Standing[] => {
    const log = view.packages.get(release.name);
    const standing = log === undefined ? null : standingOf(release, log, flags);
    return standing === null ? [] : [standing];
  });
  return {
    text: standings.length === 0 ? 'everything is as new as it can be' : standings.map(standingLine).join('\n'),
    json: standings.map(({ release, compatible, newest }) => ({
      package: release.name,
      locked: release.version,
      compatible,
      newest,
    })),
  };
}

function standingLine({ release, compatible, newest }: Standing): string {
  return `${release.name}  ${release.version}  compatible ${compatible}  newest ${newest}`;
}

/** `null` where there is nothing newer. */
function standingOf(release: LockedRelease, log: VerifiedPackage, flags: ProjectFlags): Standing | null {
  const policy = flags.allowAdvisory ? 'allow' : 'pass over';
  const stable = releasesOf({ log, policy, locked: new Set() }).takes('*').filter(isStable);
  const track = trackOf(release.version);
  const compatible = stable.find((version) => trackOf(version) === track) ?? release.version;
  const newest = stable[0] ?? release.version;
  const isCurrent = compatible === release.version && newest === release.version;
  return isCurrent ? null : { release, compatible, newest };
}
