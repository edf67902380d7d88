import { encodeBase64, encodeHex, signBytes, type PrivateKey } from '@waybill/protocol';
import type { Random } from './random.ts';

/** Kinds of text that both implementations read. */
export const TEXT_KINDS = ['hash', 'key', 'signature', 'private-key', 'package-name', 'version'] as const;
export type TextKind = (typeof TEXT_KINDS)[number];

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const FIELD = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;
const ALGORITHM = 'ecdsa-p256:';

/** A text of its kind: well formed, nearly so, or well formed and then damaged. */
export async function drawText(kind: TextKind, random: Random, keys: readonly PrivateKey[]): Promise<string> {
  const text = await DRAW[kind](random, random.pick(keys));
  return random.once(3) ? damageText(text, random) : text;
}

const DRAW: Readonly<Record<TextKind, (random: Random, key: PrivateKey) => string | Promise<string>>> = {
  hash: drawHashText,
  key: (random, key) => `${drawAlgorithm(random)}${encodeBase64(drawPoint(random, key))}`,
  signature: drawSignatureText,
  'private-key': (random, key) => `${drawAlgorithm(random)}${encodeBase64(drawScalar(random, key))}`,
  'package-name': drawPackageName,
  version: drawVersionText,
};

const STRAYS = [
  '',
  ' ',
  '\n',
  '\r',
  '\t',
  '\0',
  ':',
  '::',
  '-',
  '--',
  '+',
  '.',
  '=',
  '==',
  '/',
  '_',
  'A',
  'F',
  'z',
  '0',
  '00',
  'é',
  '\u{1f980}',
  '\ufeff',
  'İ',
  '%3A',
  'ſ',
];

/** One stroke: a stray character, one taken away, doubled, or in the other case. */
export function damageText(text: string, random: Random): string {
  const letters = Array.from(text);
  const at = random.below(letters.length + 1);
  const letter = letters[at] ?? '';
  const stroke = random.pick([
    random.pick(STRAYS),
    '',
    letter + letter,
    letter.toUpperCase(),
    letter.toLowerCase(),
    `${random.pick(STRAYS)}${letter}`,
  ]);
  letters.splice(at, 1, stroke);
  return letters.join('');
}

function drawHashText(random: Random): string {
  const prefix = random.once(6)
    ? random.pick(['SHA256:', 'sha-256:', 'sha512:', 'sha256', '', 'Sha256:', ' sha256:', 'sha256::'])
    : 'sha256:';
  const digits = encodeHex(random.bytes(random.pick([0, 1, 2, 31, 32, 32, 32, 33, 64])));
  return prefix + (random.once(6) ? digits.toUpperCase() : digits);
}

function drawAlgorithm(random: Random): string {
  return random.once(8)
    ? random.pick(['ECDSA-P256:', 'ecdsa-p384:', 'ecdsa-p256', '', 'ecdsa-p256::', 'Ecdsa-p256:', 'ed25519:'])
    : ALGORITHM;
}

/** A key in any SEC1 form, on the curve or not. */
function drawPoint(random: Random, { publicKey: { point } }: PrivateKey): Uint8Array {
  const x = point.subarray(1, 33);
  switch (random.below(12)) {
    case 0:
      return point;
    case 1:
      return Uint8Array.of(5, ...x);
    case 2:
      return Uint8Array.of(0);
    case 3:
      return Uint8Array.of(random.pick([0, 1, 4, 6, 7, 8, 255]), ...x);
    case 4:
      return Uint8Array.of(random.pick([6, 7]), ...point.subarray(1));
    case 5:
      return Uint8Array.of(random.pick([2, 3, 5]), ...random.bytes(32));
    case 6:
      return Uint8Array.of(
        random.pick([2, 3, 5]),
        ...bigEndian(random.pick([0n, 1n, 2n, FIELD, FIELD - 1n, FIELD + 5n, 2n ** 256n - 1n]), 32),
      );
    case 7:
      return Uint8Array.of(4, ...x, ...random.bytes(32));
    case 8:
      return Uint8Array.of(2, ...x).subarray(0, random.below(34));
    case 9:
      return new Uint8Array(random.pick([0, 1, 2, 33, 65, 66]));
    default:
      return Uint8Array.of(random.pick([2, 3]), ...x);
  }
}

function drawScalar(random: Random, { scalar }: PrivateKey): Uint8Array {
  switch (random.below(5)) {
    case 0:
      return bigEndian(random.pick([0n, 1n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 1n]), 32);
    case 1:
      return scalar.subarray(random.below(12));
    case 2:
      return random.bytes(random.below(36));
    case 3:
      return new Uint8Array(random.below(34));
    default:
      return scalar;
  }
}

async function drawSignatureText(random: Random, key: PrivateKey): Promise<string> {
  const { raw } = await signBytes('package-record', random.bytes(4), key);
  return `${drawAlgorithm(random)}${encodeBase64(drawDer(raw, random))}`;
}

