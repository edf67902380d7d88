// npm test: installs and builds what is missing, runs the tests, and ends with the totals alone on one line.
// Options: --full (every case instead of a sample), --scaled (only the tests that --full changes), --share K/N (of the files
// that are left every Nth, from the Kth on, counted from 0), --interop (the tests against other implementations), --no-build
// (run what is built, with the Node.js that runs this file), and parts of file names to run only those.
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT, filesBelow, prepare, run } from './workspace.mjs';

/**
 * A test that waits longer than this hangs; on Node.js 20 the limit is that of a whole file. The full suite has single tests
 * that replay hundreds of thousands of cases, and the Rust server lets every publisher wait for seconds.
 */
const TEST_MS_MAX = { sample: 60_000, full: 1_800_000, interop: 1_800_000 };
const CONCURRENT_FILES = 2;

const { values: options, positionals: filters } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    scaled: { type: 'boolean', default: false },
    share: { type: 'string', default: '0/1' },
    interop: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
  },
  allowPositionals: true,
});

const totals = await main();
const skipped = totals.skipped > 0 ? `, ${totals.skipped} skipped` : '';
console.log(`${totals.passed} passed, ${totals.failed} failed${skipped}`);
process.exitCode = totals.failed === 0 ? 0 : 1;

async function main() {
  if (!options['no-build'] && !(await prepare())) return { passed: 0, failed: 1, skipped: 0 };
  const files = testFiles()
    .filter((file) => filters.every((part) => file.includes(part)))
    .filter((file) => !options.scaled || readsScale(file))
    .filter(isInShare(options.share));
  if (files.length === 0) {
    console.log('No test file was found.');
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return runTests(files);
}

function testFiles() {
  const folders = options.interop ? [join(ROOT, 'interop')] : packageFolders();
  return folders.flatMap((folder) => filesBelow(join(folder, 'dist'), '.test.js').filter(hasSource));
}

function isInShare(text) {
  const [, first, step] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  if (!(Number(first) < Number(step))) throw new Error(`--share is K/N with K below N, not ${text}`);
  return (_, i) => i % Number(step) === Number(first);
}

function packageFolders() {
  const manifests = filesBelow(join(ROOT, 'packages'), 'package.json');
  return [...manifests.map((file) => join(file, '..')), join(ROOT, 'tools')];
}

/** A built test whose source is gone stays in dist/ until somebody deletes it, and must not run. */
function hasSource(file) {
  return existsSync(file.replace(`${sep}dist${sep}`, sep).replace(/\.js$/, '.ts'));
}

/** Whether a test, or what it imports by a path, asks how many cases to run. */
function readsScale(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return false;
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  if (/from '(?:@waybill\/tools\/test-scale|[./]+\/src\/test-scale\.js)'/.test(text)) return true;
  const imported = [...text.matchAll(/from '(\.[^']+)'/g)].map(([, place]) => resolve(dirname(file), place));
  return imported.some((other) => readsScale(other, seen));
}

async function runTests(files) {
  const scale = options.full ? 'full' : 'sample';
  const seed = process.env['WAYBILL_TEST_SEED'] ?? String(randomInt(2 ** 31));
  console.log(`Node ${process.versions.node}, ${files.length} test files, WAYBILL_TEST_SEED=${seed}, scale ${scale}`);
  const scratch = mkdtempSync(join(tmpdir(), 'waybill-test-'));
  const totalsFile = join(scratch, 'totals.json');
  try {
    const env = { WAYBILL_TEST_SCALE: scale, WAYBILL_TEST_SEED: seed, WAYBILL_TOTALS_FILE: totalsFile };
    const { code } = await run(
      process.execPath,
      nodeArguments(files, TEST_MS_MAX[options.interop ? 'interop' : scale]),
      { shown: true, env },
    );
    return readTotals(totalsFile, code);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function nodeArguments(files, testMsMax) {
  return [
    '--test',
    `--test-concurrency=${CONCURRENT_FILES}`,
    `--test-timeout=${testMsMax}`,
    `--test-reporter=${join(ROOT, 'tools', 'test-reporter.mjs')}`,
    '--test-reporter-destination=stdout',
    ...files.map((file) => relative(ROOT, file)),
  ];
}

/** A runner that died, or that calls the run failed while no test did, is one failure more than it has counted. */
function readTotals(file, code) {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const counted = JSON.parse(readFileSync(file, 'utf8'));
  return code !== 0 && counted.failed === 0 ? { ...counted, failed: 1 } : counted;
}
