// Publishes a component, and calls it by its types: from a program in Node.js, and from a page in Chromium.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { parse } from '@bytecodealliance/jco';
import { open } from '@waybill/client';
import { openMemoryFiles } from '@waybill/client/node';
import { parseConfig, startServer } from '@waybill/server';
import { findChromium, launchChromium, servePage } from '@waybill/tools/chromium';
import { build } from 'esbuild';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const WAYBILL = here('../../packages/cli/bin/waybill.mjs');
const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-example-'));
const app = path.join(folder, 'app');

const config = await parseConfig({
  data: path.join(folder, 'registry'),
  listen: '127.0.0.1:0',
  namespaces: ['example'],
  publishers: null,
  open: false,
  anyContent: false,
  publicUrl: null,
  logLevel: 'silent',
});
const server = await startServer(config, (failure) => {
  throw failure;
});
const [url, operatorKey] = [server.url.href, server.operatorKeyId];

/** Runs a program in the folder of the app. */
async function run(file, ...args) {
  const env = { PATH: process.env.PATH, HOME: folder, WAYBILL_KEYRING: 'off', WAYBILL_REGISTRY: url };
  return (await promisify(execFile)(process.execPath, [file, ...args], { env, cwd: app })).stdout;
}

mkdirSync(app);
writeFileSync(path.join(folder, 'words.wasm'), await parse(readFileSync(here('words.wat'), 'utf8')));
await run(WAYBILL, 'key', 'new', '--alg', 'Ed25519');
await run(WAYBILL, 'publish', '../words.wasm', '--package', 'example:words', '--version', '1.0.0');

// A program: the types are checked by the compiler, and what runs is what the log names.
console.log(
  await run(
    WAYBILL,
    'types',
    'example:words',
    '--transpile',
    '-o',
    'words',
    '--name',
    'index',
    '--operator-key',
    operatorKey,
  ),
);
// They are beside this file too, so that whoever reads the program sees what it imports.
for (const file of ['index.d.ts', 'interfaces/example-words-words.d.ts']) {
  assert.equal(readFileSync(path.join(app, 'words', file), 'utf8'), readFileSync(here(`words/${file}`), 'utf8'));
}
for (const file of ['program.ts', 'page.ts']) copyFileSync(here(file), path.join(app, file));
writeFileSync(path.join(app, 'package.json'), '{"type":"module"}');
symlinkSync(here('../../node_modules'), path.join(app, 'node_modules'));
const strict = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
await run(path.join(app, 'node_modules/.bin/tsc'), ...strict, 'program.ts', 'page.ts');
const { report } = await import(pathToFileURL(path.join(app, 'program.js')).href);
assert.equal(report([1, 2, 39]), 'THE SUM IS 42');

// The same without the command: a registry, a memory on disk, and the bytes.
const registry = await open(url, { operatorKey, memory: openMemoryFiles(path.join(folder, 'memory'), url) });
const { release, bytes } = await registry.get('example:words@^1');
assert.deepEqual(Buffer.from(bytes), readFileSync(path.join(folder, 'words.wasm')));
assert.equal((await registry.verify(bytes, 'example:words')).release.version, release.version);
console.log(
  `Node.js: example:words@${release.version} verified (${release.digest}), and it says ${report([1, 2, 39])}`,
);

const chromium = findChromium();
assert.ok(chromium !== null || !process.env.CI, 'where everything is to be tested, a Chromium must be on the PATH');
if (chromium === null) console.log('there is no Chromium here');
else await runInChromium(chromium);

async function runInChromium(executable) {
  const made = JSON.parse(readFileSync(path.join(app, 'words/waybill-types.json'), 'utf8'));
  // The module asks whether it runs in Node.js before it imports that.
  const options = {
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    external: ['node:*'],
    define: { MADE_OF: JSON.stringify(made.digest) },
    write: false,
  };
  const { outputFiles } = await build({ ...options, entryPoints: [path.join(app, 'page.ts')] });
  const core = readFileSync(path.join(app, 'words/index.core.wasm'));
  const page = await servePage(outputFiles[0].contents, { '/index.core.wasm': core });
  const browser = await launchChromium(executable);
  try {
    const tab = await browser.newPage();
    tab.on('pageerror', (error) => console.error(error));
    await tab.goto(page.url);
    // The core module is compiled while the page is there already.
    await tab.waitForFunction('globalThis.run');
    const result = await tab.evaluate(([at, key]) => globalThis.run(at, key), [url, operatorKey]);
    assert.deepEqual(
      { digest: result.digest, size: result.size, warnings: result.warnings, report: result.report },
      { digest: release.digest, size: bytes.length, warnings: [], report: 'THE SUM IS 42' },
    );
    // Another operator's key: nothing that this registry says counts.
    const other = `sha256:${'0'.repeat(64)}`;
    const refused = tab.evaluate(([at, key]) => globalThis.run(at, key), [url, other]);
    await assert.rejects(refused, /operator/);
    console.log(
      `Chromium ${browser.version()}: example:words@${result.version} verified, and it says ${result.report}`,
    );
  } finally {
    await browser.close();
    page.close();
  }
}

await server.stop();
rmSync(folder, { recursive: true });
