import { utf8, utf8Text } from '@waybill/protocol';
import { damageText } from './odd-text.ts';
import type { Random } from './random.ts';
import { fieldOf, messagesOf, RAW, readTree, writeTree, writeVarint, type Field, type Shape } from './record-tree.ts';

const NUMBERS = [1, 2, 3, 4, 5, 6, 7, 15, 16, 100, 18_999, 2 ** 29 - 1, 2 ** 29, 2 ** 32, 0];
const VARINTS = [
  0n,
  1n,
  2n,
  3n,
  4n,
  127n,
  999_999_999n,
  1_000_000_000n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 32n + 1n,
  2n ** 33n + 2n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 63n + 1n,
  2n ** 64n - 1n,
  -2_000_000_000n,
];
const BAD_UTF8 = [
  [0xff],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82],
  [0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
];
/** Around the 100 levels at which prost stops. */
const DEPTHS = [1, 2, 3, 50, 95, 96, 97, 98, 99, 100, 101, 102, 150];
const STROKES_MAX = 3;

/** A message with a few strokes against its protobuf form: fields, keys, lengths, wire types, values. */
export function damageMessage(message: Uint8Array, shape: Shape, random: Random): Uint8Array {
  const tree = readTree(message, shape);
  for (let strokes = 1 + random.below(STROKES_MAX); strokes > 0; strokes--) {
    const fields = random.pick(messagesOf(tree));
    random.pick(STROKES)(fields, random);
  }
  return writeTree(tree);
}

/** Bytes with one stroke that knows nothing of their form. */
export function damageBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const list = [...bytes];
  const at = random.below(list.length + 1);
  const length = 1 + random.below(8);
  switch (random.below(7)) {
    case 0:
      list[at % Math.max(1, list.length)] = (list[at] ?? 0) ^ (1 << random.below(8));
      break;
    case 1:
      list[at % Math.max(1, list.length)] = random.below(256);
      break;
    case 2:
      list.length = at;
      break;
    case 3:
      list.splice(at, length);
      break;
    case 4:
      list.splice(at, 0, ...random.bytes(length));
      break;
    case 5:
      list.splice(at, 0, ...list.slice(at, at + length));
      break;
    default:
      list.push(...random.bytes(length));
  }
  return Uint8Array.from(list);
}

type Stroke = (fields: Field[], random: Random) => void;

const STROKES: readonly Stroke[] = [
  duplicate,
  remove,
  move,
  addUnknown,
  changeWire,
  padKey,
  padValue,
  addGroup,
  addBrokenGroup,
  changeValue,
  changeValue,
  changeText,
  changeText,
  changeNumber,
  splitMessage,
  repack,
];

function duplicate(fields: Field[], random: Random): void {
  if (fields.length === 0) return;
  const copy = structuredClone(random.pick(fields));
  if (random.once(2)) changeText([copy], random);
  fields.splice(random.below(fields.length + 1), 0, copy);
}

function remove(fields: Field[], random: Random): void {
  fields.splice(random.below(fields.length + 1), 1);
}

function move(fields: Field[], random: Random): void {
  fields.splice(random.below(fields.length + 1), 0, ...fields.splice(random.below(fields.length + 1), 1));
}

function addUnknown(fields: Field[], random: Random): void {
  const wire = random.pick([0, 1, 2, 5, 6, 7]);
  const size = wire === 1 ? 8 : wire === 5 ? 4 : random.below(5);
  const content = wire === 0 ? random.pick(VARINTS) : random.bytes(random.once(8) ? random.below(9) : size);
  fields.splice(random.below(fields.length + 1), 0, fieldOf(random.pick(NUMBERS), wire, content));
}

function changeWire(fields: Field[], random: Random): void {
  if (fields.length === 0) return;
  const field = random.pick(fields);
  field.wire = random.below(8);
  if (random.once(2)) field.bytes = random.bytes(field.wire === 1 ? 8 : 4);
}

function padKey(fields: Field[], random: Random): void {
  if (fields.length > 0) random.pick(fields).keyPadding = 1 + random.below(11);
}

function padValue(fields: Field[], random: Random): void {
  if (fields.length > 0) random.pick(fields).valuePadding = 1 + random.below(11);
}

function addGroup(fields: Field[], random: Random): void {
  const number = random.pick(NUMBERS);
  let inner: Field[] = random.some([fieldOf(1, 0, 5n), fieldOf(2, 2, random.bytes(3)), fieldOf(3, 5, random.bytes(4))]);
  for (let depth = random.pick(DEPTHS); depth > 0; depth--) inner = [fieldOf(number, 3, inner)];
  fields.splice(random.below(fields.length + 1), 0, ...inner);
}

/** Not closed, not opened, or closed by another number. */
function addBrokenGroup(fields: Field[], random: Random): void {
  const [start, end, other] = [8 * 9 + 3, 8 * 9 + 4, 8 * 8 + 4];
  const bytes = random.pick([[start], [end], [start, other], [start, start, end], [start, 8, 1]]);
  fields.splice(random.below(fields.length + 1), 0, fieldOf(9, RAW, Uint8Array.from(bytes)));
}

function changeValue(fields: Field[], random: Random): void {
  const varints = fields.filter(({ wire }) => wire === 0);
  if (varints.length > 0) random.pick(varints).varint = random.pick(VARINTS);
  else fields.push(fieldOf(random.pick([1, 2, 3]), 0, random.pick(VARINTS)));
}

function changeText(fields: Field[], random: Random): void {
  const texts = fields.filter(({ wire, children }) => wire === 2 && children === null);
  if (texts.length === 0) return;
  const field = random.pick(texts);
  const text = utf8Text(field.bytes);
  if (text === null || random.once(4)) {
    const at = random.below(field.bytes.length + 1);
    const bad = random.pick(BAD_UTF8);
    field.bytes = Uint8Array.of(...field.bytes.subarray(0, at), ...bad, ...field.bytes.subarray(at));
  } else {
    field.bytes = random.once(8) ? new Uint8Array() : utf8(damageText(text, random));
  }
}

function changeNumber(fields: Field[], random: Random): void {
  if (fields.length > 0) random.pick(fields).number = random.pick(NUMBERS);
}

/** One message field as two, which protobuf merges. */
function splitMessage(fields: Field[], random: Random): void {
  const whole = fields.find(({ children }) => children !== null && children.length > 0);
  if (whole?.children == null) return;
  const second = structuredClone(whole);
  second.children = whole.children.splice(random.below(whole.children.length));
  fields.splice(fields.indexOf(whole) + 1, 0, second);
}

/** A list of enum values packed, as single fields, or in two packs, with values that are none. */
function repack(fields: Field[], random: Random): void {
  const values = Array.from({ length: random.below(4) }, () =>
    random.once(4) ? random.pick(VARINTS) : BigInt(1 + random.below(3)),
  );
  const packed = fieldOf(
    2,
    2,
    Uint8Array.from(values.flatMap((value) => writeVarint(value, random.once(6) ? random.below(10) : 0))),
  );
  const single = values.map((value) => fieldOf(2, 0, value));
  const kept = random.once(2) ? fields : fields.filter(({ number }) => number !== 2);
  fields.splice(
    0,
    fields.length,
    ...kept,
    ...random.pick([[packed], single, [packed, ...single], [...single, packed]]),
  );
}
