import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ACCESS_TOKEN_RANDOM_BYTES,
  accessTokenHash,
  accessTokenOf,
  equalSecretBytes,
  isRegistryError,
  parseAccessToken,
  parseTokenId,
  sha256,
  utf8,
} from '@waybill/protocol';

const RANDOM = sha256(utf8('a token'));
const TOKEN = accessTokenOf(RANDOM);

function assertRefused(text: string): void {
  assert.throws(
    () => parseAccessToken(text),
    (thrown) => {
      assert.ok(isRegistryError(thrown, 'text/token'), text);
      assert.ok(text.length < 8 || !thrown.message.includes(text.slice(4, -8)), 'the message quotes a secret');
      return true;
    },
  );
}

test('http.md 6.1: a token is its prefix, an id, a secret and a checksum, and reads back', () => {
  assert.match(TOKEN.text, /^wbt_[0-9a-f]{72}$/);
  assert.equal(TOKEN.text.slice(4, 20), TOKEN.id);
  assert.deepEqual(parseAccessToken(TOKEN.text), TOKEN);
  assert.deepEqual(accessTokenHash(TOKEN), sha256(utf8(TOKEN.text)));
  assert.notEqual(accessTokenOf(sha256(utf8('another'))).text, TOKEN.text);
  assert.throws(() => accessTokenOf(RANDOM.subarray(1)), TypeError);
  assert.equal(RANDOM.length, ACCESS_TOKEN_RANDOM_BYTES);
});

test('http.md 6.1: each character that is mistyped, lost or added is found without asking anybody', () => {
  const { text } = TOKEN;
  for (let i = 0; i < text.length; i++) {
    assertRefused(`${text.slice(0, i)}${text[i] === '0' ? '1' : '0'}${text.slice(i + 1)}`);
    assertRefused(text.slice(0, i) + text.slice(i + 1));
    assertRefused(`${text.slice(0, i)}0${text.slice(i)}`);
  }
  for (const odd of [
    '',
    'wbt_',
    text.toUpperCase(),
    ` ${text}`,
    `${text}\n`,
    `${text}${text}`,
    `wbt_${'0'.repeat(72)}`,
  ]) {
    assertRefused(odd);
  }
});

test('the id of a token is 16 hexadecimal digits', () => {
  assert.equal(parseTokenId(TOKEN.id), TOKEN.id);
  for (const odd of ['', TOKEN.text, TOKEN.id.slice(1), `${TOKEN.id}0`, 'ABCDEF0123456789', '../../../../etc/p']) {
    assert.throws(
      () => parseTokenId(odd),
      (thrown) => isRegistryError(thrown, 'text/token'),
    );
  }
});

test('W14: secrets are compared to their end', () => {
  const secret = sha256(utf8('secret'));
  assert.ok(equalSecretBytes(secret, secret.slice()));
  for (let i = 0; i < secret.length; i++) {
    const other = secret.slice();
    other[i] = (other[i] ?? 0) ^ 1;
    assert.ok(!equalSecretBytes(secret, other));
    // Every byte is read, wherever the first difference is: what cannot be read must be noticed at each place.
    const reads: string[] = [];
    const watched = new Proxy(other, {
      get(target, key) {
        if (typeof key === 'string' && key !== 'length') reads.push(key);
        return Reflect.get(target, key, target);
      },
    });
    equalSecretBytes(secret, watched);
    assert.equal(reads.length, secret.length);
  }
  assert.ok(!equalSecretBytes(secret, secret.subarray(1)));
  assert.ok(equalSecretBytes(new Uint8Array(), new Uint8Array()));
});
