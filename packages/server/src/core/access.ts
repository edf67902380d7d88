import { parseNamespace, RegistryError, type Namespace, type TokenId } from '@waybill/protocol';

/*
 * Accounts and what their tokens cover: who may ask. What is valid is decided by the package's own log, and nothing here can
 * change that (SECURITY.md S3).
 */

/** What a token can let its holder ask for. */
export type TokenAction = 'publish' | 'read';

/** One row says everything about an action. */
export const TOKEN_ACTIONS: Readonly<Record<TokenAction, { readonly allows: string }>> = {
  publish: { allows: 'post records, upload their content, and read what is in private namespaces' },
  read: { allows: 'read what is in private namespaces' },
};

/** Whether whoever publishes shows a token. */
export type TokenPolicy = 'off' | 'optional' | 'required';

/** `isRead`: a token that is shown counts. `isNeeded`: nobody may ask without one. */
export const TOKEN_POLICIES: Readonly<Record<TokenPolicy, { readonly isRead: boolean; readonly isNeeded: boolean }>> = {
  off: { isRead: false, isNeeded: false },
  optional: { isRead: true, isNeeded: false },
  required: { isRead: true, isNeeded: true },
};

/** Namespaces that one token may name. */
export const TOKEN_NAMESPACES_MAX = 100;

/** Actions, each in all of the namespaces; `*` is every one, also those defined later. */
export interface TokenScope {
  readonly actions: ReadonlySet<TokenAction>;
  readonly namespaces: '*' | ReadonlySet<string>;
}

/** Who asks, as a valid token says. */
export interface TokenAccess {
  readonly tokenId: TokenId;
  readonly account: string;
  readonly scope: TokenScope;
}

/** In the log, whoever showed no token. */
export const ANONYMOUS_ACCOUNT = 'anonymous';

/** In the log, what the registry itself has fetched from another one. No account of anybody's has such a name: {@link parseAccount}. */
export const IMPORT_ACCOUNT = '_upstream';

/** The account that a record is signed for. */
export function accountOf(access: Access): string {
  return access === 'anyone' ? ANONYMOUS_ACCOUNT : access.account;
}

/** `anyone`: no token was shown, and none is needed. */
export type Access = 'anyone' | TokenAccess;

/** Throws `token/scope`. */
export function requireScope(
  access: Access,
  { action, namespace }: { readonly action: TokenAction; readonly namespace: Namespace },
): void {
  if (access === 'anyone') return;
  const { actions, namespaces } = access.scope;
  if (actions.has(action) && (namespaces === '*' || namespaces.has(namespace))) return;
  throw new RegistryError('token/scope', `the token of ${access.account} does not cover ${action} in ${namespace}`);
}

/** Throws `usage/invalid`, `text/namespace`. */
export function parseTokenScope(actions: readonly string[], namespaces: readonly string[]): TokenScope {
  if (actions.length === 0 || namespaces.length === 0) {
    throw new RegistryError('usage/invalid', 'a token covers at least one action and one namespace');
  }
  if (namespaces.length > TOKEN_NAMESPACES_MAX) {
    throw new RegistryError('usage/invalid', `a token names at most ${TOKEN_NAMESPACES_MAX} namespaces: use *`);
  }
  const everywhere = namespaces.length === 1 && namespaces[0] === '*';
  return {
    actions: new Set(actions.map(parseAction)),
    namespaces: everywhere ? '*' : new Set(namespaces.map(parseNamespace)),
  };
}

/** `publish,read demo,team`: as it is kept. */
export function formatTokenScope({ actions, namespaces }: TokenScope): string {
  return `${[...actions].join(',')} ${namespaces === '*' ? '*' : [...namespaces].join(',')}`;
}

/** Reads {@link formatTokenScope}. What this program does not know, say from a newer one, covers nothing. */
export function readTokenScope(text: string): TokenScope {
  const [actions = '', namespaces = ''] = text.split(' ');
  return {
    actions: new Set(actions.split(',').filter(isAction)),
    namespaces: namespaces === '*' ? '*' : new Set(namespaces.split(',')),
  };
}

/** Names of accounts are the operator's own, and stand in lists and messages: no address of a person fits. */
export function parseAccount(text: string): string {
  if (text === ANONYMOUS_ACCOUNT) {
    throw new RegistryError(
      'usage/invalid',
      `${ANONYMOUS_ACCOUNT} is nobody's account: it stands for who shows no token`,
    );
  }
  if (/^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$/.test(text)) return text;
  throw new RegistryError('usage/invalid', "an account is up to 64 of a-z, 0-9, '.', '_' and '-'");
}

function parseAction(text: string): TokenAction {
  if (isAction(text)) return text;
  const known = Object.entries(TOKEN_ACTIONS).map(([action, { allows }]) => `${action} (${allows})`);
  throw new RegistryError('usage/invalid', `there is no action ${text}; there are ${known.join(', ')}`);
}

function isAction(text: string): text is TokenAction {
  return Object.hasOwn(TOKEN_ACTIONS, text);
}
