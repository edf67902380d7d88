import { isHex } from '../bytes/hex.ts';
import { RegistryError } from '../errors.ts';
import { isKebab, parsePackageName, type PackageName } from '../names/package-name.ts';
import { parseVersion, type VersionText } from '../names/version.ts';

declare const repositoryName: unique symbol;
declare const tagName: unique symbol;
declare const ociDigest: unique symbol;

/** `<component>/<component>…` (spec/oci.md 2.1). */
export type RepositoryName = string & { readonly [repositoryName]: true };

/** A name that moves, in a repository (spec/oci.md 2.2). */
export type TagName = string & { readonly [tagName]: true };

/** `sha256:` and 64, or `sha512:` and 128 lower-case hex digits (spec/oci.md 2.3). A `Digest` is one, too. */
export type OciDigest = string & { readonly [ociDigest]: true };

export type OciAlgorithm = 'sha256' | 'sha512';

/** Hex digits of each algorithm's digests. */
const HEX_DIGITS: Readonly<Record<OciAlgorithm, number>> = { sha256: 64, sha512: 128 };

/** Clients cap host and name together at 255 characters; a path of ours stays below it with room for a host. */
export const REPOSITORY_LENGTH_MAX = 200;

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** What stands behind `/manifests/`. */
export type OciReference = { readonly digest: OciDigest } | { readonly tag: TagName };

/** Throws `oci/name`. */
export function parseRepository(text: string): RepositoryName {
  const isShort = text.length > 0 && text.length <= REPOSITORY_LENGTH_MAX;
  if (isShort && text.split('/').every((component) => COMPONENT.test(component))) return text as RepositoryName;
  throw new RegistryError(
    'oci/name',
    `${JSON.stringify(text.slice(0, 80))} is no name of a repository: up to ${REPOSITORY_LENGTH_MAX} of a-z, 0-9 and separators, such as demo/hello`,
  );
}

/** Throws `oci/tag`. */
export function parseTag(text: string): TagName {
  if (TAG.test(text)) return text as TagName;
  throw new RegistryError(
    'oci/tag',
    `${JSON.stringify(text.slice(0, 80))} is no tag: up to 128 of letters, digits, '_', '.' and '-', the first no '.' or '-'`,
  );
}

/** Throws `oci/digest`. */
export function parseOciDigest(text: string): OciDigest {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  const hex = text.slice(colon + 1);
  if (isOciAlgorithm(algorithm) && hex.length === HEX_DIGITS[algorithm] && isHex(hex)) return text as OciDigest;
  throw new RegistryError(
    'oci/digest',
    `${JSON.stringify(text.slice(0, 150))} is no digest: write sha256: or sha512: and lower-case hex digits`,
  );
}

/** Throws `oci/digest`, `oci/tag`. */
export function parseReference(text: string): OciReference {
  return text.includes(':') ? { digest: parseOciDigest(text) } : { tag: parseTag(text) };
}

export function isOciAlgorithm(text: string): text is OciAlgorithm {
  return Object.hasOwn(HEX_DIGITS, text);
}

export function algorithmOf(digest: OciDigest): OciAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

/** `demo/hello` for `demo:hello`. */
export function repositoryOf(name: PackageName): RepositoryName {
  return parseRepository(name.replace(':', '/'));
}

/** The package that a repository would be: `null` for a path of another form than `<namespace>/<name>`. */
export function packageOf(repository: RepositoryName): PackageName | null {
  const sides = repository.split('/');
  return sides.length === 2 && sides.every(isKebab) ? parsePackageName(sides.join(':')) : null;
}

/** No tag has a `+` (spec/oci.md 4.2). Throws `oci/tag` for a version that is too long. */
export function tagOf(version: VersionText): TagName {
  return parseTag(version.replace('+', '_'));
}

/** The version that a tag stands for; `null` for a tag that is none. */
export function versionOf(tag: TagName): VersionText | null {
  try {
    return parseVersion(tag.replace('_', '+'));
  } catch {
    return null;
  }
}
