// npm run bench: what the core costs on this machine. Beside the Rust crate where its judge is built (node interop/peers.mjs);
// the figures of one run are compared with each other, never with another machine's.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { RegistryApi, RegistryClient, Transport, TRANSPORT_LIMITS, publish } from '@waybill/client';
import { openLogFiles, openTrustFiles } from '@waybill/client/node';
import {
  concatBytes,
  digestOf,
  emptyLogState,
  logFileRecord,
  PACKAGE_LOG,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  readLogFile,
  replayLog,
  signRecord,
  utf8,
} from '@waybill/protocol';
import { parseConfig, startServer } from '@waybill/server';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    records: { type: 'string', default: '2000' },
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
    validate: await benchValidate(),
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

/** Replays one log, every rule and signature; the Rust crate the same file, run by run in turn. */
async function benchValidate() {
  const file = path.join(folder, 'bench.log');
  writeFileSync(file, await makeLog());
  const judge = findJudge();
  const ours = [];
  const rust = [];
  for (let run = 0; run < RUNS; run++) {
    const { readFileSync } = await import('node:fs');
    const bytes = readFileSync(file);
    const startedMs = performance.now();
    await replayLog(PACKAGE_LOG, emptyLogState(), readLogFile(bytes));
    ours.push(RECORDS / ((performance.now() - startedMs) / 1000));
    if (judge !== null) rust.push(RECORDS / judgeSeconds(judge, file));
  }
  const median = (list) =>
    list.length === 0
      ? null
      : at(
          list.toSorted((a, b) => a - b),
          0.5,
        );
  return { records: RECORDS, runs: RUNS, perSecond: median(ours), rustPerSecond: median(rust) };
}

async function makeLog() {
  const key = newKey();
  let prev = null;
  const parts = [];
  for (let i = 0; i < RECORDS; i++) {
    const release = { type: 'release', version: parseVersion(`1.0.${i}`), content: digestOf(utf8(`content ${i}`)) };
    const entries = i === 0 ? [{ type: 'init', key: key.publicKey }, release] : [release];
    const record = await signRecord(
      PACKAGE_LOG,
      { prev, time: { seconds: 1_700_000_000n + BigInt(i), nanos: 0 }, entries },
      key,
    );
    prev = record.id;
    parts.push(logFileRecord(record.envelope));
  }
  return concatBytes(...parts);
}

function findJudge() {
  const cache =
    process.env.WAYBILL_PEERS ??
    path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'waybill-peers');
  try {
    const built = readdirSync(cache).find((name) => name.startsWith('judge-'));
    return built === undefined ? null : path.join(cache, built, 'release', 'waybill-judge');
  } catch {
    return null;
  }
}

function judgeSeconds(judge, file) {
  const startedMs = performance.now();
  const { status, stderr } = spawnSync(judge, ['package', file], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the Rust judge failed: ${stderr}`);
  return (performance.now() - startedMs) / 1000;
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

function text({ machine, publish: published, validate }) {
  const lines = [
    machine,
    `publish until published and verified, one client: p50 ${published.p50Ms} ms, p99 ${published.p99Ms} ms (${published.publishes} records)`,
    `validate a log of ${validate.records} records, median of ${validate.runs}: ${validate.perSecond} records/s`,
  ];
  if (validate.rustPerSecond === null) lines.push('  beside Rust: not built here; node interop/peers.mjs builds it');
  else
    lines.push(
      `  Rust warg-protocol, one core: ${validate.rustPerSecond} records/s; ratio ${(validate.perSecond / validate.rustPerSecond).toFixed(2)}`,
    );
  return lines.join('\n');
}
