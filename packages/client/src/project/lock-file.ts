import {
  digestOf,
  parseDigest,
  parsePackageName,
  parseRecordId,
  parseVersion,
  RegistryError,
  utf8,
  type Digest,
  type RecordId,
  type SignedCheckpoint,
} from '@waybill/protocol';
import { releaseText, type ReleaseId } from '../resolve/package-source.ts';
import { compareReleases } from '../resolve/resolution.ts';
import { TomlReader, tomlText } from './toml-value.ts';

export const LOCK_FILE = 'waybill.lock';

/** Whether the content is one file, or the index of many. */
export const LOCKED_KINDS = ['file', 'tree'] as const;
export type LockedKind = (typeof LOCKED_KINDS)[number];

/** A release held fast: what it is, and where the log says so. */
export interface LockedRelease extends ReleaseId {
  readonly kind: LockedKind;
  readonly digest: Digest;
  /** Bytes of the content: of a tree, of its index. */
  readonly size: number;
  readonly recordId: RecordId;
  readonly registryIndex: number;
  readonly dependencies: readonly ReleaseId[];
  /** What it asks of the host, as people write it. */
  readonly hosts: readonly string[];
}

/** What a project takes, so that another machine takes the same from the same registry. */
export interface ProjectLock {
  readonly origin: string;
  readonly operatorKeyId: Digest;
  /** A head under which all of it was proven: whatever the registry shows later has to continue it. */
  readonly checkpoint: SignedCheckpoint;
  /** What the project asked for, as people write it. */
  readonly needs: readonly string[];
  readonly dependencies: readonly ReleaseId[];
  readonly hosts: readonly string[];
  /** By name and version. */
  readonly releases: readonly LockedRelease[];
}

const HEADER = '# Made by waybill: change waybill.toml instead, and run waybill install.\nversion = 1\n';

/** The one text of a lock. */
export function formatLock(lock: ProjectLock): string {
  const body = `\n${[...headLines(lock), ...lock.releases.toSorted(compareReleases).flatMap(releaseLines)].join('\n')}\n`;
  return `${HEADER}hash = ${tomlText(digestOf(utf8(body)))}\n${body}`;
}

function headLines({ origin, operatorKeyId, checkpoint, needs, dependencies, hosts }: ProjectLock): string[] {
  const { contents, keyId, signature } = checkpoint;
  return [
    '[registry]',
    `origin = ${tomlText(origin)}`,
    `operator-key = ${tomlText(operatorKeyId)}`,
    '',
    '[head]',
    `length = ${contents.logLength}`,
    `log-root = ${tomlText(contents.logRoot)}`,
    `map-root = ${tomlText(contents.mapRoot)}`,
    `time = ${contents.timestamp}`,
    `key = ${tomlText(keyId)}`,
    `signature = ${tomlText(signature)}`,
    '',
    '[project]',
    `needs = ${listText(needs)}`,
    `dependencies = ${listText(dependencies.map(releaseText))}`,
    `hosts = ${listText(hosts)}`,
  ];
}

function releaseLines(release: LockedRelease): string[] {
  const { name, version, kind, digest, size, recordId, registryIndex, dependencies, hosts } = release;
  return [
    '',
    '[[package]]',
    `name = ${tomlText(name)}`,
    `version = ${tomlText(version)}`,
    `kind = ${tomlText(kind)}`,
    `digest = ${tomlText(digest)}`,
    `size = ${size}`,
    `record = ${tomlText(recordId)}`,
    `index = ${registryIndex}`,
    `dependencies = ${listText(dependencies.map(releaseText))}`,
    `hosts = ${listText(hosts)}`,
  ];
}

/** One item a line, so that what two branches add can be told apart. */
function listText(items: readonly string[]): string {
  if (items.length === 0) return '[]';
  const lines = items.toSorted().map((item) => `  ${tomlText(item)},\n`);
  return `[\n${lines.join('')}]`;
}

/** Takes only the one text that {@link formatLock} gives: any other byte is refused. Throws `lock/invalid`. */
export function parseLock(text: string): ProjectLock {
  const file = TomlReader.open({ file: LOCK_FILE, text, code: 'lock/invalid' });
  if (file.count('version') !== 1) throw file.wrong('version', 'is not 1: a newer waybill has written it');
  const lock = lockIn(file);
  requireSound(lock);
  if (formatLock(lock) === text) return lock;
  throw damaged('it is not as waybill has written it, by one byte or more');
}

function lockIn(file: TomlReader): ProjectLock {
  const registry = file.table('registry');
  const project = file.table('project');
  return {
    origin: registry.text('origin'),
    operatorKeyId: registry.parsed('operator-key', parseDigest),
    checkpoint: checkpointIn(file.table('head')),
    needs: project.texts('needs'),
    dependencies: releasesIn(project, 'dependencies'),
    hosts: project.texts('hosts'),
    releases: file.tables('package').map(releaseIn),
  };
}

function checkpointIn(head: TomlReader): SignedCheckpoint {
  const contents = {
    logLength: head.count('length'),
    logRoot: head.parsed('log-root', parseDigest),
    mapRoot: head.parsed('map-root', parseDigest),
    timestamp: head.count('time'),
  };
  return { contents, keyId: head.text('key'), signature: head.text('signature') };
}

function releaseIn(table: TomlReader): LockedRelease {
  return {
    name: table.parsed('name', parsePackageName),
    version: table.parsed('version', parseVersion),
    kind: kindIn(table),
    digest: table.parsed('digest', parseDigest),
    size: table.count('size'),
    recordId: table.parsed('record', parseRecordId),
    registryIndex: table.count('index'),
    dependencies: releasesIn(table, 'dependencies'),
    hosts: table.texts('hosts'),
  };
}

function kindIn(table: TomlReader): LockedKind {
  const text = table.text('kind');
  const kind = LOCKED_KINDS.find((each) => each === text);
  if (kind === undefined) throw table.wrong('kind', `is ${text}; there are ${LOCKED_KINDS.join(', ')}`);
  return kind;
}

function releasesIn(table: TomlReader, key: string): ReleaseId[] {
  return table.parsedList(key, releaseFrom).toSorted(compareReleases);
}

function releaseFrom(text: string): ReleaseId {
  const at = text.indexOf('@');
  return { name: parsePackageName(text.slice(0, at)), version: parseVersion(text.slice(at + 1)) };
}

/** A lock that names what it does not hold would be installed in part. */
function requireSound({ dependencies, releases }: ProjectLock): void {
  const held = new Set(releases.map(releaseText));
  if (held.size !== releases.length) throw damaged('a release stands in it twice');
  const missing = [...dependencies, ...releases.flatMap((release) => release.dependencies)].find(
    (release) => !held.has(releaseText(release)),
  );
  if (missing !== undefined) throw damaged(`it needs ${releaseText(missing)}, and does not hold it`);
  requireReached({ dependencies, releases });
}

/** Whatever stands in it would be installed: what nothing leads to, nobody has asked for. */
function requireReached({ dependencies, releases }: Pick<ProjectLock, 'dependencies' | 'releases'>): void {
  const byText = new Map(releases.map((release) => [releaseText(release), release]));
  const reached = new Set(dependencies.map(releaseText));
  for (const text of reached) for (const next of byText.get(text)?.dependencies ?? []) reached.add(releaseText(next));
  const stray = releases.find((release) => !reached.has(releaseText(release)));
  if (stray !== undefined) throw damaged(`it holds ${releaseText(stray)}, which nothing needs`);
}

function damaged(why: string): RegistryError {
  return new RegistryError('lock/invalid', `${LOCK_FILE}: ${why}`, { file: LOCK_FILE });
}
