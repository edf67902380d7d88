// npm run check: everything a change must pass. One line a step; a step's output is shown only if it fails.
// --no-tests leaves the tests out, where they were run just before.
import { existsSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT, binary, build, filesBelow, prepare, run } from './workspace.mjs';

/** What a browser downloads for the whole public surface of the protocol, compressed. Raise it only with a reason in the commit. */
const PROTOCOL_GZIP_BYTES_MAX = 61 * 1024;

const STEPS = [
  { name: 'format', check: () => program('oxfmt', ['--check', '.']) },
  { name: 'build', check: () => compile() },
  { name: 'lint', check: () => program('oxlint', ['--type-aware', '--deny-warnings']) },
  { name: 'tidy', check: () => node(['tools/dist/src/main.js'], { lastLine: true }) },
  { name: 'tests', check: () => node(['tools/test.mjs', '--no-build'], { lastLine: true }) },
  { name: 'examples', check: () => examples() },
  { name: 'packages', check: () => packages() },
  { name: 'bundle', check: () => protocolBundle() },
];

if (await prepare()) {
  const failed = [];
  const steps = process.argv.includes('--no-tests') ? STEPS.filter(({ name }) => name !== 'tests') : STEPS;
  for (const step of steps) if (!(await passes(step))) failed.push(step.name);
  console.log(failed.length === 0 ? 'check: all steps passed' : `check: failed: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} else {
  process.exitCode = 1;
}

/** A check resolves with whether it passed, one line to print, and the output to show on failure. */
async function passes({ name, check }) {
  const startedAt = performance.now();
  const { ok, line = '', output = '' } = await check();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name.padEnd(9)} ${seconds.padStart(6)} s  ${line}`.trimEnd());
  if (!ok) console.log(output.trimEnd());
  return ok;
}

async function compile() {
  return { ok: await build() };
}

async function program(name, args) {
  return node([binary(name), ...args]);
}

async function node(args, { lastLine = false } = {}) {
  const { code, output } = await run(process.execPath, args);
  return { ok: code === 0, output, line: lastLine ? output.trimEnd().split('\n').at(-1) : '' };
}

async function examples() {
  const files = filesBelow(join(ROOT, 'examples'), '.mjs').map((file) => relative(ROOT, file));
  return allOf(`${files.length} run`, files, (file) => node([file]));
}

/** What npm would publish: its entry points exist, and its types say what its code does. */
async function packages() {
  const folders = filesBelow(join(ROOT, 'packages'), 'package.json').map((file) => relative(ROOT, join(file, '..')));
  return allOf(`${folders.length} packed`, folders, packed);
}

async function packed(folder) {
  const lint = await program('publint', ['run', folder, '--strict', '--pack', 'npm']);
  const { exports } = JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
  // A package of commands only has no types to be wrong.
  if (!lint.ok || exports === undefined) return lint;
  return program('attw', ['--pack', folder, '--profile', 'esm-only', '--no-definitely-typed', '--no-color']);
}

async function allOf(line, items, check) {
  const outputs = [];
  for (const item of items) {
    const { ok, output } = await check(item);
    if (!ok) outputs.push(`${item}:\n${output}`);
  }
  return { ok: outputs.length === 0, line, output: outputs.join('\n') };
}

/** The promise that protocol runs in a browser: it bundles for one, names no Node.js module, and stays small. */
async function protocolBundle() {
  const entry = join(ROOT, 'packages', 'protocol', 'dist', 'src', 'index.js');
  if (!existsSync(entry)) return { ok: false, output: 'packages/protocol is not built.' };
  const { build: bundle } = await import('esbuild');
  try {
    const options = {
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'browser',
      logLevel: 'silent',
      write: false,
    };
    const { outputFiles } = await bundle({ ...options, entryPoints: [entry] });
    return judgeBundle(outputFiles[0].text);
  } catch (error) {
    return { ok: false, output: String(error) };
  }
}

function judgeBundle(code) {
  const gzipBytes = gzipSync(code).length;
  const line = `protocol for browsers: ${kib(code.length)} minified, ${kib(gzipBytes)} compressed (at most ${kib(PROTOCOL_GZIP_BYTES_MAX)})`;
  if (/["']node:/.test(code)) return { ok: false, line, output: 'The bundle names a node: module.' };
  return { ok: gzipBytes <= PROTOCOL_GZIP_BYTES_MAX, line, output: 'The bundle is larger than its ceiling.' };
}

function kib(bytes) {
  return `${(bytes / 1024).toFixed(1)} KiB`;
}
