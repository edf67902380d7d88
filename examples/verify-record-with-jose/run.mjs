// Publishes packages of version 1, and has their records verified by jose alone, in Node.js and in Chromium.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { packageLogId, parsePackageName } from '@waybill/protocol';
import { parseConfig, startServer } from '@waybill/server';
import { findChromium, launchChromium, servePage } from '@waybill/tools/chromium';
import { build } from 'esbuild';
import { verifyRecord } from './verify-record.mjs';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const WAYBILL = here('../../packages/cli/bin/waybill.mjs');
const CONTENT = here('../../node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm');
const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-example-'));

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

async function waybill(...args) {
  const env = { PATH: process.env.PATH, HOME: folder, WAYBILL_KEYRING: 'off', WAYBILL_REGISTRY: server.url.href };
  return (await promisify(execFile)(process.execPath, [WAYBILL, ...args], { env })).stdout;
}

/** The only record of a package, as a client is served it that says it reads version 1. */
async function fetchRecord(name) {
  const log = packageLogId(parsePackageName(name));
  const checkpoint = await (await fetch(new URL('v1/fetch/checkpoint', server.url))).json();
  const response = await fetch(new URL('v1/fetch/logs', server.url), {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'waybill-record-versions': '0,1' },
    body: JSON.stringify({ logLength: checkpoint.contents.logLength, packages: { [log]: null } }),
  });
  return (await response.json()).packages[log][0];
}

const cases = [];
for (const alg of ['Ed25519', 'ES384', 'PS256']) {
  const [key, name] = [alg.toLowerCase(), `example:by-${alg.toLowerCase()}`];
  await waybill('key', 'new', '--name', key, '--alg', alg);
  await waybill('publish', CONTENT, '--package', name, '--version', '1.0.0', '--key', key);
  const jwk = JSON.parse(await waybill('key', 'export', '--name', key, '--jwk', '--public'));
  const record = await fetchRecord(name);
  const damaged = {
    ...record,
    contentBytes: record.contentBytes.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A')),
  };
  cases.push({ alg, jwk, record, damaged });
}

for (const { alg, jwk, record, damaged } of cases) {
  assert.equal((await verifyRecord(record, jwk)).alg, alg);
  await assert.rejects(verifyRecord(damaged, jwk));
}
console.log(`verified by jose in Node.js: ${cases.map(({ alg }) => alg).join(', ')}`);

const chromium = findChromium();
assert.ok(chromium !== null || !process.env.CI, 'where everything is to be tested, a Chromium must be on the PATH');
if (chromium === null) console.log('there is no Chromium here');
else await verifyInChromium(chromium);

async function verifyInChromium(executable) {
  const contents = "import { verifyRecord } from './verify-record.mjs'; globalThis.verifyRecord = verifyRecord;";
  const stdin = { contents, resolveDir: here('.') };
  const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', platform: 'browser', write: false });
  const served = await servePage(outputFiles[0].contents);
  const browser = await launchChromium(executable);
  try {
    const page = await browser.newPage();
    await page.goto(served.url);
    for (const { alg, jwk, record, damaged } of cases) {
      const verify = (one) =>
        page.evaluate(([given, key]) => globalThis.verifyRecord(given, key).then((header) => header.alg), [one, jwk]);
      assert.equal(await verify(record), alg);
      await assert.rejects(verify(damaged));
    }
    console.log(`verified by jose in Chromium ${browser.version()}: ${cases.map(({ alg }) => alg).join(', ')}`);
  } finally {
    await browser.close();
    served.close();
  }
}

await server.stop();
rmSync(folder, { recursive: true });
