import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError, type RegistryError } from '@waybill/protocol';
import { largeGraph, type PackageGraph } from '@waybill/tools/package-graph';
import { Dice } from '@waybill/tools/test-scale';
import semver from 'semver';
import { releaseText } from '../../src/resolve/package-source.ts';
import { resolveProject, type Resolution } from '../../src/resolve/resolution.ts';
import { RESOLUTION_DEPTH_MAX, RESOLUTION_PACKAGES_MAX } from '../../src/resolve/slot-table.ts';
import { needOf, sourceOf } from './package-graph.ts';

const clock = (): number => 0;

async function resolve(graph: PackageGraph, ...needs: readonly string[]): Promise<Resolution> {
  return resolveProject(needs.map(needOf), { source: sourceOf(graph), clock });
}

/** What is chosen, as `a@1.0.0 b@2.0.0`. */
async function chosen(graph: PackageGraph, ...needs: readonly string[]): Promise<string> {
  const { releases } = await resolve(graph, ...needs);
  return releases.map((release) => releaseText(release).replace('test:', '')).join(' ');
}

async function conflict(graph: PackageGraph, ...needs: readonly string[]): Promise<RegistryError> {
  const failure: unknown = await resolve(graph, ...needs).catch((thrown: unknown) => thrown);
  if (!isRegistryError(failure, 'resolution/conflict')) assert.fail(`no conflict: ${String(failure)}`);
  return failure;
}

test('the newest release that every need allows', async () => {
  const graph = {
    a: { '1.0.0': ['c ^1.0.0'], '1.1.0': ['c ^1.2.0'] },
    b: { '1.0.0': ['c <1.3.0'] },
    c: { '1.1.0': [], '1.2.0': [], '1.3.0': [] },
  };
  assert.equal(await chosen(graph, 'a', 'b'), 'a@1.1.0 b@1.0.0 c@1.2.0');
  assert.equal(await chosen(graph, 'a ~1.0'), 'a@1.0.0 c@1.3.0');
  assert.equal(await chosen(graph), '');
});

test('a step back where the newest leads nowhere', async () => {
  const graph = {
    a: { '1.0.0': ['b ^1'], '2.0.0': ['b ^3'] },
    b: { '1.0.0': [], '3.0.0': ['c ^9'] },
    c: { '1.0.0': [] },
  };
  assert.equal(await chosen(graph, 'a >=1'), 'a@1.0.0 b@1.0.0');
});

test('a release that needs another of its own package is passed over, and asks nothing where it is not chosen', async () => {
  const graph = {
    a: { '1.0.0': [], '1.1.0': ['b ^2'] },
    b: { '2.0.0': ['none'], '2.1.0': ['b ~2.0'], '2.2.0': ['b ^2.2', 'none'] },
  };
  assert.equal(await chosen(graph, 'a'), 'a@1.0.0');
  assert.equal(await chosen({ a: { '1.0.0': ['a ^1'], '1.1.0': ['a ~1.0'] } }, 'a'), 'a@1.0.0');
});

test('a track of 100 releases is chosen from as one of three', async () => {
  const many = (needs: (minor: number) => string[]): Record<string, string[]> =>
    Object.fromEntries(Array.from({ length: 100 }, (_, minor) => [`1.${minor}.0`, needs(minor)]));
  const graph = {
    a: many((minor) => [`c >=1.${minor}`]),
    b: many((minor) => [`c <=1.${Math.max(0, 60 - minor)}`]),
    c: many((minor) => (minor % 10 === 0 ? [] : ['none'])),
  };
  assert.equal(await chosen(graph, 'a ^1', 'b ~1.25'), 'a@1.30.0 b@1.25.0 c@1.30.0');
  assert.equal(await chosen(graph, 'a ~1.65', 'c ^1'), 'a@1.65.0 c@1.90.0');
  await conflict(graph, 'a ~1.41', 'b ~1.25');
});

test('two tracks of a package stand side by side; 0.2 and 0.3 are two as well', async () => {
  const graph = {
    a: { '1.0.0': ['io ^0.2.3', 'lib ^1'] },
    b: { '1.0.0': ['io ^0.3.0', 'lib ^2'] },
    io: { '0.2.3': [], '0.2.6': [], '0.3.0': [] },
    lib: { '1.5.0': [], '2.0.0': [] },
  };
  assert.equal(await chosen(graph, 'a', 'b'), 'a@1.0.0 b@1.0.0 io@0.2.6 io@0.3.0 lib@1.5.0 lib@2.0.0');
  assert.equal(await chosen(graph, 'lib >=1'), 'lib@2.0.0');
});

