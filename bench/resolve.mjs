// Choosing releases for a project: the resolver alone, over graphs that are made up and in memory. What a registry takes to
// answer comes on top, once for each layer of a graph and not for each package.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { releasesOf, resolveProject } from '@waybill/client';
import { largeGraph } from '@waybill/tools/package-graph';
import { median } from './servers.mjs';

const SIZES = [100, 1_000, 1_900];
/** More than are read: what is measured is how long that takes to say. */
const SIZE_REFUSED = 10_000;
/** Graphs of one size, each in a process of its own: a command line resolves once. */
const SEEDS = [1, 2, 3];

/** Milliseconds and rounds of reading by number of packages, medians of `runs` runs over several graphs. */
export function benchResolve({ runs, quick }) {
  return (quick ? [100] : [...SIZES, SIZE_REFUSED]).map((packages) => {
    const found = Array.from({ length: runs }, () => SEEDS.map((seed) => measureApart(packages, seed))).flat();
    return {
      packages,
      isRefused: found.every(({ isRefused }) => isRefused),
      coldMs: median(found.map(({ coldMs }) => coldMs)),
      warmMs: median(found.map(({ warmMs }) => warmMs)),
      rounds: median(found.map(({ rounds }) => rounds)),
    };
  });
}

/** A table in Markdown. */
export function resolveTable(rows) {
  return [
    '| packages | ms of processor, the first time in a process | ms, the fifth time | rounds of reading |',
    '|---|---|---|---|',
    ...rows.map(
      ({ packages, isRefused, coldMs, warmMs, rounds }) =>
        `| ${packages.toLocaleString('en')}${isRefused ? ', refused' : ''} | ${coldMs.toFixed(0)} | ${warmMs.toFixed(0)} | ${rounds} |`,
    ),
    '',
    'Five releases each, up to four needs of a release, some of them narrow enough to conflict; which of them a range takes is',
    'judged as for a real log. Aimed at: 1,000 packages in 200 ms, the first time. More than 2,000 are refused before more is read.',
  ].join('\n');
}

function measureApart(packages, seed) {
  const args = [import.meta.filename, '--measure', String(packages), String(seed)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`measuring the resolver failed: ${stderr}`);
  return JSON.parse(stdout);
}

async function measure(packages, seed) {
  const graph = largeGraph(packages, seed);
  const times = [];
  let rounds = 0;
  let isRefused = false;
  for (let i = 0; i < 5; i++) {
    const source = sourceOf(graph);
    const start = processorMs();
    const chosen = await resolveProject([needOf('p0 ^1')], { source, clock: Date.now }).catch(refusalOf);
    times.push(processorMs() - start);
    isRefused = chosen === null;
    if (!isRefused && chosen.releases.length !== packages) throw new Error('not every package was chosen');
    rounds = source.rounds();
  }
  return { isRefused, coldMs: times[0], warmMs: times.at(-1), rounds };
}

/** Of the thread that resolves, which waits for nothing: other programs of the machine do not count. */
function processorMs() {
  return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** `null` for what is larger than anything that is resolved. */
function refusalOf(failure) {
  if (failure.code === 'resolution/limit') return null;
  throw failure;
}

/** A source in memory that counts what it is asked. */
function sourceOf(graph) {
  let rounds = 0;
  return {
    rounds: () => rounds,
    async releases(names) {
      rounds++;
      return new Map(names.map((name) => [name, judgedReleases(name, Object.keys(graph[name.slice(5)]))]));
    },
    async needs(releases) {
      rounds++;
      return releases.map(({ name, version }) => graph[name.slice(5)][version].map(needOf));
    },
  };
}

/** As of a log of which nothing is yanked and nothing said. */
function judgedReleases(name, versions) {
  const bindings = versions.map((version) => [version, { version, state: { status: 'released' } }]);
  const log = {
    name,
    state: { bindings: new Map(bindings) },
    annotations: { deprecationOf: () => null, advisoriesOf: () => [] },
    rootedness: { verdict: 'rooted' },
    takedownOf: () => null,
  };
  return releasesOf({ log, policy: 'pass over', locked: new Set() });
}

function needOf(text) {
  const [name, range] = text.split(' ');
  return { name: `test:${name}`, range, mayBeHosts: false };
}

const [, , flag, packages, seed] = process.argv;
if (process.argv[1] === import.meta.filename && flag === '--measure') {
  process.stdout.write(JSON.stringify(await measure(Number(packages), Number(seed))));
}