/** Signature bytes in DER with one liberty taken, or in another form. */
export function drawDer(raw: Uint8Array, random: Random): Uint8Array {
  const [r, s] = [integerOf(raw.subarray(0, 32)), integerOf(raw.subarray(32))];
  switch (random.below(14)) {
    case 0:
      return raw;
    case 1:
      return derOf(derInteger(r, 1), derInteger(s));
    case 2:
      return derOf(derInteger(r), derInteger(s), [0]);
    case 3:
      return Uint8Array.of(0x30, 0x81, ...derOf(derInteger(r), derInteger(s)).subarray(1));
    case 4:
      return Uint8Array.of(...derOf(derInteger(r), derInteger(s)), random.below(256));
    case 5:
      return derOf(derInteger(random.pick(EDGES)), derInteger(random.pick(EDGES)));
    case 6:
      return derOf(derInteger(r), derInteger(ORDER - s));
    case 7:
      // Without the zero byte that keeps a number positive.
      return derOf([2, 32, ...bigEndian(r, 32)], [2, 32, ...bigEndian(s, 32)]);
    case 8:
      return derOf([2, 0x81, ...derInteger(r).slice(1)], derInteger(s));
    case 9:
      return derOf([random.pick([3, 0x22, 0x82, 0]), ...derInteger(r).slice(1)], derInteger(s));
    case 10:
      return Uint8Array.of(random.pick([0x10, 0x31, 0x70, 0xb0]), ...derOf(derInteger(r), derInteger(s)).subarray(1));
    case 11:
      return derOf(derInteger(r));
    default:
      return derOf(derInteger(r), derInteger(s));
  }
}

const EDGES = [0n, 1n, 127n, 128n, 255n, 256n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 1n, 2n ** 256n, 2n ** 300n];

/** The same signature with the other s, which Warg accepts as well. */
export function otherS(raw: Uint8Array): string {
  const [r, s] = [integerOf(raw.subarray(0, 32)), integerOf(raw.subarray(32))];
  return `${ALGORITHM}${encodeBase64(derOf(derInteger(r), derInteger(ORDER - s)))}`;
}

function derOf(...parts: readonly (readonly number[])[]): Uint8Array {
  const body = parts.flat();
  return Uint8Array.of(0x30, body.length, ...body);
}

function derInteger(value: bigint, padding = 0): number[] {
  const digits = value.toString(16);
  const magnitude = bigEndian(value, Math.ceil(digits.length / 2));
  const sign = (magnitude[0] ?? 0) >= 0x80 ? [0] : [];
  return [
    2,
    magnitude.length + sign.length + padding,
    ...Array.from({ length: padding }, () => 0),
    ...sign,
    ...magnitude,
  ];
}

function integerOf(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => value * 256n + BigInt(byte), 0n);
}

function bigEndian(value: bigint, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * (length - 1 - i))) & 0xffn));
}

const WORDS = ['a', 'test', 'wasi', 'http2', 'x1y2', 'component', '1a', '', 'A', 'aB', 'a_b', 'ä', 'a.b', '0', '%'];

function drawPackageName(random: Random): string {
  const side = (): string =>
    Array.from({ length: 1 + random.below(3) }, () => random.pick(random.once(4) ? WORDS : WORDS.slice(0, 6))).join(
      '-',
    );
  const name = `${side()}:${side()}`;
  return random.once(10)
    ? random.pick([`${name}:x`, `${name}@1.0.0`, `${name}/x`, side(), `:${side()}`, `${side()}:`, ''])
    : name;
}

const NUMBERS = [
  '0',
  '1',
  '10',
  '00',
  '01',
  '-1',
  '',
  '18446744073709551615',
  '18446744073709551616',
  '99999999999999999999',
  '1e3',
  '٣',
  '+1',
];
const IDENTIFIERS = [
  'a',
  'rc',
  '1',
  '0',
  '01',
  '00',
  'a-b',
  '-',
  '--',
  '0a',
  '',
  'ä',
  'a_b',
  '1-',
  '99999999999999999999999',
  'x.7.z',
];

function drawVersionText(random: Random): string {
  const number = (): string => random.pick(random.once(5) ? NUMBERS : NUMBERS.slice(0, 3));
  const identifiers = (): string =>
    Array.from({ length: 1 + random.below(3) }, () =>
      random.pick(random.once(4) ? IDENTIFIERS : IDENTIFIERS.slice(0, 4)),
    ).join('.');
  const core = Array.from({ length: random.once(8) ? random.below(6) : 3 }, number).join('.');
  const pre = random.once(2) ? `-${identifiers()}` : '';
  const build = random.once(3) ? `+${identifiers()}` : '';
  return `${random.once(10) ? random.pick(['v', '=', '^', ' ']) : ''}${core}${pre}${build}`;
}