test('a range over several tracks takes the older where the newest leads nowhere', async () => {
  const graph = { a: { '1.0.0': [], '2.0.0': ['none ^1'] }, none: { '0.1.0': [] } };
  assert.equal(await chosen(graph, 'a >=1'), 'a@1.0.0');
});

test('P10: cycles are resolved', async () => {
  const graph = { a: { '1.0.0': ['b'] }, b: { '1.0.0': ['c'] }, c: { '1.0.0': ['a ^1', 'b'] } };
  const { releases } = await resolve(graph, 'a');
  assert.deepEqual(
    releases.map(({ dependencies }) => dependencies.map(releaseText)),
    [['test:b@1.0.0'], ['test:c@1.0.0'], ['test:a@1.0.0', 'test:b@1.0.0']],
  );
});

/** More of one kind than of the other, and each needs one for itself: few packages, and no short way to see that it cannot be. */
function pigeonholes(pigeons: number): PackageGraph {
  const graph: Record<string, Record<string, string[]>> = {};
  const numbers = Array.from({ length: pigeons }, (_, i) => i + 1);
  for (const hole of numbers.slice(1))
    graph[`hole${hole}`] = Object.fromEntries(numbers.map((pigeon) => [`1.${pigeon}.0`, []]));
  for (const pigeon of numbers)
    graph[`pigeon${pigeon}`] = Object.fromEntries(
      numbers.slice(1).map((hole) => [`1.${hole}.0`, [`hole${hole} 1.${pigeon}.0`]]),
    );
  return graph;
}

test('P10: time is up also while nothing is read', async () => {
  const pigeons = 9;
  const source = sourceOf(pigeonholes(pigeons));
  const needs = Array.from({ length: pigeons }, (_, i) => needOf(`pigeon${i + 1}`));
  // A fifth of a second passes at each look: all has been read long before the time is up.
  let looks = 0;
  const failure: unknown = await resolveProject(needs, { source, clock: () => 200 * looks++ }).catch(
    (thrown: unknown) => thrown,
  );
  assert.ok(source.rounds() < 100);
  assert.ok(isRegistryError(failure, 'resolution/limit'), String(failure));
});

test('what the registry has not may be the host’s, and only where the need allows it', async () => {
  const graph = { a: { '1.0.0': ['cli? ^0.2.0'] } };
  const { releases } = await resolve(graph, 'a');
  assert.deepEqual(
    releases[0]?.hosts.map(({ name }) => name),
    ['test:cli'],
  );
  const { detail } = await conflict({ a: { '1.0.0': ['cli ^0.2.0'] } }, 'a');
  assert.equal(
    detail['conflict'],
    'waybill.toml needs test:a: 1.0.0\ntest:a 1.0.0 needs test:cli ^0.2.0: the registry has no package test:cli',
  );
  await conflict({ ...graph, cli: { '0.1.0': [] } }, 'a');
});

test('no solution: every need that is part of it, by which way, and nothing else', async () => {
  const graph = {
    app: { '1.0.0': ['a ^1', 'fine'] },
    fine: { '1.0.0': [] },
    a: { '1.0.0': ['c ~1.2.0'], '1.1.0': ['c ~1.2.0'] },
    b: { '1.0.0': ['c ^1.4.0'] },
    c: { '1.2.0': [], '1.2.1': [], '1.4.0': [] },
  };
  const { message, detail } = await conflict(graph, 'app', 'b');
  assert.match(message, /test:c/);
  assert.deepEqual(String(detail['conflict']).split('\n').toSorted(), [
    'test:a 1.1.0, 1.0.0 (waybill.toml → test:app) needs test:c ~1.2.0: 1.2.1, 1.2.0',
    'test:app 1.0.0 needs test:a ^1: 1.1.0, 1.0.0',
    'test:b 1.0.0 needs test:c ^1.4.0: 1.4.0',
    'waybill.toml needs test:app: 1.0.0',
    'waybill.toml needs test:b: 1.0.0',
  ]);
});

test('the order in which needs are written decides nothing', async () => {
  const graph = largeGraph(60, 7);
  const needs = ['p3 ^1', 'p1', 'p0 ^1.1', 'p7'];
  assert.deepEqual(await resolve(graph, ...needs), await resolve(graph, ...needs.toReversed()));
});

