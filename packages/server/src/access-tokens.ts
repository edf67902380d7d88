import { randomBytes } from 'node:crypto';
import { ACCESS_TOKEN_RANDOM_BYTES, parseTokenId, RegistryError } from '@waybill/protocol';
import { parseTokenScope, readTokenScope, type TokenAction } from './core/access.ts';
import { ENDED_TOKEN_KEPT_SECONDS, TOKENS_MAX } from './core/limits.ts';
import type { StoredToken, TokenStore } from './core/ports.ts';
import { issueToken, tokenState, type TokenState } from './core/token-desk.ts';
import { existingDataFolder } from './data-folder.ts';
import { openSqliteStore } from './storage/sqlite/sqlite-store.ts';

/*
 * Tokens are managed on the data folder, beside the server that runs on it, and not over the network: whoever may write the
 * folder is the operator already, and what is not served cannot be attacked. The server reads each token afresh.
 */

export interface CreateTokenOptions {
  readonly data: string;
  readonly account: string;
  readonly actions: readonly string[];
  /** `*` alone: all. */
  readonly namespaces: readonly string[];
  readonly lifetimeSeconds: number;
}

/** A token as it is shown. Times in Unix seconds, `lastUsedDay` in days since 1970. */
export interface ListedToken {
  readonly id: string;
  readonly account: string;
  readonly actions: readonly TokenAction[];
  readonly namespaces: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly lastUsedDay: number | null;
  readonly revokedAt: number | null;
  readonly state: TokenState;
}

/** The text of a new token is given here, and can never be had again. Throws `usage/invalid`, `text/namespace`, `storage/…`. */
export async function createToken(
  options: CreateTokenOptions,
): Promise<{ readonly text: string; readonly listed: ListedToken }> {
  const { data, account, actions, namespaces, lifetimeSeconds } = options;
  const nowMs = Date.now();
  const scope = parseTokenScope(actions, namespaces);
  const random = randomBytes(ACCESS_TOKEN_RANDOM_BYTES);
  const { token, stored } = issueToken({ account, scope, lifetimeSeconds }, { random, nowMs });
  await withTokens(data, async (store) => {
    await store.forgetTokens(stored.createdAt - ENDED_TOKEN_KEPT_SECONDS);
    if ((await store.listTokens(TOKENS_MAX)).length >= TOKENS_MAX) {
      const message = `there are ${TOKENS_MAX} tokens already: those that have ended go after 90 days, so let fewer be valid for long`;
      throw new RegistryError('usage/invalid', message);
    }
    await store.addToken(stored);
  });
  return { text: token.text, listed: listedOf(stored, nowMs) };
}

/** Oldest first. */
export async function listTokens(data: string): Promise<ListedToken[]> {
  const nowMs = Date.now();
  return withTokens(data, async (store) => (await store.listTokens(TOKENS_MAX)).map((token) => listedOf(token, nowMs)));
}

/** From its next request on the token is refused, also by a server that runs. Throws `text/token`, `token/not-found`. */
export async function revokeToken(data: string, id: string): Promise<void> {
  const tokenId = parseTokenId(id);
  const known = await withTokens(data, (store) => store.revokeToken(tokenId, Math.floor(Date.now() / 1_000)));
  if (!known) throw new RegistryError('token/not-found', `there is no token ${id} here`);
}

async function withTokens<T>(data: string, work: (store: TokenStore) => Promise<T>): Promise<T> {
  const { storeFile } = await existingDataFolder(data);
  const store = await openSqliteStore(storeFile);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

function listedOf(token: StoredToken, nowMs: number): ListedToken {
  const { id, account, createdAt, expiresAt, lastUsedDay, revokedAt } = token;
  const { actions, namespaces } = readTokenScope(token.scope);
  return {
    id,
    account,
    actions: [...actions],
    namespaces: namespaces === '*' ? ['*'] : [...namespaces],
    createdAt,
    expiresAt,
    lastUsedDay,
    revokedAt,
    state: tokenState(token, nowMs),
  };
}
