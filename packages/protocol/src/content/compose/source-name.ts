import { isRegistryError } from '../../errors.ts';
import { comparePrecedence, parseVersion, type VersionText } from '../../names/version.ts';
import type { NameAttributes } from '../binary/component-type.ts';
import { parseComponentName, type DependencyName } from '../binary/import-name.ts';

/** What the name of an import or export says about where it comes from. */
export type SourceName =
  /** An interface of a package. */
  | {
      readonly type: 'interface';
      readonly interfaceName: string;
      readonly packageName: string;
      readonly version: VersionText | null;
    }
  /** A whole package, as tools wrote it until 2026. */
  | ({ readonly type: 'package'; readonly packageName: string } & DependencyName)
  | { readonly type: 'none' };

export function parseSourceName(name: string, attributes: NameAttributes): SourceName {
  const said = parseComponentName(attributes.implements ?? name);
  if (said.type !== 'interface' && said.type !== 'dependency') return { type: 'none' };
  const packageName = `${said.namespace}:${said.package}`;
  if (said.type === 'dependency') return { ...said, type: 'package', packageName };
  const interfaceName = `${packageName}/${said.interface}`;
  if (said.version === null) return { type: 'interface', interfaceName, packageName, version: null };
  const version = fullVersion(said.version + (attributes.versionSuffix ?? ''));
  return version === null ? { type: 'none' } : { type: 'interface', interfaceName, packageName, version };
}

/** `1` and `0.2` are versions cut down to their compatible part. */
function fullVersion(text: string): VersionText | null {
  const padded = /^\d+$/.test(text) ? `${text}.0.0` : /^\d+\.\d+$/.test(text) ? `${text}.0` : text;
  try {
    return parseVersion(padded);
  } catch (failure) {
    if (isRegistryError(failure, 'text/version')) return null;
    throw failure;
  }
}

/** Whether a release is one that a name of old asks for; a release whose version nobody says is. */
export function isAskedFor({ version, lower, upper }: DependencyName, given: VersionText | null): boolean {
  if (given === null) return true;
  if (version !== null) return version === given;
  const [from, to] = [lower, upper].map((bound) => (bound === null ? null : fullVersion(bound)));
  return (from == null || comparePrecedence(given, from) >= 0) && (to == null || comparePrecedence(given, to) < 0);
}

/** The higher of two versions first; one that says nothing last. */
export function byVersionDown(a: VersionText | null, b: VersionText | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return comparePrecedence(b, a);
}