/** Whether a choice meets every need of what it contains, and has one release of a track at most: tracks here are majors. */
function isSound(graph: PackageGraph, needs: readonly string[], choice: ReadonlyMap<string, string>): boolean {
  const met = (need: string): boolean => {
    const [name = '', ...range] = need.split(' ');
    const versions = [...choice].filter(([key]) => key.split('@')[0] === name).map(([, version]) => version);
    return versions.some((version) => semver.satisfies(version, range.join(' ') || '*'));
  };
  return [...needs, ...[...choice].flatMap(([key, version]) => graph[key.split('@')[0] ?? '']?.[version] ?? [])].every(
    met,
  );
}

/** Tries every choice of at most one release for each major of each package. */
function hasSolution(graph: PackageGraph, needs: readonly string[]): boolean {
  const slots = Object.entries(graph).flatMap(([name, releases]) =>
    [...new Set(Object.keys(releases).map((version) => semver.major(version)))].map((major) => ({
      key: `${name}@${major}`,
      versions: Object.keys(releases).filter((version) => semver.major(version) === major),
    })),
  );
  const tryFrom = (i: number, choice: Map<string, string>): boolean => {
    const slot = slots[i];
    if (slot === undefined) return isSound(graph, needs, choice);
    if (tryFrom(i + 1, choice)) return true;
    return slot.versions.some((version) => tryFrom(i + 1, new Map(choice).set(slot.key, version)));
  };
  return tryFrom(0, new Map());
}

function smallGraph(seed: number): { graph: PackageGraph; needs: string[] } {
  const dice = new Dice(seed);
  const number = (below: number): number => dice.below(below);
  const names = ['a', 'b', 'c', 'd'];
  const versions = ['1.0.0', '1.1.0', '2.0.0'];
  const ranges = ['^1', '^1.1', '~1.0', '^2', '>=1', '1.0.0', '<2', '^3'];
  const need = (): string => `${names[number(4)]} ${ranges[number(ranges.length)]}`;
  const graph = Object.fromEntries(
    names.map((name) => {
      const kept = versions.filter(() => number(4) > 0);
      return [name, Object.fromEntries(kept.map((version) => [version, Array.from({ length: number(3) }, need)]))];
    }),
  );
  return { graph, needs: [need(), need()] };
}

test('it finds a choice exactly where one exists, as trying all of them tells', async () => {
  let solved = 0;
  for (let seed = 0; seed < 400; seed++) {
    const { graph, needs } = smallGraph(seed);
    const found = await resolve(graph, ...needs).catch((failure: unknown) => {
      if (isRegistryError(failure, 'resolution/conflict')) return null;
      throw failure;
    });
    assert.equal(found !== null, hasSolution(graph, needs), `seed ${seed}: ${JSON.stringify({ graph, needs })}`);
    if (found === null) continue;
    solved++;
    const choice = new Map(
      found.releases.map(({ name, version }) => [`${name.slice(5)}@${semver.major(version)}`, version]),
    );
    assert.equal(choice.size, found.releases.length, `seed ${seed}: two of one track`);
    assert.ok(isSound(graph, needs, choice), `seed ${seed}`);
  }
  assert.ok(solved > 50 && solved < 350, `${solved} of 400`);
});

test('a graph of 1,000 packages, in few rounds of reading', async () => {
  const graph = largeGraph(1_000, 1);
  const source = sourceOf(graph);
  const start = performance.now();
  const { releases } = await resolveProject([needOf('p0')], { source, clock });
  assert.equal(releases.length, 1_000);
  assert.ok(source.rounds() < 200, `${source.rounds()} rounds`);
  // The bench holds the real bound; here only what no machine needs.
  assert.ok(performance.now() - start < 2_000);
});

test('P10: a graph that is too large, too deep or a blast of choices ends soon, and says why', async () => {
  const chain = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`p${i}`, { '1.0.0': [`p${i + 1}`] }]));
  const star = { hub: { '1.0.0': Array.from({ length: 1_900 }, (_, i) => `p${i}`) }, ...largeGraph(10_000, 3) };
  const tree = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, i) => [
      `p${i}`,
      { '1.0.0': [1, 2, 3].map((n) => `p${3 * i + n}`).filter((name) => Number(name.slice(1)) < 10_000) },
    ]),
  );
  for (const [graph, need] of [
    [chain, 'p0'],
    [star, 'hub'],
    [tree, 'p0'],
  ] as const) {
    const start = performance.now();
    await assert.rejects(resolve(graph, need), (thrown) => isRegistryError(thrown, 'resolution/limit'));
    assert.ok(performance.now() - start < 5_000);
  }
  assert.ok(RESOLUTION_DEPTH_MAX < 10_000 && RESOLUTION_PACKAGES_MAX < 10_000);
});
