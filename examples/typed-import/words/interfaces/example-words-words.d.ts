/** @module Interface example:words/words@1.0.0 **/
export function sum(numbers: Uint32Array): bigint;
export function shout(text: string): string;
