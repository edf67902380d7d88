import { coreValueType } from './core-type.ts';
import { skipResults } from './component-type.ts';
import { type Cursor, notAnalysed } from './cursor.ts';

const LIFT = 0x00;
const LOWER = 0x01;
const SORT_BYTES = 1;

type Operand = (cursor: Cursor) => void;

const index: Operand = (cursor) => void cursor.u32();
const flag: Operand = (cursor) => void cursor.byte();
const valueType: Operand = (cursor) => void coreValueType(cursor);
const options: Operand = (cursor) => {
  for (let count = cursor.count(1); count > 0; count--) skipOption(cursor);
};

/** What stands after the code of each built-in function; all of them add to core's functions only. */
const OPERANDS: ReadonlyMap<number, readonly Operand[]> = new Map([
  [LOWER, [flag, index, options]],
  [0x02, [index]],
  [0x03, [index]],
  [0x04, [index]],
  [0x05, []],
  [0x06, [flag]],
  // Older: a resource dropped without waiting.
  [0x07, [index]],
  [0x08, []],
  [0x09, [skipResults, options]],
  [0x0a, [valueType, index]],
  [0x0b, [valueType, index]],
  [0x0c, [flag]],
  [0x0d, []],
  [0x0e, [index]],
  [0x0f, [index, options]],
  [0x10, [index, options]],
  [0x11, [index, flag]],
  [0x12, [index, flag]],
  [0x13, [index]],
  [0x14, [index]],
  [0x15, [index]],
  [0x16, [index, options]],
  [0x17, [index, options]],
  [0x18, [index, flag]],
  [0x19, [index, flag]],
  [0x1a, [index]],
  [0x1b, [index]],
  [0x1c, [options]],
  [0x1d, [options]],
  [0x1e, []],
  [0x1f, []],
  [0x20, [flag, index]],
  [0x21, [flag, index]],
  [0x22, []],
  [0x23, []],
  [0x24, []],
  [0x25, []],
  [0x26, []],
  [0x27, [index, index]],
  [0x28, []],
  [0x29, [flag]],
  [0x2a, [flag]],
  [0x2b, [flag]],
  [0x2c, [flag]],
  [0x2d, [flag]],
  [0x2e, [index]],
  [0x2f, [index]],
  [0x40, [flag, index]],
  [0x41, [flag, index, index]],
  [0x42, [flag]],
]);

function skipOption(cursor: Cursor): void {
  const start = cursor.offset;
  const option = cursor.byte();
  if (option > 0x09) throw notAnalysed('a canonical option', start);
  const takesIndex = (option >= 0x03 && option <= 0x05) || option === 0x07 || option === 0x08;
  if (takesIndex) cursor.u32();
}

/** Reads one canonical definition: the index of the type of a function that it lifts; `null` for all that stays in core. */
export function readCanon(cursor: Cursor): number | null {
  const start = cursor.offset;
  const code = cursor.byte();
  if (code === LIFT) {
    cursor.skip(SORT_BYTES);
    cursor.u32();
    options(cursor);
    return cursor.u32();
  }
  const operands = OPERANDS.get(code);
  if (operands === undefined) throw notAnalysed('a canonical function', start);
  for (const operand of operands) operand(cursor);
  return null;
}
