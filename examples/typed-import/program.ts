// A program in TypeScript. What it imports is written by `waybill types example:words --transpile -o words --name index`.
import { words } from './words/index.js';

export function report(numbers: readonly number[]): string {
  const sum: bigint = words.sum(Uint32Array.from(numbers));
  return words.shout(`the sum is ${sum}`);
}
