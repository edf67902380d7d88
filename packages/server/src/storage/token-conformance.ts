import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isRegistryError, parseTokenId, sha256, utf8, type TokenId } from '@waybill/protocol';
import type { StoredToken, TokenStore } from '../core/ports.ts';

/* The contract of TokenStore as tests, which every driver runs. */

/** One fresh, empty place to store tokens in. */
export interface TokenHarness {
  readonly store: TokenStore;
  /** Another store over the same place, as another process opens it. */
  readonly other: TokenStore;
  readonly dispose: () => Promise<void>;
}

/** Registers the suite for one driver; each test gets a place of its own from `open`. */
export function tokenStoreSuite(driver: string, open: () => Promise<TokenHarness>): void {
  const check = (title: string, run: (harness: TokenHarness) => Promise<void>): void => {
    test(title, async () => {
      const harness = await open();
      try {
        await run(harness);
      } finally {
        await harness.dispose();
      }
    });
  };
  describe(`TokenStore: ${driver}`, () => {
    for (const group of [checkKeeping, checkRevoking, checkUse, checkForgetting]) group(check);
  });
}

type Check = (title: string, run: (harness: TokenHarness) => Promise<void>) => void;

/** Token `index` of a sample, created in the order of the indexes. */
export function sampleToken(index: number, changes: Partial<StoredToken> = {}): StoredToken {
  return {
    id: tokenId(index),
    secretHash: sha256(utf8(`secret ${index}`)),
    account: `account-${index}`,
    scope: 'publish demo,team',
    createdAt: 1_700_000_000 + index,
    expiresAt: 1_800_000_000 + index,
    lastUsedDay: null,
    revokedAt: null,
    ...changes,
  };
}

function tokenId(index: number): TokenId {
  return parseTokenId(index.toString(16).padStart(16, '0'));
}

function checkKeeping(check: Check): void {
  check('a token comes back as it was, and another process sees it at once', async ({ store, other }) => {
    assert.equal(await other.readToken(tokenId(1)), null);
    assert.deepEqual(await other.listTokens(10), []);
    for (const index of [2, 0, 1]) await store.addToken(sampleToken(index));
    const ended = sampleToken(3, { lastUsedDay: 20_000, revokedAt: 1_750_000_000, scope: 'publish,read *' });
    await store.addToken(ended);
    assert.deepEqual(await other.readToken(ended.id), ended);
    assert.deepEqual(await other.listTokens(10), [sampleToken(0), sampleToken(1), sampleToken(2), ended]);
    assert.deepEqual(await other.listTokens(2), [sampleToken(0), sampleToken(1)]);
  });

  check('an id is given once', async ({ store, other }) => {
    await store.addToken(sampleToken(1));
    const twin = sampleToken(1, { account: 'other' });
    await assert.rejects(other.addToken(twin), (thrown) => isRegistryError(thrown, 'storage/damaged'));
    assert.deepEqual(await store.readToken(tokenId(1)), sampleToken(1));
  });
}

function checkRevoking(check: Check): void {
  check('a revoked token stays revoked since the first time, and other processes see it', async ({ store, other }) => {
    await store.addToken(sampleToken(1));
    await store.addToken(sampleToken(2));
    assert.equal(await store.revokeToken(tokenId(1), 1_750_000_000), true);
    assert.equal(await other.revokeToken(tokenId(1), 1_760_000_000), true);
    assert.equal(await other.revokeToken(tokenId(9), 1_750_000_000), false);
    assert.equal((await other.readToken(tokenId(1)))?.revokedAt, 1_750_000_000);
    assert.deepEqual(await other.readToken(tokenId(2)), sampleToken(2));
  });
}

function checkUse(check: Check): void {
  check('the last day of use only grows', async ({ store, other }) => {
    await store.addToken(sampleToken(1));
    const daysAfter = async (...days: readonly number[]): Promise<number | null | undefined> => {
      await store.markTokensUsed(days.map((day) => ({ id: tokenId(1), day })));
      return (await other.readToken(tokenId(1)))?.lastUsedDay;
    };
    assert.equal(await daysAfter(), null);
    assert.equal(await daysAfter(20_000), 20_000);
    assert.equal(await daysAfter(20_002, 20_001), 20_002);
    assert.equal(await daysAfter(19_999), 20_002);
    await store.markTokensUsed([{ id: tokenId(9), day: 20_000 }]);
    assert.equal(await other.readToken(tokenId(9)), null);
  });
}

function checkForgetting(check: Check): void {
  check('tokens that ended before a time go, by expiry or by revocation', async ({ store, other }) => {
    await store.addToken(sampleToken(1, { expiresAt: 1_000 }));
    await store.addToken(sampleToken(2, { revokedAt: 999 }));
    await store.addToken(sampleToken(3, { expiresAt: 999 }));
    await store.addToken(sampleToken(4, { expiresAt: 999, revokedAt: 2_000 }));
    await store.addToken(sampleToken(5));
    await store.forgetTokens(1_000);
    assert.deepEqual(
      (await other.listTokens(10)).map(({ id }) => id),
      [1, 5].map(tokenId),
    );
  });
}
