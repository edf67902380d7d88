/** WebAssembly's text format as wasm-tools prints it, as nested lists. Strings are kept apart from words; comments are gone. */
export type WatTree = string | WatString | readonly WatTree[];

export interface WatString {
  readonly text: string;
}

const TOKEN = /\(;[^]*?;\)|;;[^\n]*|\(|\)|"(?:[^"\\]|\\[^])*"|[^\s()";]+(?:"(?:[^"\\]|\\[^])*")?|\s+/gy;
const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', '"': '"', "'": "'", '\\': '\\' };

/** The one list that a text is. */
export function parseWat(text: string): readonly WatTree[] {
  const root: WatTree[] = [];
  const open: WatTree[][] = [root];
  for (const [token] of text.matchAll(TOKEN)) {
    const list = open.at(-1);
    if (list === undefined) throw new Error('the text closes more lists than it opens');
    if (token === '(') {
      const inner: WatTree[] = [];
      list.push(inner);
      open.push(inner);
    } else if (token === ')') {
      open.pop();
    } else if (token.startsWith('"')) {
      list.push({ text: stringOf(token.slice(1, -1)) });
    } else if (!/^(?:\s|\(;|;;)/.test(token)) {
      list.push(token);
    }
  }
  const [module] = root;
  if (open.length !== 1 || !isList(module)) throw new Error('the text is not one list');
  return module;
}

/** Escapes of two hex digits are bytes of UTF-8. */
function stringOf(escaped: string): string {
  const bytes: number[] = [];
  const encoder = new TextEncoder();
  for (const [part, hex, point, one] of escaped.matchAll(/\\([0-9a-fA-F]{2})|\\u\{([0-9a-fA-F]+)\}|\\([^])|[^\\]+/g)) {
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (point !== undefined) bytes.push(...encoder.encode(String.fromCodePoint(Number.parseInt(point, 16))));
    else bytes.push(...encoder.encode(one === undefined ? part : ESCAPES[one]));
  }
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes));
}

export function isList(tree: WatTree | undefined): tree is readonly WatTree[] {
  return Array.isArray(tree);
}

export function isString(tree: WatTree | undefined): tree is WatString {
  return typeof tree === 'object' && 'text' in tree;
}

/** The word that a list begins with. */
export function headOf(tree: WatTree | undefined): string | null {
  const [head] = isList(tree) ? tree : [];
  return typeof head === 'string' ? head : null;
}

/** As text again, in one spelling. */
export function watText(tree: WatTree): string {
  if (isList(tree)) return `(${tree.map(watText).join(' ')})`;
  return isString(tree) ? JSON.stringify(tree.text) : tree;
}
