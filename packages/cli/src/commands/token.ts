import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import type { ListedToken } from '@waybill/server';
import { looksLikeAccessToken, RegistryError, type JsonValue } from '@waybill/protocol';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { parseDuration } from '../duration.ts';
import { argument, dataFlag, DATA_DEFAULT, jsonFlag, requiredFlag, textFlag } from '../flags.ts';

interface TokenFlags extends CommonFlags {
  readonly data?: string;
}

interface CreateFlags extends TokenFlags {
  readonly namespace: string;
  readonly action?: string;
  readonly expires?: string;
}

const DAY_MS = 86_400_000;
const EXPIRES_DEFAULT = '90d';

const createTokenCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a token for an account, and print it once',
    fullDescription: `Works on the data folder, also while the server runs. The token is printed on standard output and can never be shown again:
only its hash is kept. ACCOUNT is a name of your choice for whoever gets it. A token lets its holder ask to publish; what is
valid is decided by each package's own log, and the list of --publishers holds besides. Where its namespaces are private
(waybill serve --private), it lets its holder read, too; one with --action read does nothing else.

  waybill token create ci --namespace demo
  waybill token create build-farm --namespace demo,team --expires 30d > token.txt
  waybill token create laptop --namespace team --action read
  waybill token create partner --namespace '*' --data /srv/waybill`,
  },
  parameters: {
    flags: {
      namespace: requiredFlag("Namespaces it covers, separated by commas; '*' is all of them", 'list'),
      action: textFlag(
        'What it lets its holder do: publish, which is to read, too, or read (default: publish)',
        'list',
      ),
      expires: textFlag(`Until when it is valid: 12h, 30d, at most 366d (default: ${EXPIRES_DEFAULT})`, 'time'),
      data: dataFlag,
      ...jsonFlag,
    },
    positional: { kind: 'tuple', parameters: [argument('Name of the account', 'account')] },
  },
  func: action<CreateFlags, [string]>(async (context, flags, _progress, account) => {
    const { createToken } = await import('@waybill/server');
    const { text, listed } = await createToken({
      data: flags.data ?? DATA_DEFAULT,
      account,
      actions: listOf(flags.action ?? 'publish'),
      namespaces: listOf(flags.namespace),
      lifetimeSeconds: lifetimeOf(flags.expires ?? EXPIRES_DEFAULT),
    });
    if (!flags.json) context.process.stderr.write(`${createdText(listed)}\n`);
    return { text, json: { token: text, ...jsonOf(listed) } };
  }),
});

const listTokensCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'List the tokens',
    fullDescription: `Their ids, never the tokens themselves. Those that ended over 90 days ago go when the next one is made.

  waybill token list
  waybill token list --data /srv/waybill --json`,
  },
  parameters: { flags: { data: dataFlag, ...jsonFlag } },
  func: action<TokenFlags, []>(async (_context, { data = DATA_DEFAULT }) => {
    const { listTokens } = await import('@waybill/server');
    const tokens = await listTokens(data);
    return { text: tableOf(tokens) || 'no tokens', json: tokens.map(jsonOf) };
  }),
});

const revokeTokenCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a token worthless, at once and for ever',
    fullDescription: `A server that runs refuses it from the next request on. A record that it brought in before stays, and may still be completed.
ID is what 'waybill token list' shows: the 16 characters after wbt_.

  waybill token revoke 5f1e9a0b7c3d2486`,
  },
  parameters: {
    flags: { data: dataFlag, ...jsonFlag },
    positional: { kind: 'tuple', parameters: [argument('Id of the token', 'id')] },
  },
  func: action<TokenFlags, [string]>(async (_context, { data = DATA_DEFAULT }, _progress, id) => {
    const { revokeToken } = await import('@waybill/server');
    // Not quoted: it is a secret.
    if (looksLikeAccessToken(id)) {
      throw new RegistryError('text/token', 'that is the token: give its id, the 16 characters after wbt_');
    }
    await revokeToken(data, id);
    return { text: `revoked ${id}`, json: { id, state: 'revoked' } };
  }),
});

export const tokenRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: { create: createTokenCommand, list: listTokensCommand, revoke: revokeTokenCommand },
  docs: { brief: 'Tokens of a registry here: who may ask to publish, and read what is private' },
});

function listOf(text: string): string[] {
  return text.split(',').map((word) => word.trim());
}

/** Seconds. Throws `usage/invalid`. */
function lifetimeOf(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== null) return seconds;
  throw new RegistryError('usage/invalid', `--expires takes a time such as 12h or 30d, not ${text}`);
}

function createdText({ id, account, actions, namespaces, expiresAt }: ListedToken): string {
  return `made the token ${id} for ${account}
  covers   ${actions.join(', ')} in ${namespaces.join(', ')}
  expires  ${timeOf(expiresAt)}
It is shown once. Its holder keeps it: waybill login <registry>. Take it back: waybill token revoke ${id}`;
}

function tableOf(tokens: readonly ListedToken[]): string {
  const rows = tokens.map((token) => [
    token.id,
    token.account,
    token.state,
    `${token.actions.join(',')} in ${token.namespaces.join(',')}`,
    `created ${dayOf(token.createdAt * 1_000)}`,
    `expires ${dayOf(token.expiresAt * 1_000)}`,
    `used ${token.lastUsedDay === null ? 'never' : dayOf(token.lastUsedDay * DAY_MS)}`,
  ]);
  return rows.map((row) => row.join('  ')).join('\n');
}

function jsonOf(token: ListedToken): { readonly [key: string]: JsonValue } {
  return {
    id: token.id,
    account: token.account,
    actions: [...token.actions],
    namespaces: [...token.namespaces],
    created: timeOf(token.createdAt),
    expires: timeOf(token.expiresAt),
    lastUsed: token.lastUsedDay === null ? null : dayOf(token.lastUsedDay * DAY_MS),
    revoked: token.revokedAt === null ? null : timeOf(token.revokedAt),
    state: token.state,
  };
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
