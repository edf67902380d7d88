// What a registry costs at 10^3, 10^5 and 10^6 records: `npm run bench -- --scale [--stores FOLDER]`. The stores are
// built once, by the production commit code, and kept in FOLDER for later runs; each measurement works on a copy.
import { closeSync, cpSync, existsSync, fsyncSync, mkdtempSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { buildStore, scalePackage } from './build-store.mjs';
import { cpuSeconds, load, median, memoryMb, quantile, startWaybill } from './servers.mjs';
import { firstVerifiedGet } from './verified-get.mjs';

const CLIENTS = 50;
const WORK = { publishes: 10_000, gets: 1_000 };
const QUICK_WORK = { publishes: 200, gets: 20 };

/** For each size the medians of `runs` runs, the sizes taking turns. `stores`: where the stores are kept. */
export async function benchScale({ sizes, runs, stores, quick }) {
  for (const size of sizes) await ensureStore(path.join(stores, String(size)), size);
  const results = sizes.map((size) => ({ size, runs: [] }));
  for (let run = 0; run < runs; run++) {
    for (const result of results) {
      const one = await measure(path.join(stores, String(result.size)), result.size, quick ? QUICK_WORK : WORK);
      console.error(JSON.stringify({ size: result.size, run, ...one }));
      result.runs.push(one);
    }
  }
  return results.map(({ size, runs: measured }) => ({
    size,
    storeBytesPerRecord: statSync(path.join(stores, String(size), 'registry.sqlite')).size / size,
    ...Object.fromEntries(Object.keys(measured[0]).map((name) => [name, median(measured.map((one) => one[name]))])),
  }));
}

async function ensureStore(folder, size) {
  if (existsSync(folder)) return;
  console.error(`building a store of ${size} records`);
  rmSync(`${folder}.tmp`, { recursive: true, force: true });
  await buildStore(`${folder}.tmp`, size);
  renameSync(`${folder}.tmp`, folder);
}

async function measure(store, size, { publishes, gets }) {
  const data = mkdtempSync(path.join(path.dirname(store), 'run-'));
  cpSync(store, data, { recursive: true });
  // Or the server's first fsync of the file writes the whole copy, and is charged for it.
  makeDurable(path.join(data, 'registry.sqlite'));
  const server = await startWaybill(data);
  try {
    const firstGet = await firstVerifiedGet(server.url, scalePackage(Math.floor(size / 2)));
    const beforeCpu = cpuSeconds(server.pid);
    const published = await load({
      url: server.url,
      pid: server.pid,
      clients: CLIENTS,
      seconds: 600,
      warmup: 0,
      count: publishes,
    });
    const publishCpu = cpuSeconds(server.pid) - beforeCpu;
    const getMs = [];
    const getBytes = [];
    for (let i = 0; i < gets; i++) {
      const { ms, bytes } = await firstVerifiedGet(server.url, scalePackage((i * 7919) % size));
      getMs.push(ms);
      getBytes.push(bytes);
    }
    return {
      startMs: server.startMs,
      publishPerSecond: published.perSecond,
      publishP50Ms: published.p50Ms,
      publishP99Ms: published.p99Ms,
      cpuMsPerRecord: (publishCpu * 1000) / publishes,
      peakMb: memoryMb(server.pid).peak,
      firstGetMs: firstGet.ms,
      firstGetBytes: firstGet.bytes,
      getP50Ms: median(getMs),
      getP99Ms: quantile(getMs, 0.99),
      getBytesMax: Math.max(...getBytes),
    };
  } finally {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

function makeDurable(file) {
  const descriptor = openSync(file, 'r+');
  fsyncSync(descriptor);
  closeSync(descriptor);
}

const COLUMNS = {
  records: ({ size }) => size.toLocaleString('en'),
  'start-up ms': ({ startMs }) => startMs.toFixed(0),
  'peak MB': ({ peakMb }) => String(peakMb),
  'publish p50 ms': ({ publishP50Ms }) => publishP50Ms.toFixed(1),
  'p99 ms': ({ publishP99Ms }) => publishP99Ms.toFixed(1),
  'records/s': ({ publishPerSecond }) => publishPerSecond.toFixed(0),
  'server CPU ms/record': ({ cpuMsPerRecord }) => cpuMsPerRecord.toFixed(2),
  'store B/record': ({ storeBytesPerRecord }) => storeBytesPerRecord.toFixed(0),
  'first get bytes': ({ firstGetBytes }) => String(firstGetBytes),
  'ms (cold)': ({ firstGetMs }) => firstGetMs.toFixed(1),
  'get p50 ms': ({ getP50Ms }) => getP50Ms.toFixed(1),
  'largest get bytes': ({ getBytesMax }) => String(getBytesMax),
};

/** A table in Markdown. */
export function scaleTable(results) {
  const names = Object.keys(COLUMNS);
  const rows = results.map((result) => `| ${names.map((name) => COLUMNS[name](result)).join(' | ')} |`);
  return [`| ${names.join(' | ')} |`, `|${'---|'.repeat(names.length)}`, ...rows].join('\n');
}
