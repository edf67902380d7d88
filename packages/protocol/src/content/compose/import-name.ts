import { isRegistryError } from '../../errors.ts';
import { comparePrecedence, parseVersion, type VersionText } from '../../names/version.ts';
import type { NameAttributes } from './type-node.ts';

/** What the name of an import or export says about where it comes from. */
export type ImportName =
  /** An interface of a package: `ns:package/interface@version`. */
  | {
      readonly type: 'interface';
      readonly interfaceName: string;
      readonly packageName: string;
      readonly version: VersionText | null;
    }
  /** A whole package, as older tools name it: `locked-dep=<ns:package@version>`, perhaps with an integrity. */
  | { readonly type: 'package'; readonly packageName: string; readonly integrity: string | null }
  | { readonly type: 'plain' };

const INTERFACE = /^(?<interfaceName>(?<packageName>[^/@<>=]+:[^/@<>=]+)\/[^@<>=]+)(?:@(?<version>[^<>=]+))?$/;
const DEPENDENCY = /^(?:un)?locked-dep=<(?<packageName>[^@<>]+)(?:@[^<]*)?>(?:,integrity=<(?<integrity>[^<>]+)>)?$/;
const PLAIN_PACKAGE = /^[^/@<>=:]+:[^/@<>=:]+$/;

export function parseImportName(name: string, attributes: NameAttributes): ImportName {
  const text = attributes.implements ?? name;
  const dependency = DEPENDENCY.exec(text)?.groups;
  if (dependency?.['packageName'] !== undefined) {
    return { type: 'package', packageName: dependency['packageName'], integrity: dependency['integrity'] ?? null };
  }
  if (PLAIN_PACKAGE.test(text)) return { type: 'package', packageName: text, integrity: null };
  const { interfaceName, packageName, version } = INTERFACE.exec(text)?.groups ?? {};
  if (interfaceName === undefined || packageName === undefined) return { type: 'plain' };
  const said = version === undefined ? null : fullVersion(version + (attributes.versionSuffix ?? ''));
  // A version that is none stays part of the name: only the very same name is equal.
  if (said === undefined) return { type: 'interface', interfaceName: text, packageName, version: null };
  return { type: 'interface', interfaceName, packageName, version: said };
}

/** `1` and `0.2` are versions cut down to their compatible part. */
function fullVersion(text: string): VersionText | undefined {
  const padded = /^\d+$/.test(text) ? `${text}.0.0` : /^\d+\.\d+$/.test(text) ? `${text}.0` : text;
  try {
    return parseVersion(padded);
  } catch (failure) {
    if (isRegistryError(failure, 'text/version')) return undefined;
    throw failure;
  }
}

/** Two versions with one track can stand for each other: `1`, `0.2`, and for the rest the version itself. */
export function trackOf(version: VersionText): string {
  const [major = '', minor = ''] = version.split('.');
  if (/[-]/.test(version.split('+')[0] ?? '')) return version;
  if (major !== '0') return major;
  return minor === '0' ? version : `0.${minor}`;
}

/** The higher of two versions first; one that says nothing last. */
export function byVersionDown(a: VersionText | null, b: VersionText | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return comparePrecedence(b, a);
}
