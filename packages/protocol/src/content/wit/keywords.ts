/** Words that stand for something else where a name may stand: WIT.md "Keywords", and a type of the component model. Sorted. */
export const KEYWORDS: ReadonlySet<string> = new Set([
  'as',
  'async',
  'bool',
  'borrow',
  'char',
  'constructor',
  'enum',
  'error-context',
  'export',
  'f32',
  'f64',
  'flags',
  'from',
  'func',
  'future',
  'import',
  'include',
  'interface',
  'list',
  'map',
  'option',
  'own',
  'package',
  'record',
  'resource',
  'result',
  's16',
  's32',
  's64',
  's8',
  'static',
  'stream',
  'string',
  'tuple',
  'type',
  'u16',
  'u32',
  'u64',
  'u8',
  'use',
  'variant',
  'with',
  'world',
]);

/** No keywords today; programs that still read them as types are around. */
const OLD_KEYWORDS: ReadonlySet<string> = new Set(['_', 'float32', 'float64']);

/** A name as WIT text writes it: `%` before a word of the language. */
export function nameText(name: string): string {
  return KEYWORDS.has(name) || OLD_KEYWORDS.has(name) ? `%${name}` : name;
}
