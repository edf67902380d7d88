import { isRegistryError } from '../../errors.ts';
import { parsePackageName, type PackageName } from '../../names/package-name.ts';
import { isPreRelease, parseVersion, type VersionText } from '../../names/version.ts';
import { parseComponentName, type DependencyName } from '../binary/import-name.ts';
import { WASM_LIMITS } from '../binary/limits.ts';
import { WasmOutlineReader } from '../binary/outline-reader.ts';
import type { WasmOutline } from '../binary/wasm-binary.ts';
import { KeptBytes } from '../kept-bytes.ts';
import { decodeWit } from './decode.ts';
import { WIT_PACKAGE_BYTES_MAX } from './model.ts';

/** What reading the dependencies of one content keeps in memory. */
export const DEPENDENCY_BYTES_MAX: number = WASM_LIMITS.keptBytes + WIT_PACKAGE_BYTES_MAX;

/** A package that some content names. */
export interface DependencyEdge {
  readonly name: PackageName;
  /** A version or a range, as npm writes it; `null` where none is said. */
  readonly range: string | null;
  /** An interface of the package is named, and whoever has it may give it: a host, too. Else the package itself is wanted. */
  readonly isInterface: boolean;
  /** The digest of what is wanted as the name states it (`sha256-…`): only in names of old. */
  readonly integrity: string | null;
}

/** What content is, and what it leads to. */
export interface ContentDependencies {
  /** `null` for what is no WebAssembly, or none that can be read here. */
  readonly kind: WasmOutline['kind'] | null;
  /** Each once, in the order of the names. */
  readonly edges: readonly DependencyEdge[];
}

/** The name of an import, with the attributes that say more of it. */
export interface ImportName {
  readonly name: string;
  /** The interface that a plain name stands for. */
  readonly implements: string | null;
  /** What was cut from the version of the name: `.6` of `@0.2`. */
  readonly versionSuffix: string | null;
}

/** The packages that content leads to: {@link DependencyReader} over bytes that are at hand. */
export function contentDependencies(bytes: Uint8Array): ContentDependencies {
  const reader = new DependencyReader();
  reader.update(bytes);
  return reader.finish();
}

/**
 * The packages that content leads to: those whose interfaces it imports, or, for a WIT package, copies from. Content in which
 * something is unknown leads to what is known of it. Content of any size comes in chunks, and at most
 * {@link DEPENDENCY_BYTES_MAX} of it are kept.
 */
export class DependencyReader {
  readonly #outline = new WasmOutlineReader();
  readonly #kept = new KeptBytes(WIT_PACKAGE_BYTES_MAX);
  #isReadable = true;

  update(chunk: Uint8Array): void {
    if (!this.#isReadable) return;
    this.#kept.add(chunk);
    this.#isReadable = unlessUnreadable(() => this.#outline.update(chunk)) !== null;
  }

  /** After the last byte. */
  finish(): ContentDependencies {
    const outline = this.#isReadable ? unlessUnreadable(() => this.#outline.finish()) : null;
    if (outline === null) return { kind: null, edges: [] };
    const { kind } = outline;
    if (kind === 'wit-package') return { kind, edges: copiedEdges(this.#kept.take()) };
    if (kind === 'module') {
      return { kind, edges: dependencyEdges(outline.imports.map(({ module }) => plainName(module))) };
    }
    return { kind, edges: dependencyEdges(outline.imports.map(({ name, attributes }) => ({ ...attributes, name }))) };
  }
}

/** Dependencies of a WIT package are there as copies of their types, under their own names. */
function copiedEdges(bytes: Uint8Array | null): DependencyEdge[] {
  const document = bytes === null ? null : unlessUnreadable(() => decodeWit(bytes));
  const packages = document?.dependencies ?? [];
  return packages.flatMap(({ id }) => {
    const version = id.version === null ? '' : `@${id.version}`;
    return dependencyEdges([plainName(`${id.namespace}:${id.name}/any${version}`)]);
  });
}

function plainName(name: string): ImportName {
  return { name, implements: null, versionSuffix: null };
}

function unlessUnreadable<T>(read: () => T): T | null {
  try {
    return read();
  } catch (failure) {
    if (isRegistryError(failure, 'content/malformed', 'content/not-analysed', 'content/policy')) return null;
    throw failure;
  }
}

/** The packages that import names lead to. What leads to no package is left out. */
export function dependencyEdges(imports: readonly ImportName[]): DependencyEdge[] {
  const edges = new Map<string, DependencyEdge>();
  for (const each of imports) {
    const edge = edgeOf(each);
    if (edge === null) continue;
    edges.set(`${edge.name} ${edge.range} ${edge.isInterface} ${edge.integrity}`, edge);
  }
  return [...edges.values()];
}

function edgeOf({ name, implements: implemented, versionSuffix }: ImportName): DependencyEdge | null {
  const parsed = parseComponentName(implemented ?? name);
  if (parsed.type !== 'interface' && parsed.type !== 'dependency') return null;
  const packageName = unlessNoName(() => parsePackageName(`${parsed.namespace}:${parsed.package}`));
  if (packageName === null) return null;
  const { range, integrity } =
    parsed.type === 'dependency'
      ? { range: dependencyRange(parsed), integrity: parsed.integrity }
      : { range: interfaceRange(parsed.version, versionSuffix ?? ''), integrity: null };
  if (range === undefined) return null;
  return { name: packageName, range, isInterface: parsed.type === 'interface', integrity };
}

/** What is left of a version when only what decides about compatibility is written: `1`, `0.2`. */
const COMPATIBILITY = /^(?:[1-9][0-9]{0,17}|0\.[1-9][0-9]{0,17})$/;

/**
 * Whoever has 0.2.6 needs it or what took its place, up to 0.3: what the component model calls compatible. `undefined` for what
 * is no version.
 */
function interfaceRange(text: string | null, suffix: string): string | null | undefined {
  if (text === null) return null;
  const whole = `${text}${suffix}`;
  if (COMPATIBILITY.test(whole)) return `^${whole}`;
  const version = versionIn(whole);
  if (version === null) return undefined;
  // Nothing is promised about a pre-release, so that only it itself will do.
  return isPreRelease(version) ? version : `^${version}`;
}

/** `undefined` where a version is none. */
function dependencyRange({ isLocked, version, lower, upper }: DependencyName): string | null | undefined {
  if (isLocked) return version === null ? null : (versionIn(version) ?? undefined);
  const bounds = [
    { sign: '>=', bound: lower },
    { sign: '<', bound: upper },
  ].flatMap(({ sign, bound }) => (bound === null ? [] : [{ sign, version: versionIn(bound) }]));
  if (bounds.some((bound) => bound.version === null)) return undefined;
  return bounds.length === 0 ? '*' : bounds.map((bound) => `${bound.sign}${bound.version}`).join(' ');
}

function versionIn(text: string): VersionText | null {
  return unlessNoName(() => parseVersion(text));
}

function unlessNoName<T>(read: () => T): T | null {
  try {
    return read();
  } catch (failure) {
    if (isRegistryError(failure, 'text/package-name', 'text/version')) return null;
    throw failure;
  }
}
