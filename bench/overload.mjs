// What overload does: `npm run bench -- --overload`. A server under as many publishers as fill it and under ten times as many, and
// beside sockets that drip; a reader who publishes nothing asks at a steady pace meanwhile.
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { packageLogId, parsePackageName } from '@waybill/protocol';
import { buildStore } from './build-store.mjs';
import { load, median, memoryMb, runScript, startWaybill } from './servers.mjs';

/** Packages that are there to be read. */
const PACKAGES = 1_000;
/** Packages published to in each phase: what more of them cost is no matter of the pressure. */
const PUBLISHED_PACKAGES = 5_000;
const DRIPPING_SOCKETS = 2_000;
/** Each socket sends a byte in each round; the rounds are cut into steps, for nothing makes strangers drip all at once. */
const DRIP_ROUND_MS = 1_000;
const DRIP_STEPS = 50;
/** Nor come all at once: who comes then is also cut then, and comes again. */
const DRIPS_COME_MS = 5_000;

/**
 * A publisher who is told to come back comes when it was told to. The two phases that are compared last equally long: what a
 * registry holds of its packages grows with each record.
 */
const PHASES = [
  { name: 'readers alone', clients: 0, seconds: 10 },
  { name: '50 publishers', clients: 50, seconds: 10 },
  { name: '500 publishers', clients: 500, seconds: 60 },
  { name: '5,000 publishers', clients: 5_000, seconds: 60 },
  { name: '500 publishers, 2,000 dripping sockets', clients: 500, seconds: 20, dripping: DRIPPING_SOCKETS },
  { name: 'readers alone, 2,000 dripping sockets', clients: 0, seconds: 10, dripping: DRIPPING_SOCKETS },
];

const QUICK = { clientsMax: 20, seconds: 3, drippingMax: 50 };

/** Medians of `runs` runs for each phase, each on a server of its own: what one phase leaves behind is no matter of the next. */
export async function benchOverload({ runs, folder, quick }) {
  const phases = quick ? PHASES.map(quickened) : PHASES;
  const results = phases.map(({ name }) => ({ name, runs: [] }));
  for (let run = 0; run < runs; run++) {
    for (const [i, phase] of phases.entries()) {
      const data = mkdtempSync(path.join(folder, 'overload-'));
      await buildStore(data, PACKAGES);
      const server = await startWaybill(data);
      try {
        results[i].runs.push(await measure(server, phase));
      } finally {
        await server.stop();
        rmSync(data, { recursive: true, force: true });
      }
    }
  }
  return results.map(({ name, runs: measured }) => ({
    name,
    ...Object.fromEntries(Object.keys(measured[0]).map((key) => [key, median(measured.map((one) => one[key]))])),
  }));
}

function quickened({ name, clients, dripping = 0 }) {
  const { clientsMax, seconds, drippingMax } = QUICK;
  return { name, clients: Math.min(clients, clientsMax), seconds, dripping: Math.min(dripping, drippingMax) };
}

async function measure(server, { name, clients, seconds, dripping = 0 }) {
  const drips = await startDripping(server.url, dripping);
  try {
    const { published, reads } =
      clients === 0 ? await reading(server, seconds) : await loaded(server, clients, seconds);
    const one = {
      perSecond: published?.perSecond ?? 0,
      p50Ms: published?.p50Ms ?? 0,
      p99Ms: published?.p99Ms ?? 0,
      refused: published?.statuses[429] ?? 0,
      readP50Ms: reads.p50Ms,
      readP99Ms: reads.p99Ms,
      readMaxMs: reads.maxMs,
      peakMb: memoryMb(server.pid).peak,
    };
    console.error(JSON.stringify({ phase: name, ...one, reads: reads.statuses, dripsCut: drips.cut() }));
    return one;
  } finally {
    drips.stop();
  }
}

async function reading({ url }, seconds) {
  return { published: null, reads: await runScript('reads.mjs', { url, packages: PACKAGES, seconds }) };
}

/** Before the publishers end: thousands who hang up at once are another story. */
const READERS_LEAVE_SECONDS = 2;

/** Reading begins when records are counted: every publisher has published once by then. */
async function loaded(server, clients, seconds) {
  const { url, pid } = server;
  const readings = [];
  const packages = Math.max(clients, Math.min(PUBLISHED_PACKAGES, clients * 100));
  const published = await load({ url, pid, clients, seconds, packages }, () =>
    readings.push(reading(server, seconds - READERS_LEAVE_SECONDS)),
  );
  const [{ reads }] = await Promise.all(readings);
  return { published, reads };
}

/** Sockets that send a byte a second: of headers, of a record, of a question. Each that is cut comes again at once. */
async function startDripping(url, count) {
  const { hostname, port } = new URL(url);
  const record = `/v1/package/${packageLogId(parsePackageName('bench:drip'))}/record`;
  const heads = [
    'GET /v1/fetch/checkpoint HTTP/1.1\r\nhost: registry\r\nx-drip: ',
    `POST ${record} HTTP/1.1\r\nhost: registry\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n`,
    'POST /v1/fetch/logs HTTP/1.1\r\nhost: registry\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n',
  ];
  const sockets = new Set();
  let cut = 0;
  let stopped = false;
  const open = (i) =>
    new Promise((resolve) => {
      const socket = createConnection({ host: hostname, port: Number(port) });
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
      socket.once('connect', () => {
        socket.write(heads[i % heads.length]);
        resolve();
      });
      socket.once('close', () => {
        sockets.delete(socket);
        resolve();
        if (stopped) return;
        cut++;
        void open(i);
      });
    });
  await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      await pause((i / count) * DRIPS_COME_MS);
      await open(i);
    }),
  );
  let step = 0;
  const timer = setInterval(() => {
    step = (step + 1) % DRIP_STEPS;
    for (const [i, socket] of [...sockets].entries()) if (i % DRIP_STEPS === step) socket.write('a');
  }, DRIP_ROUND_MS / DRIP_STEPS);
  return {
    cut: () => cut,
    stop() {
      stopped = true;
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** A table in Markdown. */
export function overloadTable(results) {
  const shown = (value, digits = 1) => value.toFixed(digits);
  const row = ({ name, perSecond, p50Ms, p99Ms, refused, readP50Ms, readP99Ms, peakMb }) => {
    const publishing =
      perSecond === 0 ? ['', '', '', ''] : [shown(perSecond, 0), shown(p50Ms, 0), shown(p99Ms, 0), refused];
    return `| ${[name, ...publishing, shown(readP50Ms), shown(readP99Ms), peakMb].join(' | ')} |`;
  };
  return [
    '| | records/s | publish p50 ms | p99 ms | refused | read p50 ms | read p99 ms | peak MB |',
    '|---|---|---|---|---|---|---|---|',
    ...results.map(row),
  ].join('\n');
}
