import { RegistryError } from '../../errors.ts';
import { isAscending } from '../../wire/record.ts';

/** What a grant of a package log can give: spec/version1.md 4.3. */
export const PLAIN_PERMISSIONS = ['grant', 'release', 'restore', 'yank'] as const;

/** One of {@link PLAIN_PERMISSIONS}, or `annotate:` and a type or `*`. */
export type Permission = (typeof PLAIN_PERMISSIONS)[number] | `annotate:${string}`;

const ANNOTATE = 'annotate:';
const PERMISSIONS_MAX = 32;
const TYPE_LENGTH_MAX = 64;
const TYPE = /^(?:x\.[a-z][a-z0-9]*(?:[-.][a-z][a-z0-9]*)*|[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)$/;

/** spec/version1.md 6.2. */
export function isAnnotationType(text: string): boolean {
  return text.length <= TYPE_LENGTH_MAX && TYPE.test(text);
}

export function isPermission(text: string): text is Permission {
  if (!text.startsWith(ANNOTATE)) return PLAIN_PERMISSIONS.some((plain) => plain === text);
  const type = text.slice(ANNOTATE.length);
  return type === '*' || isAnnotationType(type);
}

/** The permission to say something of one type. */
export function annotatePermission(type: string): Permission {
  return `annotate:${type}`;
}

/** True when whoever has `held` may do what `wanted` names. */
export function includesPermission(held: ReadonlySet<Permission>, wanted: Permission): boolean {
  return held.has(wanted) || (wanted.startsWith(ANNOTATE) && held.has('annotate:*'));
}

/** spec/version1.md 2.6. Throws `wire/shape`. */
export function checkPermissionTexts(texts: readonly string[]): readonly Permission[] {
  const permissions = texts.filter(isPermission);
  if (permissions.length < texts.length) throw malformed('one that does not exist');
  if (texts.length === 0 || texts.length > PERMISSIONS_MAX) throw malformed(`not 1 to ${PERMISSIONS_MAX}`);
  if (!isAscending(texts)) throw malformed('not in ascending order, each once');
  return permissions;
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed permissions: ${why}`);
}
