import type { Finding, Verdict } from '../finding.ts';
import { type Source, type SourceTree, lineAt } from '../source-tree.ts';

interface Pattern {
  readonly pattern: RegExp;
  readonly message: string;
}

const EVERYWHERE: readonly Pattern[] = [
  {
    pattern: /\b(?:eslint|oxlint|biome)-(?:disable|ignore)/g,
    message: 'A lint rule is switched off: fix the code, or the rule for all.',
  },
  { pattern: /@ts-(?:ignore|nocheck|expect-error)/g, message: 'The compiler is switched off for a line or a file.' },
];

const IN_TESTS: readonly Pattern[] = [
  { pattern: /\.only\s*\(|\bonly: true\b/g, message: "'only' keeps every other test from running." },
  { pattern: /\.(?:skip|todo)\s*\(/g, message: 'A test that never runs proves nothing: repair it or delete it.' },
];

/** Nothing is silenced: no lint rule, no compiler error, no test. */
export function suppressions(tree: SourceTree): Verdict {
  const findings = tree.sources.flatMap((source) => {
    const patterns = /\.test\.m?[jt]s$/.test(source.path) ? [...EVERYWHERE, ...IN_TESTS] : EVERYWHERE;
    return patterns.flatMap((rule) => matches(source, rule));
  });
  return { findings, figures: [] };
}

function matches(source: Source, { pattern, message }: Pattern): Finding[] {
  return [...source.text.matchAll(pattern)].map((match) => ({
    file: source.path,
    line: lineAt(source, match.index),
    message,
  }));
}
