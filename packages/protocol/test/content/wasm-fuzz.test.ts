import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { joinBytes } from '../../src/bytes/byte-array.ts';
import { WasmOutlineReader } from '../../src/content/binary/outline-reader.ts';
import { readStructure, readWasm } from '../../src/content/binary/wasm-binary.ts';
import { decodeWit } from '../../src/content/wit/decode.ts';
import { isRegistryError } from '../../src/errors.ts';
import { SAMPLES } from './wasm-samples.ts';

const INPUTS = FULL ? 1_000_000 : 20_000;
const CORE_MODULE_SECTION = 1;
const ONE_INPUT_MS_MAX = 2_000;
const PROCESS_MB_MAX = 200;
/** Values that lengths, counts and codes go wrong at. */
const TELLING = [0x00, 0x01, 0x02, 0x40, 0x41, 0x42, 0x7f, 0x80, 0xff] as const;

const samples = [...Object.values(SAMPLES).map((sample) => sample()), realComponent()];

/** A component that tools made, without its code: what is left is what the reader looks at. */
function realComponent(): Uint8Array {
  const entry = fileURLToPath(import.meta.resolve('@bytecodealliance/jco'));
  const whole = new Uint8Array(readFileSync(join(entry, '..', '..', 'obj', 'wasm-tools.component.wasm')));
  const parts = readWasm(whole).sections.filter(({ id }) => id !== CORE_MODULE_SECTION);
  return joinBytes([whole.subarray(0, 8), ...parts.map(({ offset, size }) => whole.subarray(offset, offset + size))]);
}

/** One to four changes of a sample: bytes, a cut, a piece of another sample put in, a piece taken out or doubled. */
function damaged(dice: Dice): Uint8Array {
  let bytes = dice.of(samples);
  for (let left = 1 + dice.below(4); left > 0; left--) bytes = changed(bytes, dice);
  return bytes;
}

function changed(bytes: Uint8Array, dice: Dice): Uint8Array {
  const at = dice.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + dice.below(12));
  switch (dice.below(6)) {
    case 0:
      return bytes.slice(0, at);
    case 1:
      return joinBytes([bytes.subarray(0, at), bytes.subarray(to)]);
    case 2:
      return joinBytes([bytes.subarray(0, to), bytes.subarray(at)]);
    case 3: {
      const other = dice.of(samples);
      const from = dice.below(other.length);
      return joinBytes([bytes.subarray(0, at), other.subarray(from, from + dice.below(24)), bytes.subarray(to)]);
    }
    case 4:
      return withByte(bytes, 8 + dice.below(bytes.length), dice.of(TELLING));
    default:
      return withByte(bytes, 8 + dice.below(bytes.length), dice.below(256));
  }
}

function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice();
  if (at < copy.length) copy[at] = value;
  return copy;
}

function outlineInChunks(bytes: Uint8Array): unknown {
  const reader = new WasmOutlineReader();
  for (let at = 0; at < bytes.length; at += 11) reader.update(bytes.subarray(at, at + 11));
  return reader.finish();
}

/** What reading gives, or the code of the one class of errors that may come out. */
function outcome(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): unknown {
  try {
    return read(bytes);
  } catch (failure) {
    if (!isRegistryError(failure, 'content/malformed', 'content/policy', 'content/not-analysed')) throw failure;
    return failure.code;
  }
}

/** Of two faults in one file the one that comes first is told, and chunks meet a limit before they see the end of a section. */
function verdict(found: unknown): unknown {
  return found === 'content/malformed' || found === 'content/policy' ? 'refused' : found;
}

test(`P12: ${INPUTS} damaged binaries: no failure but the reader's own, in bounded time, and the same in chunks`, () => {
  const dice = new Dice(SEED);
  for (let i = 0; i < INPUTS; i++) {
    const bytes = damaged(dice);
    const start = performance.now();
    const whole = outcome(readWasm, bytes);
    outcome(readStructure, bytes);
    outcome(decodeWit, bytes);
    assert.ok(performance.now() - start < ONE_INPUT_MS_MAX, `input ${i} takes too long`);
    if (i % 8 === 0) assert.deepEqual(verdict(outcome(outlineInChunks, bytes)), verdict(whole), `input ${i}`);
  }
});

test('P12: every sample cut off at every byte, and with every byte changed', () => {
  for (const sample of samples) {
    const step = FULL || sample.length < 2_000 ? 1 : 97;
    for (let at = 0; at < sample.length; at += step) {
      for (const bytes of [
        sample.slice(0, at),
        withByte(sample, at, 0xff),
        withByte(sample, at, (sample[at] ?? 0) ^ 1),
      ]) {
        assert.deepEqual(outcome(outlineInChunks, bytes), outcome(readWasm, bytes));
        outcome(decodeWit, bytes);
      }
    }
  }
});

test('P12: all of that in little memory', () => {
  assert.ok(process.resourceUsage().maxRSS < PROCESS_MB_MAX * 1_000, 'the process of this file has grown');
});
