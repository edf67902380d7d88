import { RegistryError, type TokenId } from '@waybill/protocol';
import type { StoredToken, TokenStore, TokenUse } from '../../core/ports.ts';

/** A {@link TokenStore} that ends with the process: for tests. Stores over one map see each other's writes. */
export class MemoryTokens implements TokenStore {
  readonly #tokens: Map<TokenId, StoredToken>;

  constructor(tokens: Map<TokenId, StoredToken> = new Map()) {
    this.#tokens = tokens;
  }

  async readToken(id: TokenId): Promise<StoredToken | null> {
    const token = this.#tokens.get(id);
    return token === undefined ? null : copyOf(token);
  }

  async listTokens(limit: number): Promise<StoredToken[]> {
    const tokens = [...this.#tokens.values()].map(copyOf);
    return tokens.toSorted((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1)).slice(0, limit);
  }

  async addToken(token: StoredToken): Promise<void> {
    if (this.#tokens.has(token.id)) throw new RegistryError('storage/damaged', 'a token with this id is there already');
    this.#tokens.set(token.id, copyOf(token));
  }

  async revokeToken(id: TokenId, revokedAt: number): Promise<boolean> {
    const token = this.#tokens.get(id);
    if (token === undefined) return false;
    this.#tokens.set(id, { ...token, revokedAt: token.revokedAt ?? revokedAt });
    return true;
  }

  async forgetTokens(endedBefore: number): Promise<void> {
    for (const { id, expiresAt, revokedAt } of this.#tokens.values()) {
      if (Math.min(expiresAt, revokedAt ?? expiresAt) < endedBefore) this.#tokens.delete(id);
    }
  }

  async markTokensUsed(uses: readonly TokenUse[]): Promise<void> {
    for (const { id, day } of uses) {
      const token = this.#tokens.get(id);
      if (token !== undefined && (token.lastUsedDay ?? -1) < day) this.#tokens.set(id, { ...token, lastUsedDay: day });
    }
  }
}

function copyOf(token: StoredToken): StoredToken {
  return { ...token, secretHash: token.secretHash.slice() };
}
