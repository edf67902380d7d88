import { RegistryError } from '../errors.ts';

declare const packageName: unique symbol;
declare const namespace: unique symbol;

/** `<namespace>:<name>`, both kebab-case (spec/encodings.md "package name"). */
export type PackageName = string & { readonly [packageName]: true };

/** One kebab-case side of a package name. */
export type Namespace = string & { readonly [namespace]: true };

/** True for words of `[a-z][a-z0-9]*` joined by single hyphens. Linear in the length. */
export function isKebab(text: string): boolean {
  return text.split('-').every((word) => /^[a-z][a-z0-9]*$/.test(word));
}

/** Throws `text/package-name`. */
export function parsePackageName(text: string): PackageName {
  const sides = text.split(':');
  if (sides.length !== 2 || !sides.every(isKebab)) {
    throw new RegistryError(
      'text/package-name',
      `${JSON.stringify(text.slice(0, 80))} is not a package name: write namespace:name, each side lower-case words that start with a letter, joined by '-'`,
    );
  }
  return text as PackageName;
}

/** Throws `text/namespace`. */
export function parseNamespace(text: string): Namespace {
  if (!isKebab(text)) {
    throw new RegistryError(
      'text/namespace',
      `${JSON.stringify(text.slice(0, 80))} is not a lower-case kebab namespace`,
    );
  }
  return text as Namespace;
}

/** The namespace of a package. */
export function namespaceOf(name: PackageName): Namespace {
  return parseNamespace(name.slice(0, name.indexOf(':')));
}
