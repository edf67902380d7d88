import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeHex } from '../../src/bytes/hex.ts';
import { compareWit } from '../../src/content/wit/compare-document.ts';
import { decodeWit } from '../../src/content/wit/decode.ts';
import { encodeWit } from '../../src/content/wit/encode-package.ts';
import { printWit } from '../../src/content/wit/print.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError } from '../../src/errors.ts';
import { readWit, SAMPLES } from './wit-samples.ts';

/** SHA-256 of what wasm-tools 1.263.0 makes of the samples, without the section that names it. */
const DIGESTS: readonly string[] = [
  '5aba3120733a029e8785fb44068ce08e1ac03a9563c4904af8313e6240a8ed29',
  'c8e76a0ee93546713ad583751df810634fbfad77c906cd5443f33d6c37ab42aa',
  '2ba61b8409aa95d867e54a06dbc2306eca26b9f9605fe4f8627268ed01312c0e',
  '6a439eb1e785b8105f8f6a5b9ed0839c22357cd84f1daaceeb3483609e7ca3a2',
  '412352d7277439be59a7b5b5f3ec9acc7cff2365d7374cf4fd01e1e4b5f5bfaa',
  'c023d74a50d75371fcf74ca2474af70c342530a887eb1651fe85abe93f50dbfd',
];

const HAS_ITEMS = SAMPLES.filter(([text]) => text !== 'package a:b;');

test('the binary form of a text is the one that wasm-tools writes', () => {
  assert.deepEqual(
    SAMPLES.map(([main, ...rest]) => encodeHex(sha256(encodeWit(readWit(main, ...rest))))),
    DIGESTS,
  );
});

test('text, model, binary, and back: the same model, the same bytes, the same text', () => {
  for (const [main, ...rest] of HAS_ITEMS) {
    const document = readWit(main, ...rest);
    const bytes = encodeWit(document);
    const decoded = decodeWit(bytes);
    assert.deepEqual(compareWit(document, decoded), []);
    assert.deepEqual(encodeWit(decoded), bytes);
    const text = printWit(decoded);
    const again = readWit(text);
    assert.deepEqual(encodeWit(again), bytes);
    assert.equal(printWit(again), text);
  }
});

test('a world without a package has no binary form', () => {
  const { main, dependencies } = readWit('package a:b; world w { }');
  const worlds = new Map([...main.worlds].map(([name, world]) => [name, { ...world, packageId: null }]));
  const homeless = { main: { ...main, worlds }, dependencies };
  assert.throws(
    () => encodeWit(homeless),
    (failure) => isRegistryError(failure, 'content/wit'),
  );
});

test('P12: a package whose binary form would be huge is refused', () => {
  const big = Array.from({ length: 2_000 }, (_, n) => `record r${n} { field-of-some-length-${n}: u8 }`).join(' ');
  const users = Array.from({ length: 3_000 }, (_, n) => `interface u${n} { use big.{r${n % 2_000}}; }`).join(' ');
  assert.throws(
    () => encodeWit(readWit(`package a:b; interface big { ${big} } ${users}`)),
    (failure) => isRegistryError(failure, 'content/wit'),
  );
});
