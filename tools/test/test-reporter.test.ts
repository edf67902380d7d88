import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const REPORTER = fileURLToPath(new URL('../../test-reporter.mjs', import.meta.url));
const HEAD = "import { before, describe, test } from 'node:test';\n";

interface Run {
  readonly name: string;
  readonly file: string;
  readonly totals: { readonly passed: number; readonly failed: number; readonly skipped: number };
  /** What the output must name; nothing is printed for a run without a failure. */
  readonly printed: readonly string[];
}

const RUNS: readonly Run[] = [
  {
    name: 'tests in a group count, the group does not',
    file: "describe('group', () => { test('a', () => {}); test('b', () => {}); });",
    totals: { passed: 2, failed: 0, skipped: 0 },
    printed: [],
  },
  {
    name: 'a failure is printed with its place and reason',
    file: "test('a', () => { throw new Error('because'); });",
    totals: { passed: 0, failed: 1, skipped: 0 },
    printed: ['FAILED a', 'a.test.mjs:2', 'because'],
  },
  {
    name: 'a failure in a subtest counts once',
    file: "test('a', async (t) => { await t.test('b', () => { throw new Error('x'); }); });",
    totals: { passed: 0, failed: 1, skipped: 0 },
    printed: ['FAILED b'],
  },
  {
    name: 'skipped tests are told apart from passed ones',
    file: "test('a', { skip: 'no server' }, () => {}); test('b', () => {});",
    totals: { passed: 1, failed: 0, skipped: 1 },
    printed: [],
  },
  {
    name: 'a file that throws while it loads fails',
    file: "throw new Error('while loading');",
    totals: { passed: 0, failed: 1, skipped: 0 },
    printed: ['while loading'],
  },
  { name: 'a file without a test fails', file: '', totals: { passed: 0, failed: 1, skipped: 0 }, printed: ['no test'] },
  {
    name: 'a hook that throws fails its group and the tests in it',
    file: "describe('group', () => { before(() => { throw new Error('in the hook'); }); test('a', () => {}); });",
    totals: { passed: 0, failed: 2, skipped: 0 },
    printed: ['in the hook'],
  },
];

describe('test reporter', () => {
  for (const { name, file, totals, printed } of RUNS) {
    test(name, () => {
      const outcome = runTests(file);
      assert.deepEqual(outcome.totals, totals);
      for (const text of printed) assert.ok(outcome.output.includes(text), outcome.output);
      if (totals.failed === 0) assert.equal(outcome.output, '');
    });
  }
});

function runTests(file: string): { readonly totals: unknown; readonly output: string } {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-reporter-'));
  try {
    const totals = join(folder, 'totals.json');
    writeFileSync(join(folder, 'a.test.mjs'), HEAD + file);
    // A runner that sees the variable of the outer one takes itself for one of its files and reports in another form.
    const { NODE_TEST_CONTEXT: _outer, ...env } = process.env;
    const args = [
      '--test',
      `--test-reporter=${REPORTER}`,
      '--test-reporter-destination=stdout',
      join(folder, 'a.test.mjs'),
    ];
    const { stdout } = spawnSync(process.execPath, args, {
      env: { ...env, WAYBILL_TOTALS_FILE: totals },
      encoding: 'utf8',
    });
    return { totals: JSON.parse(readFileSync(totals, 'utf8')), output: stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
