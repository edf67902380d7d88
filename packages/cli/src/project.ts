import path from 'node:path';
import {
  chooseReleases,
  formatLock,
  formatWkgLock,
  isUpToDate,
  LOCK_FILE,
  MANIFEST_FILE,
  projectNeeds,
  requireAgreement,
  surveyContent,
  verifyLock,
  WKG_LOCK_FILE,
  wkgLockOf,
  type ProjectLock,
  type ProjectWishes,
  type ProvenLock,
  type RegistryClient,
  type ReleaseId,
} from '@waybill/client';
import { installProject, inTurn, ProjectFiles, type InstalledFile } from '@waybill/client/node';
import { RegistryError, type PackageName } from '@waybill/protocol';
import type { CliContext } from './context.ts';
import type { Progress } from './progress.ts';
import { contentCacheOf, openClient, type RegistryFlags } from './session.ts';

/** Flags of the commands that choose releases for a project. */
export interface ProjectFlags extends RegistryFlags {
  readonly allowAdvisory?: boolean;
  readonly requireAuthor?: boolean;
  readonly json?: boolean;
}

/** The project here, with what its files say. */
export interface Project {
  readonly files: ProjectFiles;
  readonly manifestText: string;
  readonly wishes: ProjectWishes;
  readonly lock: ProjectLock | null;
}

/** Throws `usage/invalid` where there is none, and for files that cannot be read; `lock/invalid`. */
export async function openProject(): Promise<Project> {
  const files = await ProjectFiles.find(process.cwd());
  if (files !== null) return projectIn(files);
  throw new RegistryError(
    'usage/invalid',
    `there is no ${MANIFEST_FILE} here or in a folder above: begin one with waybill add <namespace:name>`,
  );
}

/** The project here, else an empty one in this folder. */
export async function openOrBeginProject(): Promise<Project> {
  return projectIn((await ProjectFiles.find(process.cwd())) ?? new ProjectFiles(process.cwd()));
}

/** Changes the project that `open` finds, when it is this command's turn: what it says is read then. */
export async function changeProject<T>(
  open: () => Promise<Project>,
  change: (project: Project) => Promise<T>,
): Promise<T> {
  const { files } = await open();
  return inTurn(files.folder, async () => change(await open()));
}

async function projectIn(files: ProjectFiles): Promise<Project> {
  const manifestText = await files.manifestText();
  return { files, manifestText, wishes: await files.wishes(manifestText), lock: await files.lock() };
}

/** Throws `lock/outdated`. */
export function requireLock({ lock, wishes }: Project): ProjectLock {
  if (lock === null) throw new RegistryError('lock/outdated', `there is no ${LOCK_FILE}, which says what to install`);
  if (isUpToDate(lock, wishes)) return lock;
  throw new RegistryError('lock/outdated', `${LOCK_FILE} does not answer what ${MANIFEST_FILE} asks for now`);
}

/**
 * The client of a project: its own registry where nobody names another, and on first contact the operator whom the lock has
 * pinned.
 */
export async function projectClient(
  context: CliContext,
  flags: RegistryFlags,
  { wishes, lock }: Pick<Project, 'wishes' | 'lock'>,
): Promise<RegistryClient> {
  const own = context.process.env['WAYBILL_REGISTRY'] ? undefined : wishes.manifest.registry?.href;
  const registry = flags.registry ?? own;
  const operatorKey = flags.operatorKey ?? lock?.operatorKeyId;
  return openClient(context, {
    ...flags,
    ...(registry === undefined ? {} : { registry }),
    ...(operatorKey === undefined ? {} : { operatorKey }),
  });
}

/** What a command works with. */
export interface ProjectSession {
  readonly context: CliContext;
  readonly flags: ProjectFlags;
  readonly progress: Progress;
  readonly client: RegistryClient;
}

/** A choice of releases, from what was kept of the lock, or, where there was none, of wkg's. */
export async function choose(
  project: Pick<Project, 'files' | 'wishes' | 'lock'>,
  kept: readonly ReleaseId[] | null,
  { context, flags, progress, client }: ProjectSession,
): Promise<ProvenLock> {
  const wkg = kept === null ? await project.files.wkgLock() : null;
  return chooseReleases(
    { wishes: project.wishes, kept: kept ?? wkg ?? [], previous: project.lock },
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

/** What is put into a project. */
export interface Installation {
  readonly project: Pick<Project, 'files' | 'wishes' | 'lock'>;
  readonly proven: ProvenLock;
  /** Written with it; `null` where it stays. */
  readonly manifestText: string | null;
  /** Of files that say what is needed none is written, whatever they lack. */
  readonly isFrozen: boolean;
}

/** Fetches what a lock names, and puts it in place together with the files that say so. */
export async function install(
  { project, proven, manifestText, isFrozen }: Installation,
  { context, progress, client }: ProjectSession,
): Promise<InstalledFile[]> {
  const { files } = project;
  const { lock } = proven;
  requireAgreement(lock, (await files.wkgLock()) ?? []);
  const wkgLock = isFrozen ? null : await wkgLockText(project, lock, client);
  return installProject({
    folder: files.folder,
    proven,
    previous: project.lock,
    client,
    cache: contentCacheOf(context),
    reader: surveyContent,
    overrides: project.wishes.overrides,
    onStep: (what) => progress.step(what),
    async onStaged() {
      if (isFrozen) return;
      if (manifestText !== null) await files.write(MANIFEST_FILE, manifestText);
      // Before our own: as long as that is the old one, whoever is interrupted here chooses again, and writes both.
      if (wkgLock !== null) await files.write(WKG_LOCK_FILE, wkgLock);
      if (lock !== project.lock) await files.write(LOCK_FILE, formatLock(lock));
    },
  });
}

/**
 * The same for wkg, which names a registry by its host where its configuration says nothing else; `null` where wkg has no use for
 * it.
 */
async function wkgLockText(
  { files, wishes }: Installation['project'],
  lock: ProjectLock,
  { api }: RegistryClient,
): Promise<string | null> {
  const previous = (await files.wkgLock()) ?? [];
  const needs = await files.wkgNeeds(wishes.overrides);
  const registry = api.transport.baseUrl.host;
  return needs === null ? null : formatWkgLock(wkgLockOf({ needs, lock, previous, registry }));
}

/** Holds a lock against the log. */
export async function verifyHeld(
  lock: ProjectLock,
  { wishes }: Pick<Project, 'wishes'>,
  { client, progress }: ProjectSession,
): Promise<ProvenLock> {
  progress.step('verifying the log');
  return verifyLock(client, lock, projectNeeds(wishes));
}

/** What is kept of a lock when some packages are to be chosen anew; all of them where none is named. Throws `usage/invalid`. */
export function keptBut(lock: ProjectLock | null, names: readonly PackageName[]): readonly ReleaseId[] {
  if (names.length === 0 || lock === null) return [];
  const missing = names.find((name) => !lock.releases.some((release) => release.name === name));
  if (missing !== undefined) throw new RegistryError('usage/invalid', `${LOCK_FILE} holds no ${missing}`);
  return lock.releases.filter(({ name }) => !names.includes(name));
}

/** A file as the person sees it from where they are. */
export function shownFile({ folder }: ProjectFiles, file: string): string {
  return path.relative(process.cwd(), path.join(folder, file)) || '.';
}
