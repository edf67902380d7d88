import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  accessTokenOf,
  isRegistryError,
  parseNamespace,
  sha256,
  utf8,
  type AccessToken,
  type ErrorCode,
} from '@waybill/protocol';
import {
  parseAccount,
  parseTokenScope,
  readTokenScope,
  requireScope,
  type TokenAccess,
} from '../../src/core/access.ts';
import type { StoredToken } from '../../src/core/ports.ts';
import { issueToken, TOKEN_DAYS_MAX, TokenDesk, tokenState, verifyToken } from '../../src/core/token-desk.ts';
import { MemoryTokens } from '../../src/storage/memory/memory-tokens.ts';

const NOW_MS = 1_700_000_000_000;
const LIFETIME_SECONDS = 3_600;
const DAY_MS = 86_400_000;

const throwsCode =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

interface Issued {
  readonly tokens: MemoryTokens;
  readonly token: AccessToken;
  readonly stored: StoredToken;
}

async function issue(changes: Partial<StoredToken> = {}): Promise<Issued> {
  const scope = parseTokenScope(['publish'], ['demo', 'team']);
  const terms = { account: 'ci', scope, lifetimeSeconds: LIFETIME_SECONDS };
  const { token, stored } = issueToken(terms, { random: sha256(utf8('random')), nowMs: NOW_MS });
  const tokens = new MemoryTokens();
  await tokens.addToken({ ...stored, ...changes });
  return { tokens, token, stored };
}

async function accessOf({ tokens, token }: Issued, nowMs = NOW_MS): Promise<TokenAccess | null> {
  return (await verifyToken(tokens, token.text, nowMs))?.access ?? null;
}

test('S3: what is kept of a token does not give it back', async () => {
  const { token, stored } = await issue();
  assert.ok(!JSON.stringify({ ...stored, secretHash: [...stored.secretHash] }).includes(token.text.slice(20, 68)));
  assert.deepEqual(stored.secretHash, sha256(utf8(token.text)));
});

test('a valid token gives its account and its scope', async () => {
  const access = await accessOf(await issue());
  assert.equal(access?.account, 'ci');
  assert.deepEqual(access.scope, parseTokenScope(['publish'], ['demo', 'team']));
});

test('S3: a token that is unknown, mistyped, expired, revoked, or has another secret says nothing', async () => {
  const issued = await issue();
  const { token } = issued;
  const verdict = (text: string): Promise<unknown> => verifyToken(issued.tokens, text, NOW_MS);
  const twin = accessTokenOf(Uint8Array.from([...Buffer.from(token.id, 'hex'), ...new Uint8Array(24)]));
  assert.equal(twin.id, token.id);
  const unknown = accessTokenOf(sha256(utf8('unknown')));
  for (const text of [twin.text, unknown.text, '', 'wbt_', `${token.text} `, token.text.slice(0, -1), token.id]) {
    assert.equal(await verdict(text), null);
  }
  assert.equal(await accessOf(await issue({ revokedAt: NOW_MS / 1_000 - 1 })), null);
  assert.equal(await accessOf(await issue({ secretHash: sha256(utf8('another')) })), null);
});

test('a token is valid until the second at which it expires', async () => {
  const issued = await issue();
  const endMs = NOW_MS + LIFETIME_SECONDS * 1_000;
  assert.notEqual(await accessOf(issued, endMs - 1), null);
  assert.equal(await accessOf(issued, endMs), null);
  assert.equal(tokenState(issued.stored, endMs - 1), 'active');
  assert.equal(tokenState(issued.stored, endMs), 'expired');
  assert.equal(tokenState({ ...issued.stored, revokedAt: 1 }, endMs), 'revoked');
});

test('a token lives for a second to a year, for an account that is no address', () => {
  const scope = parseTokenScope(['publish'], ['*']);
  const made = { random: sha256(utf8('random')), nowMs: NOW_MS };
  for (const lifetimeSeconds of [0, -1, 0.5, Number.NaN, Infinity, TOKEN_DAYS_MAX * 86_400 + 1]) {
    assert.throws(() => issueToken({ account: 'ci', scope, lifetimeSeconds }, made), throwsCode('usage/invalid'));
  }
  issueToken({ account: 'ci', scope, lifetimeSeconds: TOKEN_DAYS_MAX * 86_400 }, made);
  for (const account of ['ci', 'a', 'build-farm.2', 'x'.repeat(64)]) assert.equal(parseAccount(account), account);
  for (const account of ['', 'me@example', 'Ci', '-ci', 'ci-', 'a b', 'x'.repeat(65), 'a\n', '../x']) {
    assert.throws(() => parseAccount(account), throwsCode('usage/invalid'));
  }
});

test('a scope covers its actions in its namespaces, and nothing else', async () => {
  const access = await accessOf(await issue());
  assert.ok(access !== null);
  const asks = (action: 'publish' | 'read', namespace: string): void =>
    requireScope(access, { action, namespace: parseNamespace(namespace) });
  for (const namespace of ['demo', 'team']) asks('publish', namespace);
  for (const namespace of ['dem', 'demo-x', 'other'])
    assert.throws(() => asks('publish', namespace), throwsCode('token/scope'));
  assert.throws(() => asks('read', 'demo'), throwsCode('token/scope'));
  requireScope('anyone', { action: 'publish', namespace: parseNamespace('other') });
});

test('a scope is stated rightly, or refused; one that a newer program wrote covers what is known of it', () => {
  const cases: readonly (readonly [readonly string[], readonly string[], ErrorCode])[] = [
    [[], ['demo'], 'usage/invalid'],
    [['publish'], [], 'usage/invalid'],
    [['constructor'], ['demo'], 'usage/invalid'],
    [['publish'], ['Demo'], 'text/namespace'],
    [['publish'], ['demo', '*'], 'text/namespace'],
    [['publish'], [''], 'text/namespace'],
    [['publish'], Array.from({ length: 101 }, (_, i) => `n${i}`), 'usage/invalid'],
  ];
  for (const [actions, namespaces, code] of cases) {
    assert.throws(() => parseTokenScope(actions, namespaces), throwsCode(code));
  }
  const everywhere = readTokenScope('publish,teleport *');
  assert.deepEqual(everywhere, { actions: new Set(['publish']), namespaces: '*' });
  assert.deepEqual(readTokenScope('').actions, new Set());
});

test('a use is written once a day, and never where it is asked', async () => {
  const { tokens, token } = await issue({ expiresAt: NOW_MS });
  const writes: (readonly { readonly day: number }[])[] = [];
  const writer = {
    async markTokensUsed(uses: readonly { readonly id: typeof token.id; readonly day: number }[]): Promise<void> {
      writes.push(uses);
      await tokens.markTokensUsed(uses);
    },
  };
  let nowMs = NOW_MS;
  const desk = new TokenDesk(tokens, writer, () => nowMs);
  for (let i = 0; i < 3; i++) assert.equal((await desk.verify(token.text))?.account, 'ci');
  assert.equal(await desk.verify('wbt_nothing'), null);
  assert.equal(writes.length, 0);
  await desk.writeUses();
  await desk.verify(token.text);
  await desk.writeUses();
  assert.equal(writes.length, 1);
  nowMs += DAY_MS;
  await desk.verify(token.text);
  await desk.writeUses();
  const day = Math.floor(NOW_MS / DAY_MS);
  assert.deepEqual(
    writes.map((uses) => uses.map((use) => use.day)),
    [[day], [day + 1]],
  );
  assert.equal((await tokens.readToken(token.id))?.lastUsedDay, day + 1);
});
