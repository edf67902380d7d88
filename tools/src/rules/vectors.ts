import type { Finding, Verdict } from '../finding.ts';
import type { SourceTree } from '../source-tree.ts';

interface Count {
  readonly valid: number;
  readonly invalid: number;
}

/** What one vector file holds. */
interface VectorFile extends Count {
  readonly file: string;
  readonly findings: readonly Finding[];
}

/**
 * Every case of a vector file names the clause it stands for, and there are at least as many invalid cases as valid ones
 * in each file (a pair `x-valid.json`, `x-invalid.json` counts as one).
 *
 * A file is a list of cases, an object with a list `cases`, or an object with lists `valid` and `invalid`. In the first
 * two a case is invalid if its `expect` is an error code: any text but `ok`. An object with a `clause` of its own and no
 * such list is a set of known values, made by another implementation; there is nothing in it to refuse.
 */
export function vectors(tree: SourceTree): Verdict {
  const paths = tree.files.filter((path) => /^vectors\/.*\.json$/.test(path));
  const files = paths.map((path) => readVectorFile(path, new TextDecoder().decode(tree.read(path))));
  const { valid, invalid } = total(files);
  return {
    findings: [...files.flatMap(({ findings }) => findings), ...unbalanced(files)],
    figures: [`vectors: ${valid} valid, ${invalid} invalid`],
  };
}

function total(counts: readonly Count[]): Count {
  const valid = counts.reduce((sum, count) => sum + count.valid, 0);
  return { valid, invalid: counts.reduce((sum, count) => sum + count.invalid, 0) };
}

function unbalanced(files: readonly VectorFile[]): Finding[] {
  const families = new Set(files.map(({ file }) => familyOf(file)));
  return [...families].flatMap((family) => {
    const members = files.filter(({ file }) => familyOf(file) === family);
    const { valid, invalid } = total(members);
    if (invalid >= valid) return [];
    const message = `${invalid} invalid cases beside ${valid} valid ones: what must be refused is tested at least as often.`;
    return [{ file: members[0]?.file ?? family, line: 1, message }];
  });
}

function familyOf(file: string): string {
  return file.replace(/[-._](?:in)?valid(?=\.json$)/, '');
}

function readVectorFile(file: string, text: string): VectorFile {
  const parsed = parse(text);
  const lists = caseLists(parsed);
  if (lists === null && isText(field(parsed, 'clause'))) return { file, valid: 0, invalid: 0, findings: [] };
  if (lists === null) {
    const message = 'Not a vector file: a list of cases, or an object with `cases`, or with `valid` and `invalid`.';
    return { file, valid: 0, invalid: 0, findings: [{ file, line: 1, message }] };
  }
  const { cases, valid, invalid } = lists;
  const refused = cases.filter((one) => typeof field(one, 'expect') === 'string' && field(one, 'expect') !== 'ok');
  const unclear = cases.filter((one) => field(one, 'expect') === undefined);
  const all = [...cases, ...valid, ...invalid];
  const nameless = all.filter((one) => !isText(field(one, 'clause')));
  return {
    file,
    valid: valid.length + cases.length - refused.length,
    invalid: invalid.length + refused.length,
    findings: [
      ...nameless.map((one) => complaint(file, text, one, 'names no `clause`')),
      ...unclear.map((one) => complaint(file, text, one, 'says nothing about what to `expect`')),
    ],
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

interface CaseLists {
  readonly cases: readonly unknown[];
  readonly valid: readonly unknown[];
  readonly invalid: readonly unknown[];
}

function caseLists(parsed: unknown): CaseLists | null {
  if (Array.isArray(parsed)) return { cases: parsed, valid: [], invalid: [] };
  const lists = { cases: list(parsed, 'cases'), valid: list(parsed, 'valid'), invalid: list(parsed, 'invalid') };
  return Object.values(lists).every(({ length }) => length === 0) ? null : lists;
}

function list(value: unknown, key: string): readonly unknown[] {
  const found = field(value, key);
  return Array.isArray(found) ? found : [];
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? new Map(Object.entries(value)).get(key) : undefined;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function complaint(file: string, text: string, one: unknown, problem: string): Finding {
  const name = field(one, 'name');
  const label = typeof name === 'string' ? name : 'without a name';
  const offset = typeof name === 'string' ? text.indexOf(JSON.stringify(name)) : -1;
  const line = offset === -1 ? 1 : text.slice(0, offset).split('\n').length;
  return { file, line, message: `The case '${label}' ${problem}.` };
}
