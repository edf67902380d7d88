// OCI beside distribution v3, which has neither a log nor signatures: artifacts pushed and pulled by eight clients, into a plain
// repository and into packages of the log; and one large blob, with the most memory that the server had. Each run is a fresh server on
// a fresh folder; they take turns, and have served for some seconds before anything is measured: a registry runs for weeks, and in its
// first thousand requests a server on Node.js is still being compiled.
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { cpuSeconds, findPeer, median, memoryMb, runScript, startDistribution, startWaybill } from './servers.mjs';

const CLIENTS = 8;
/** `artifacts`: of each client. */
const LOADS = [
  { name: '20 KB', bytes: 20_000, artifacts: 100, warmup: 5 },
  { name: '2 MB', bytes: 2_000_000, artifacts: 16, warmup: 2 },
];
/** Pushed and pulled before by each client, whatever is measured then. */
const WARMUP = { bytes: 20_000, artifacts: 200 };
/** `times` a run, each on a fresh server: how fast the disk takes a gigabyte differs by a half from one time to the next. */
const BLOB = { name: '1 GB', bytes: 2 ** 30, times: 3 };
const QUICK = {
  loads: [{ name: '20 KB', bytes: 20_000, artifacts: 3, warmup: 1 }],
  warmup: { bytes: 20_000, artifacts: 2 },
  blob: { name: '16 MB', bytes: 2 ** 24, times: 1 },
};
/** Where a target has its repositories. */
const TARGETS = [
  { name: 'plain', start: startOurs, prefix: 'plain/' },
  { name: 'logged', start: startOurs, prefix: 'bench/' },
  { name: 'distribution', start: startPeer, prefix: 'plain/' },
];

/**
 * Medians of `runs` runs, by target, and of what each is to distribution in its turn: a machine that is slower for some minutes
 * is so for all three. Those of distribution are missing where it is not built.
 */
export async function benchOci({ runs, folder, quick }) {
  const { loads, blob, warmup } = quick ? QUICK : { loads: LOADS, blob: BLOB, warmup: WARMUP };
  const targets = TARGETS.filter(({ start }) => start === startOurs || findPeer('distribution') !== null);
  const rows = [
    ...loads.flatMap(({ name }) => [
      `push ${name}, artifacts/s`,
      `pull ${name}, artifacts/s`,
      `${name}, server CPU ms for one that is pushed and pulled`,
    ]),
    `${blob.name} up, MB/s`,
    `${blob.name} down, MB/s`,
    `${blob.name}, most memory of the server, MB`,
  ];
  const measured = Object.fromEntries(targets.map(({ name }) => [name, rows.map(() => [])]));
  for (let run = 0; run < runs; run++) {
    for (const target of rotated(targets, run)) {
      const figures = await measureTarget(target, { folder, loads, blob, warmup });
      for (const [i, figure] of figures.entries()) measured[target.name][i].push(figure);
    }
  }
  return rows.map((row, i) => ({
    row,
    figures: byTarget(targets, (name) => median(measured[name][i])),
    ratios: byTarget(targets, (name) => median(ratiosOf(measured[name][i], measured.distribution?.[i] ?? []))),
  }));
}

function byTarget(targets, figureOf) {
  return Object.fromEntries(targets.map(({ name }) => [name, figureOf(name)]));
}

/** One for each turn. */
function ratiosOf(figures, peers) {
  return peers.map((peer, turn) => figures[turn] / peer);
}

/** So that none is always the first. */
function rotated(list, by) {
  return list.map((_, i) => list[(i + by) % list.length]);
}

async function measureTarget({ start, prefix }, { folder, loads, blob, warmup: before }) {
  const figures = [];
  for (const { bytes, artifacts, warmup } of loads) {
    const options = { repositories: `${prefix}r`, clients: CLIENTS, artifacts, warmup, bytes };
    const first = { ...before, repositories: `${prefix}before`, clients: CLIENTS, warmup: 0 };
    const { pushPerSecond, pullPerSecond, cpuSeconds: cpu } = await onServer(start, folder, { first, options });
    figures.push(pushPerSecond, pullPerSecond, (cpu * 1_000) / (CLIENTS * (artifacts + warmup)));
  }
  const options = { repositories: `${prefix}r`, blob: blob.bytes };
  const large = [];
  for (let time = 0; time < blob.times; time++) large.push(await onServer(start, folder, { first: null, options }));
  const most = Math.max(...large.map(({ peakMb }) => peakMb));
  const up = median(large.map(({ upMbPerSecond }) => upMbPerSecond));
  return [...figures, up, median(large.map(({ downMbPerSecond }) => downMbPerSecond)), most];
}

async function onServer(start, folder, { first, options }) {
  const data = mkdtempSync(path.join(folder, 'oci-'));
  const server = await start(path.join(data, 'registry'));
  try {
    if (first !== null) await runScript('oci-load.mjs', { url: server.url, ...first });
    const before = cpuSeconds(server.pid);
    const figures = await runScript('oci-load.mjs', { url: server.url, ...options });
    return { ...figures, cpuSeconds: cpuSeconds(server.pid) - before, peakMb: memoryMb(server.pid).peak };
  } finally {
    await server.stop();
    rmSync(data, { recursive: true, force: true });
  }
}

function startOurs(data) {
  return startWaybill(data, ['--oci']);
}

function startPeer(data) {
  return startDistribution(findPeer('distribution'), data);
}

/** A table in Markdown. A ratio over 1 is ours being faster; of CPU time and memory, ours needing more. */
export function ociTable(results) {
  const number = (figure) => (figure === undefined ? '' : figure.toFixed(figure < 100 ? 1 : 0));
  const ratio = (figure) => (Number.isFinite(figure) ? figure.toFixed(2) : '');
  return [
    '| | plain | logged | distribution | plain/distribution | logged/distribution |',
    '|---|---|---|---|---|---|',
    ...results.map(
      ({ row, figures: { plain, logged, distribution }, ratios }) =>
        `| ${row} | ${number(plain)} | ${number(logged)} | ${number(distribution)} | ${ratio(ratios.plain)} | ${ratio(ratios.logged)} |`,
    ),
    '',
    'Each ratio is the median of those within the turns, not the ratio of the medians beside it.',
  ].join('\n');
}
