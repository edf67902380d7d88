import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { parseRequirement, type Registry } from '@waybill/client';
import { hasCode, readWitText } from '@waybill/client/node';
import {
  digestOf,
  isRegistryError,
  parseVersion,
  RegistryError,
  type Digest,
  type JsonValue,
  type PackageName,
  type VersionText,
} from '@waybill/protocol';
import {
  encodeWit,
  parseWit,
  readInterface,
  requireReleaseName,
  type InterfaceReading,
  type VersionedInterface,
} from '@waybill/protocol/content';
import type { CliContext } from './context.ts';
import { formatBytes, type Progress } from './progress.ts';
import { openRegistry, type RegistryFlags } from './session.ts';
import { visibleLine } from './visible-text.ts';

/** Larger content is not held in memory to be read. */
export const INTERFACE_BYTES_MAX = 128 * 1024 * 1024;

/** What an argument means that names a release or a file: an interface, and where it comes from. */
export interface NamedInterface extends VersionedInterface {
  /** For a person. */
  readonly title: string;
  /** Of the bytes; those of the binary form for WIT text. */
  readonly digest: Digest;
  /** `null` for a file. */
  readonly package: PackageName | null;
}

export interface ArgumentParts {
  readonly context: CliContext;
  readonly flags: RegistryFlags;
  readonly progress: Progress;
}

/** Whether an argument is a release; else it is a path. A file whose name has a colon is named with `./` before it. */
export function isReleaseText(text: string): boolean {
  return /^[^./\\]+:/.test(text);
}

/**
 * Reads the interface of a release, fetched and verified, of a tree that of its component, or of a file: WebAssembly, or WIT text as a file or a folder. Throws
 * as {@link Registry.getCode} and {@link readInterface}, `content/policy` for a WIT package that says that it is another release,
 * and `content/wit`.
 */
export async function readInterfaceArgument(parts: ArgumentParts, text: string): Promise<NamedInterface> {
  return isReleaseText(text) ? readRelease(parts, text) : readPath(text);
}

async function readRelease({ context, flags, progress }: ArgumentParts, text: string): Promise<NamedInterface> {
  parseRequirement(text);
  progress.step('verifying the log');
  const registry = await openRegistry(context, flags);
  const found = await registry.find(text);
  for (const warning of found.warnings) context.process.stderr.write(`warning: ${visibleLine(warning.text)}\n`);
  return readFound(registry, found, { bytesMax: INTERFACE_BYTES_MAX, progress });
}

/** Throws as {@link readInterfaceArgument}. */
export async function readFound(
  registry: Registry,
  found: Awaited<ReturnType<Registry['find']>>,
  { bytesMax, progress }: { readonly bytesMax: number; readonly progress: Progress },
): Promise<NamedInterface> {
  const { version } = found.release;
  const title = `${found.package}@${version}`;
  const { bytes, digest } = await registry.getCode(found, {
    bytesMax,
    onProgress: (received) => progress.step(`received ${formatBytes(received)}`),
  });
  const reading = named(title, () => readInterface(bytes));
  if (reading.kind === 'wit-package') requireReleaseName(reading.document.main.id, { name: found.package, version });
  return { title, digest, package: found.package, version, reading };
}

async function readPath(source: string): Promise<NamedInterface> {
  const stats = await statOf(source);
  if (stats.isDirectory() || isWitText(source)) {
    const document = parseWit(await readWitText(source));
    const digest = digestOf(encodeWit(document));
    return asNamed(source, digest, { kind: 'wit-package', document });
  }
  if (!stats.isFile()) throw new RegistryError('usage/invalid', `${source} is not a file`);
  if (stats.size > INTERFACE_BYTES_MAX) {
    throw new RegistryError('usage/invalid', `${source} has more than ${INTERFACE_BYTES_MAX} bytes: too many to read`);
  }
  const bytes = await readFile(source);
  return asNamed(
    source,
    digestOf(bytes),
    named(source, () => readInterface(bytes)),
  );
}

/** Whoever leaves out the namespace meant a release. */
async function statOf(source: string): Promise<Stats> {
  try {
    return await stat(source);
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT')) throw cause;
    const message = `there is no file ${source}; a release is written namespace:name, or namespace:name@version`;
    throw new RegistryError('usage/invalid', message, {}, { cause });
  }
}

/** By its name: WIT text has no mark of its own. */
export function isWitText(file: string): boolean {
  return file.endsWith('.wit');
}

/** A WIT package says its version itself, and nothing else does. */
function asNamed(source: string, digest: Digest, reading: InterfaceReading): NamedInterface {
  const { version } = reading.document.main.id;
  return { title: source, digest, package: null, version: version === null ? null : versionIn(version), reading };
}

/** A binary may have any text as a version. */
function versionIn(text: string): VersionText | null {
  try {
    return parseVersion(text);
  } catch (failure) {
    if (isRegistryError(failure, 'text/version')) return null;
    throw failure;
  }
}

/** Says of which file an error is. */
function named(title: string, read: () => InterfaceReading): InterfaceReading {
  try {
    return read();
  } catch (failure) {
    if (!(failure instanceof RegistryError)) throw failure;
    throw new RegistryError(failure.code, `${title}: ${failure.message}`, failure.detail, { cause: failure });
  }
}

/** What a result says of a side. */
export function interfaceBody({ title, digest, version, package: name, reading }: NamedInterface): {
  readonly [key: string]: JsonValue;
} {
  return { [name === null ? 'file' : 'release']: title, digest, version, kind: reading.kind };
}
