// Publishers against a running registry: `node bench/load.mjs --url URL --clients 500 --seconds 20 [--content 20000]`.
// Each client has packages of its own and publishes one release after another, of each in turn, each until the registry says
// `published`: it posts, uploads if asked, and else asks again; a 429 is waited out as `retry-after` says. Prints a line when it begins to
// count, and one of JSON at the end.
import { Agent } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import {
  concatBytes,
  digestOf,
  encodeBase64,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  signRecord,
  timestampFromMs,
  utf8,
} from '@waybill/protocol';
import { COUNTING_LINE, cpuSeconds, memoryMb, quantile, senderTo } from './servers.mjs';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    clients: { type: 'string', default: '50' },
    /** Packages of all clients together; 0: one for each client. */
    packages: { type: 'string', default: '0' },
    seconds: { type: 'string', default: '10' },
    /** What comes in so many seconds after the first record of each client is not counted. */
    warmup: { type: 'string', default: '2' },
    /** Bytes of fresh content in each release; 0: all name one that is there after the first. */
    content: { type: 'string', default: '0' },
    /** Most releases of all clients together. */
    count: { type: 'string', default: '1000000' },
    namespace: { type: 'string', default: 'bench' },
    /** Process of the server, for its CPU time and memory. */
    pid: { type: 'string' },
  },
});
const CLIENTS = Number(values.clients);
const PACKAGES_EACH = Math.max(1, Math.round(Number(values.packages) / CLIENTS));
const CONTENT_BYTES = Number(values.content);
/** A state that is not final is asked for again after so long, as the Rust client does: our server waits for the commit itself. */
const POLL_MS = 1_000;
/** What all clients together may need for their first record each, which is not counted. */
const FIRST_MS_MAX = 120_000;
const MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

// A commit answers hundreds at once: whoever keeps fewer free sockets closes the others and connects again.
const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS, maxFreeSockets: CLIENTS });
const send = senderTo(values.url, agent);
const run = Math.floor(Math.random() * 2 ** 32).toString(36);
const statuses = {};
const took = [];
let counted = false;
const ending = new AbortController();
let left = Number(values.count);

if (CONTENT_BYTES === 0) await client(CLIENTS, { most: 1 });
let waiting = CLIENTS;
const { promise: allBegan, resolve: begin } = withResolvers();
const clients = Array.from({ length: CLIENTS }, (_, i) => client(i));
await Promise.race([allBegan, Promise.all(clients), pause(FIRST_MS_MAX)]);
await pause(Number(values.warmup) * 1000);
counted = true;
console.log(COUNTING_LINE);
const countedMs = performance.now();
const countedCpu = serverCpuSeconds();
await Promise.race([pause(Number(values.seconds) * 1000), Promise.all(clients)]);
counted = false;
const seconds = (performance.now() - countedMs) / 1000;
const cpu = serverCpuSeconds() - countedCpu;
ending.abort();
await Promise.race([Promise.all(clients), pause(10_000)]);
agent.destroy();
console.log(
  JSON.stringify({
    clients: CLIENTS,
    contentBytes: CONTENT_BYTES,
    records: took.length,
    perSecond: round(took.length / seconds),
    p50Ms: at(took, 0.5),
    p99Ms: at(took, 0.99),
    statuses,
    ...(values.pid === undefined
      ? {}
      : {
          serverCpuMsPerRecord: round((cpu * 1000) / took.length),
          serverPeakMb: memoryMb(values.pid).peak,
        }),
  }),
);
process.exit(0);

function withResolvers() {
  let resolve;
  const promise = new Promise((settle) => (resolve = settle));
  return { promise, resolve };
}

async function client(i, { most = Infinity } = {}) {
  const packages = Array.from({ length: PACKAGES_EACH }, (_, j) => newPackage(`${i}x${j}`));
  for (let n = 0; n < most && !ending.signal.aborted && left > 0; n++) {
    left -= 1;
    if (!(await release(packages[n % packages.length]))) return;
    if (n === packages.length - 1 && i < CLIENTS && --waiting === 0) begin();
  }
}

function newPackage(suffix) {
  const name = parsePackageName(`${values.namespace}:l${run}x${suffix}`);
  return { key: newKey(), name, logId: packageLogId(name), prev: null, releases: 0 };
}

async function release(package_) {
  const { key, name, logId, prev, releases } = package_;
  const content = CONTENT_BYTES === 0 ? MODULE : freshContent(`${name} ${releases}`);
  const entry = { type: 'release', version: parseVersion(`1.0.${releases}`), content: digestOf(content) };
  const entries = releases === 0 ? [{ type: 'init', key: key.publicKey }, entry] : [entry];
  const record = await signRecord(PACKAGE_LOG, { prev, time: timestampFromMs(Date.now()), entries }, key);
  const startedMs = performance.now();
  if (!(await publish({ name, logId, record, content }))) return false;
  if (counted) took.push(performance.now() - startedMs);
  package_.prev = record.id;
  package_.releases++;
  return true;
}

/** Resolves with true when the record is published, with false when the run has ended before. */
async function publish({ name, logId, record, content }) {
  const { contents, keyId, signature } = record.envelope;
  const body = JSON.stringify({
    packageName: name,
    record: { contentBytes: encodeBase64(contents), keyId, signature },
    contentSources: {},
  });
  const base = `v1/package/${logId}/record`;
  for (let ask = ['POST', base, body, 'application/json']; !ending.signal.aborted;) {
    const { status, text, retryAfter } = await send(...ask);
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status === 429 || status === 503) await pause(retryAfter * 1000);
    else if (status >= 300) throw new Error(`${status} ${text}`);
    else {
      const { state, missingContent } = text === '' ? {} : JSON.parse(text);
      if (state === 'published') return true;
      if (state === 'rejected') throw new Error(text);
      if (state === 'sourcing') {
        const [digest] = Object.keys(missingContent);
        ask = ['POST', `${base}/${record.id}/content/${digest}`, content, 'application/octet-stream'];
        continue;
      }
      if (state === 'processing') await pause(POLL_MS);
      ask = ['GET', `${base}/${record.id}`, undefined, undefined];
    }
  }
  return false;
}

/** A module of one custom section with bytes of its own. */
function freshContent(seed) {
  const size = CONTENT_BYTES - MODULE.length - 4;
  const payload = concatBytes(Uint8Array.of(1, 0x78), utf8(seed), new Uint8Array(size));
  return concatBytes(MODULE, Uint8Array.of(0), leb128(payload.length), payload);
}

function leb128(value) {
  return value < 128
    ? Uint8Array.of(value)
    : concatBytes(Uint8Array.of((value % 128) + 128), leb128(Math.floor(value / 128)));
}

function newKey() {
  return privateKeyFromRandom(crypto.getRandomValues(new Uint8Array(32))) ?? newKey();
}

/** NaN when the server's process was not named. */
function serverCpuSeconds() {
  return values.pid === undefined ? Number.NaN : cpuSeconds(values.pid);
}

function at(list, share) {
  return round(quantile(list, share));
}

function round(value) {
  return Math.round(value * 100) / 100;
}
