import {
  annotatePermission,
  holderOf,
  isAnnotationType,
  isMediaType,
  isPermission,
  isRegistryError,
  NO_PREDICATES,
  PACKAGE_PERMISSIONS,
  parseDigest,
  parseGrantId,
  parseJosePublicKey,
  parsePublicKey,
  parseVersion,
  RegistryError,
  type DelegateEntry,
  type GrantId,
  type Holder,
  type JosePublicKey,
  type PackageEntry,
  type PackagePermission,
  type PackageState,
  type Permission,
  type Predicates,
} from '@waybill/protocol';
import { parseDuration } from './duration.ts';
import { repeatedFlag, textFlag } from './flags.ts';

/** What a grant of a version 1 log can say besides to whom. */
export interface GrantTerms {
  readonly permissions?: string;
  readonly role?: string;
  readonly threshold?: string;
  readonly under?: string;
  readonly versions?: string;
  readonly until?: string;
  readonly mediaType?: readonly string[];
  readonly maxSize?: string;
  readonly annotationType?: readonly string[];
}

export const grantTermFlags = {
  permissions: textFlag('release, yank, restore, grant, annotate:<type> (default: release,yank)', 'list'),
  role: textFlag('publisher, responder or auditor: a name for a list of permissions', 'role'),
  threshold: textFlag('How many of several keys it takes', 'number'),
  under: textFlag('Grant to give it under (default: the root, or the first that allows it)', 'grant id'),
  versions: textFlag('From a version to below another; either may be left out', 'min..max'),
  until: textFlag('When it ends: a date, or a time from now such as 30d', 'time'),
  mediaType: repeatedFlag('Media type of content that may be released', 'type'),
  maxSize: textFlag('Largest content that may be released', 'bytes'),
  annotationType: repeatedFlag('Type that annotate:* is narrowed to', 'type'),
} as const;

/** Names for lists of permissions: sugar, which the command prints out. */
const ROLES: Readonly<Record<string, readonly Permission[]>> = {
  publisher: ['release'],
  responder: [annotatePermission('advisory'), 'yank'],
  auditor: [annotatePermission('audit'), annotatePermission('rebuild')],
};

const GRANT = 'waybill grant';
const SEE_HELP = seeHelp(GRANT);

function seeHelp(command: string): string {
  return `: see ${command} --help`;
}

const PERMISSIONS_DEFAULT: readonly Permission[] = ['release', 'yank'];

/** True when the flags say something that version 0 cannot. */
function needsVersion1({ permissions, ...others }: GrantTerms): boolean {
  const plain =
    permissions === undefined || permissions.split(',').every((one) => ['release', 'yank'].includes(one.trim()));
  return !plain || Object.entries(GRANT_TERMS_OF_VERSION_1).some(([name, read]) => name in others && read(others));
}

const GRANT_TERMS_OF_VERSION_1: Readonly<Record<string, (terms: GrantTerms) => boolean>> = {
  role: ({ role }) => role !== undefined,
  threshold: ({ threshold }) => threshold !== undefined,
  under: ({ under }) => under !== undefined,
  versions: ({ versions }) => versions !== undefined,
  until: ({ until }) => until !== undefined,
  mediaType: ({ mediaType = [] }) => mediaType.length > 0,
  maxSize: ({ maxSize }) => maxSize !== undefined,
  annotationType: ({ annotationType = [] }) => annotationType.length > 0,
};

/** The entry of a grant to some keys. Throws `usage/invalid`, `text/…`. `nowSeconds` is Unix time. */
function delegateEntry(keys: readonly string[], terms: GrantTerms, nowSeconds: number): DelegateEntry {
  const holder = holderOfTexts(keys, terms.threshold ?? '1', GRANT);
  const entry = {
    type: 'delegate',
    holder,
    permissions: permissionsOf(terms),
    predicates: predicatesOf(terms, nowSeconds),
  } as const;
  return terms.under === undefined ? entry : { ...entry, under: parseGrantId(terms.under) };
}

/** The holder that somebody typed for `command`. Throws `usage/invalid`, `text/key`. */
export function holderOfTexts(keys: readonly string[], threshold: string, command: string): Holder {
  return namedHolder(keys.map(parseJosePublicKey), threshold, command);
}

/** The same of keys that are known. */
export function namedHolder(keys: readonly JosePublicKey[], threshold: string, command: string): Holder {
  const count = positive(threshold, '--threshold', command);
  try {
    return holderOf(keys, count);
  } catch (cause) {
    if (!isRegistryError(cause, 'wire/shape')) throw cause;
    throw new RegistryError('usage/invalid', `${cause.message}${seeHelp(command)}`, {}, { cause });
  }
}

function permissionsOf({ permissions, role }: GrantTerms): readonly Permission[] {
  const ofRole = role === undefined ? [] : ROLES[role];
  if (ofRole === undefined) {
    throw new RegistryError(
      'usage/invalid',
      `${role} is no role: there are ${Object.keys(ROLES).join(', ')}${SEE_HELP}`,
    );
  }
  const named = (permissions ?? '')
    .split(',')
    .flatMap((text) => (text.trim() === '' ? [] : [permissionOf(text.trim())]));
  const all = [...new Set([...ofRole, ...named])].toSorted();
  return all.length > 0 ? all : PERMISSIONS_DEFAULT;
}

function permissionOf(text: string): Permission {
  if (isPermission(text)) return text;
  throw new RegistryError(
    'usage/invalid',
    `${text} is not a permission: there are release, yank, restore, grant, annotate:<type> and annotate:*${SEE_HELP}`,
  );
}

