import { readFileSync } from 'node:fs';

const VECTORS = new URL('../../../../vectors/', import.meta.url);

interface Section11 {
  readonly keys: readonly { readonly name: string; readonly text: string; readonly id: string }[];
  readonly operatorLogId: string;
  readonly operatorMapPath: string;
  readonly packageLogIds: Readonly<Record<string, string>>;
  readonly emptyMap: { readonly e0: string; readonly e1: string; readonly e256: string };
  readonly emptyLogRoot: string;
  readonly O: { readonly contents: string; readonly recordId: string; readonly signature: string };
  readonly P1: { readonly contents: string; readonly recordId: string; readonly signature: string };
  readonly P2: { readonly recordId: string };
  readonly roots: readonly { readonly log: string; readonly map: string }[];
  readonly checkpoint: { readonly id: string; readonly signature: string };
  readonly bundles: Readonly<Record<'inclusion' | 'consistency1' | 'consistency2' | 'map', string>>;
  readonly bulkLog: Readonly<Record<string, string>>;
  readonly bulkMap: Readonly<Record<string, string>>;
  readonly bulkMapProofSiblings: number;
}

/** The vectors of warg.md section 11.2. */
export function vectorFile(name: 'warg/section-11.json'): Section11 {
  return JSON.parse(readFileSync(new URL(name, VECTORS), 'utf8'));
}
