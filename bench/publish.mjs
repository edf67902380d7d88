// Publishing over HTTP beside the Rust server. Each run is a fresh server on a fresh store, and each
// publish counts until the registry says `published`, durable. We and Rust take turns.
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { findPeer, load, median, startWargServer, startWaybill } from './servers.mjs';

/** What is published by how many at once; the Rust server makes a head every 5 s, so that one client needs long to show it. */
const LOADS = [
  { name: 'one client, a record', clients: 1, content: 0, seconds: 8, rustSeconds: 6 },
  { name: 'one client, 20 KB of content', clients: 1, content: 20_000, seconds: 8, rustSeconds: 6 },
  { name: '500 clients, a record', clients: 500, content: 0, seconds: 10, rustSeconds: 12 },
  { name: '5,000 clients, a record', clients: 5_000, content: 0, seconds: 12, rustSeconds: 12 },
];

const QUICK = { clientsMax: 20, seconds: 1, rustSeconds: 6 };

/** Medians of `runs` runs for each load; `rust` is `null` where its server is not built. */
export async function benchPublish({ runs, folder, quick }) {
  const rust = findPeer('warg-server');
  const loads = quick ? LOADS.map(quickened) : LOADS;
  const results = loads.map(({ name }) => ({ name, ours: [], rust: [] }));
  for (let run = 0; run < runs; run++) {
    for (const [i, { clients, content, seconds, rustSeconds }] of loads.entries()) {
      const data = mkdtempSync(path.join(folder, 'publish-'));
      const options = { clients, content };
      const ours = await startWaybill(path.join(data, 'ours'));
      results[i].ours.push(await measured(ours, { ...options, seconds }));
      if (rust !== null) {
        const peer = await startWargServer(rust, path.join(data, 'rust'));
        results[i].rust.push(await measured(peer, { ...options, seconds: rustSeconds }));
      }
      rmSync(data, { recursive: true, force: true });
    }
  }
  return results.map(({ name, ours: mine, rust: peers }) => ({
    name,
    ours: medians(mine),
    rust: peers.length === 0 ? null : medians(peers),
  }));
}

function quickened({ clients, ...rest }) {
  const { clientsMax, ...seconds } = QUICK;
  return { ...rest, clients: Math.min(clients, clientsMax), ...seconds };
}

async function measured(server, options) {
  try {
    return await load({ url: server.url, pid: server.pid, ...options });
  } finally {
    await server.stop();
  }
}

function medians(runs) {
  const of = (name) => median(runs.map((run) => run[name]));
  return {
    perSecond: of('perSecond'),
    p50Ms: of('p50Ms'),
    p99Ms: of('p99Ms'),
    cpuMsPerRecord: of('serverCpuMsPerRecord'),
    peakMb: of('serverPeakMb'),
    worstPerSecond: Math.min(...runs.map(({ perSecond }) => perSecond)),
    worstP99Ms: Math.max(...runs.map(({ p99Ms }) => p99Ms)),
  };
}

/** A table in Markdown. */
export function publishTable(results) {
  const row = (name, { perSecond, p50Ms, p99Ms, cpuMsPerRecord, peakMb }) =>
    `| ${name} | ${perSecond.toFixed(perSecond < 10 ? 2 : 0)} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} | ${cpuMsPerRecord.toFixed(2)} | ${peakMb} |`;
  return [
    '| publish until published | records/s | p50 ms | p99 ms | server CPU ms/record | peak MB |',
    '|---|---|---|---|---|---|',
    ...results.flatMap(({ name, ours, rust }) => [
      row(name, ours),
      ...(rust === null ? [] : [row('  Rust, memory store', rust)]),
    ]),
  ].join('\n');
}