function predicatesOf(terms: GrantTerms, nowSeconds: number): Predicates {
  const [min = '', max = ''] = versionsOf(terms.versions);
  const mediaTypes = [...(terms.mediaType ?? [])].toSorted();
  const annotationTypes = [...(terms.annotationType ?? [])].toSorted();
  requireAll(mediaTypes, isMediaType, 'a media type such as application/wasm');
  requireAll(annotationTypes, isAnnotationType, 'a type of annotation');
  const predicates = {
    versionMin: min === '' ? null : parseVersion(min),
    versionMax: max === '' ? null : parseVersion(max),
    notAfter: terms.until === undefined ? null : secondsOf(terms.until, nowSeconds),
    mediaTypes,
    sizeMax: terms.maxSize === undefined ? null : positive(terms.maxSize, '--max-size', GRANT),
    annotationTypes,
  };
  const isNarrow = Object.values(predicates).some((value) =>
    Array.isArray(value) ? value.length > 0 : value !== null,
  );
  return isNarrow ? predicates : NO_PREDICATES;
}

function versionsOf(text: string | undefined): string[] {
  if (text === undefined) return [];
  const parts = text.split('..');
  if (parts.length === 2) return parts;
  throw new RegistryError('usage/invalid', `--versions takes min..max, such as 1.0.0..2.0.0, not ${text}${SEE_HELP}`);
}

function requireAll(texts: readonly string[], isRight: (text: string) => boolean, what: string): void {
  const wrong = texts.find((text) => !isRight(text));
  if (wrong !== undefined) throw new RegistryError('usage/invalid', `${wrong} is not ${what}${SEE_HELP}`);
}

function positive(text: string, flag: string, command: string): number {
  const value = Number(text);
  if (/^[1-9][0-9]*$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new RegistryError('usage/invalid', `${flag} takes a whole number from 1, not ${text}${seeHelp(command)}`);
}

function secondsOf(text: string, nowSeconds: number): bigint {
  const fromNow = parseDuration(text);
  if (fromNow !== null) return BigInt(Math.floor(nowSeconds) + fromNow);
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || ms <= 0) {
    throw new RegistryError(
      'usage/invalid',
      `--until takes a date such as 2027-01-31, or a time such as 30d, not ${text}${SEE_HELP}`,
    );
  }
  return BigInt(Math.floor(ms / 1000));
}

/** What grants to some keys, in a log of either version. Throws `usage/invalid`, `text/…`. */
export function grantEntryFor(state: PackageState, keys: readonly string[], terms: GrantTerms): PackageEntry {
  if (state.root !== null) return delegateEntry(keys, terms, Date.now() / 1000);
  const [key = '', ...others] = keys;
  if (others.length === 0 && !needsVersion1(terms) && !key.startsWith('jwk:')) {
    return { type: 'grant', key: parsePublicKey(key), permissions: parsePermissions(terms.permissions) };
  }
  throw new RegistryError(
    'usage/invalid',
    'the log is of version 0, which grants release and yank to one key of P-256 at a time: see waybill upgrade --help',
  );
}

/** What is to be revoked: one of the first two. */
export interface RevokeTerms {
  readonly from?: string;
  readonly grant?: string;
  readonly permissions?: string;
  readonly reason?: string;
}

/** What revokes, in a log of either version. Throws `usage/invalid`, `text/…`. */
export function revokeEntriesFor(
  state: PackageState,
  { from, grant, permissions, reason }: RevokeTerms,
): readonly PackageEntry[] {
  if ((from === undefined) === (grant === undefined)) {
    throw new RegistryError('usage/invalid', 'give one of --from and --grant: see waybill revoke --help');
  }
  if (state.root === null) {
    if (from !== undefined)
      return [{ type: 'revoke', keyId: keyIdOf(from), permissions: parsePermissions(permissions) }];
    throw new RegistryError('usage/invalid', 'a log of version 0 has no grants by id: waybill revoke --from');
  }
  const ids = grant === undefined ? grantsOf(state, keyIdOf(from ?? '')) : [parseGrantId(grant)];
  return ids.map((id) => ({ type: 'revokeGrant', grant: id, ...(reason === undefined ? {} : { reason }) }));
}

function grantsOf(state: PackageState, keyId: string): GrantId[] {
  const grants = [...state.grants.values()].filter(
    ({ holder, revokedBy }) => revokedBy === null && holder.keys.some(({ id }) => id === keyId),
  );
  if (grants.length > 0) return grants.map(({ id }) => id);
  throw new RegistryError('usage/invalid', `no grant to ${keyId} stands: see waybill who`);
}

/** The id of a key that is given as one, or as its text. Throws `text/…`. */
export function keyIdOf(text: string): string {
  return text.startsWith('sha256:') ? parseDigest(text) : parseJosePublicKey(text).id;
}

/** `release`, `yank` or both, separated by commas; nothing means both. Throws `usage/invalid`. */
function parsePermissions(text: string | undefined): PackagePermission[] {
  const names = text === undefined ? PACKAGE_PERMISSIONS : text.split(',');
  return names.map((name) => {
    const permission = PACKAGE_PERMISSIONS.find((known) => known === name.trim());
    if (permission !== undefined) return permission;
    throw new RegistryError(
      'usage/invalid',
      `${name} is not a permission: there are ${PACKAGE_PERMISSIONS.join(' and ')}`,
    );
  });
}
