// npm run bench: what the core costs on this machine. Beside the Rust crate where its judge is built (node interop/peers.mjs);
// the figures of one run are compared with each other, never with another machine's.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { RegistryApi, RegistryClient, Transport, TRANSPORT_LIMITS, publish } from '@waybill/client';
import { openLogFiles, openTrustFiles } from '@waybill/client/node';
import { digestOf, parsePackageName, parseVersion, privateKeyFromRandom } from '@waybill/protocol';
import { parseConfig, startServer } from '@waybill/server';
import { benchChromium } from './chromium.mjs';
import { benchValidate } from './validate.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    records: { type: 'string', default: '10000' },
    json: { type: 'boolean' },
  },
});
const RUNS = Number(values.runs);
const RECORDS = Number(values.records);
const PUBLISHES = 100;

const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-bench-'));
try {
  const results = {
    machine: `${os.cpus().length} × ${os.cpus()[0]?.model ?? 'unknown'}, Node.js ${process.versions.node}`,
    publish: await benchPublish(),
    validate: await benchValidate({ records: RECORDS, runs: RUNS, folder }),
    chromium: await benchChromium({ records: RECORDS, runs: RUNS, folder }),
  };
  console.log(values.json ? JSON.stringify(results) : text(results));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** One client, one record after another, each until it is published and verified. */
async function benchPublish() {
  const config = {
    data: path.join(folder, 'data'),
    listen: '127.0.0.1:0',
    namespaces: ['bench'],
    publishers: null,
    open: false,
    anyContent: false,
    publicUrl: null,
    logLevel: 'silent',
  };
  const server = await startServer(await parseConfig(config), (failure) => {
    throw failure;
  });
  const client = new RegistryClient({
    api: new RegistryApi(new Transport(server.url, fetch, {}, TRANSPORT_LIMITS)),
    trust: openTrustFiles(path.join(folder, 'trust')),
    logs: openLogFiles(path.join(folder, 'logs')),
    expectedOperator: null,
    confirmOperator: async () => true,
    clock: Date.now,
    checkpointAgeSecondsMax: 86_400,
  });
  const content = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
  const digest = digestOf(content);
  const parts = { client, key: newKey(), clock: Date.now, random: randomBytes, onStep: () => undefined };
  const took = [];
  for (let i = 0; i < PUBLISHES; i++) {
    const entries = () => [{ type: 'release', version: parseVersion(`1.0.${i}`), content: digest }];
    const contents = new Map([[digest, async () => content]]);
    const startedMs = performance.now();
    await publish({ name: parsePackageName('bench:one'), entries, contents, final: false }, parts);
    took.push(performance.now() - startedMs);
  }
  await server.stop();
  const sorted = took.toSorted((a, b) => a - b);
  return { publishes: PUBLISHES, p50Ms: at(sorted, 0.5), p99Ms: at(sorted, 0.99) };
}

function newKey() {
  return privateKeyFromRandom(randomBytes(32)) ?? newKey();
}

function randomBytes(length) {
  return crypto.getRandomValues(new Uint8Array(length));
}

function at(sorted, share) {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] * 10) / 10;
}

function text({ machine, publish: published, validate, chromium }) {
  return [
    machine,
    `publish until published and verified, one client: p50 ${published.p50Ms} ms, p99 ${published.p99Ms} ms (${published.publishes} records)`,
    `validate a log of ${validate.records} records, medians of ${validate.runs} interleaved runs; first: in a fresh process, warm: its third time`,
    `  both cores  ${rates(validate.allCores)}`,
    validate.oneCore === null
      ? '  one core    not measured: no taskset here'
      : `  one core    ${rates(validate.oneCore)}`,
    chromium === null ? '  Chromium    not found here' : `  Chromium    ${rates(chromium)}`,
  ].join('\n');
}

function rates({ firstPerSecond, warmPerSecond, rustPerSecond, firstRatio, warmRatio }) {
  const ours = `${Math.round(firstPerSecond)}/s first, ${Math.round(warmPerSecond)}/s warm`;
  if (rustPerSecond === null) return `${ours}; Rust: not built here, node interop/peers.mjs builds it`;
  return `${ours}; Rust ${Math.round(rustPerSecond)}/s; ratio ${firstRatio.toFixed(2)} first, ${warmRatio.toFixed(2)} warm`;
}
