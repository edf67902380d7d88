import {
  accessTokenHash,
  accessTokenOf,
  equalSecretBytes,
  HASH_BYTES,
  isRegistryError,
  parseAccessToken,
  RegistryError,
  type AccessToken,
  type TokenId,
} from '@waybill/protocol';
import { formatTokenScope, parseAccount, readTokenScope, type TokenAccess, type TokenScope } from './access.ts';
import type { Clock, StoredToken, TokenReader, TokenUseWriter } from './ports.ts';

const DAY_SECONDS = 86_400;
/** What is forgotten should not be valid for ever. */
export const TOKEN_DAYS_MAX = 366;
/** Compared with where there is no such token, so that both take their time. */
const NO_HASH = new Uint8Array(HASH_BYTES);

/** What a new token is for. */
export interface TokenTerms {
  readonly account: string;
  readonly scope: TokenScope;
  readonly lifetimeSeconds: number;
}

/** Makes a token; its text is in no other place than the answer. Throws `usage/invalid`. */
export function issueToken(
  { account, scope, lifetimeSeconds }: TokenTerms,
  { random, nowMs }: { readonly random: Uint8Array; readonly nowMs: number },
): { readonly token: AccessToken; readonly stored: StoredToken } {
  if (!Number.isSafeInteger(lifetimeSeconds) || lifetimeSeconds < 1 || lifetimeSeconds > TOKEN_DAYS_MAX * DAY_SECONDS) {
    throw new RegistryError('usage/invalid', `a token is valid for 1 s to ${TOKEN_DAYS_MAX} days`);
  }
  const token = accessTokenOf(random);
  const createdAt = Math.floor(nowMs / 1_000);
  const stored = {
    id: token.id,
    secretHash: accessTokenHash(token),
    account: parseAccount(account),
    scope: formatTokenScope(scope),
    createdAt,
    expiresAt: createdAt + lifetimeSeconds,
    lastUsedDay: null,
    revokedAt: null,
  };
  return { token, stored };
}

export type TokenState = 'active' | 'expired' | 'revoked';

export function tokenState({ expiresAt, revokedAt }: StoredToken, nowMs: number): TokenState {
  if (revokedAt !== null) return 'revoked';
  return nowMs < expiresAt * 1_000 ? 'active' : 'expired';
}

/**
 * Whose token a text is; `null` for a text that is no token, and for one that is unknown, expired or revoked, with no way to
 * tell which. Costs two hashes and one look-up, whatever was sent.
 */
export async function verifyToken(store: TokenReader, text: string, nowMs: number): Promise<VerifiedToken | null> {
  const token = readToken(text);
  if (token === null) return null;
  const hash = accessTokenHash(token);
  const stored = await store.readToken(token.id);
  const isSame = equalSecretBytes(hash, stored?.secretHash ?? NO_HASH);
  if (stored === null || !isSame || tokenState(stored, nowMs) !== 'active') return null;
  return verifiedOf(stored);
}

/** A token that is valid now. */
export interface VerifiedToken {
  readonly access: TokenAccess;
  readonly lastUsedDay: number | null;
}

function verifiedOf({ id, account, scope, lastUsedDay }: StoredToken): VerifiedToken {
  return { access: { tokenId: id, account, scope: readTokenScope(scope) }, lastUsedDay };
}

function readToken(text: string): AccessToken | null {
  try {
    return parseAccessToken(text);
  } catch (failure) {
    if (isRegistryError(failure, 'text/token')) return null;
    throw failure;
  }
}

/**
 * Verifies tokens for the APIs. Nothing is remembered of a verdict: a token that another process revokes is refused from the
 * next request on. That a token was used is written beside requests, once a day.
 */
export class TokenDesk {
  readonly #reader: TokenReader;
  readonly #writer: TokenUseWriter;
  readonly #clock: Clock;
  #used = new Map<TokenId, number>();

  constructor(reader: TokenReader, writer: TokenUseWriter, clock: Clock) {
    this.#reader = reader;
    this.#writer = writer;
    this.#clock = clock;
  }

  /** As {@link verifyToken}, now. */
  async verify(text: string): Promise<TokenAccess | null> {
    const nowMs = this.#clock();
    const verified = await verifyToken(this.#reader, text, nowMs);
    if (verified === null) return null;
    this.#noteUse(verified, nowMs);
    return verified.access;
  }

  /** What a token covers now that was verified before, and is named by what stands for it; `null` once it has ended. */
  async accessOf(id: TokenId): Promise<TokenAccess | null> {
    const nowMs = this.#clock();
    const stored = await this.#reader.readToken(id);
    if (stored === null || tokenState(stored, nowMs) !== 'active') return null;
    const verified = verifiedOf(stored);
    this.#noteUse(verified, nowMs);
    return verified.access;
  }

  #noteUse({ access, lastUsedDay }: VerifiedToken, nowMs: number): void {
    const day = Math.floor(nowMs / (DAY_SECONDS * 1_000));
    if ((lastUsedDay ?? -1) < day) this.#used.set(access.tokenId, day);
  }

  /** Writes which tokens were used since the last time. When it fails they are used again today, or it does not matter. */
  async writeUses(): Promise<void> {
    if (this.#used.size === 0) return;
    const uses = [...this.#used].map(([id, day]) => ({ id, day }));
    this.#used = new Map();
    await this.#writer.markTokensUsed(uses);
  }
}
