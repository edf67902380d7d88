import { compareVersions, parsePackageName, parseVersion, type VersionText } from '@waybill/protocol';
import semver from 'semver';
import type { PackageNeed, PackageReleases, PackageSource } from '../../src/resolve/package-source.ts';

/** Needs by version, by package: `{ 'a': { '1.0.0': ['b ^1', 'c?'] } }`; a question mark is a need that may be the host's. */
export type PackageGraph = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

/** `b ^1` is a need of test:b. */
export function needOf(text: string): PackageNeed {
  const [name = '', ...range] = text.split(' ');
  const mayBeHosts = name.endsWith('?');
  const plain = name.replace('?', '');
  return { name: parsePackageName(`test:${plain}`), range: range.length === 0 ? null : range.join(' '), mayBeHosts };
}

/** Counts what is asked of it. */
export interface GraphSource extends PackageSource {
  readonly rounds: () => number;
}

export function sourceOf(graph: PackageGraph): GraphSource {
  let rounds = 0;
  return {
    rounds: () => rounds,
    async releases(names) {
      rounds++;
      return new Map(names.map((name) => [name, releasesOf(graph, name)]));
    },
    async needs(releases) {
      rounds++;
      return releases.map(({ name, version }) => (graph[name.slice('test:'.length)]?.[version] ?? []).map(needOf));
    },
  };
}

function releasesOf(graph: PackageGraph, name: string): PackageReleases | null {
  const found = graph[name.slice('test:'.length)];
  if (found === undefined) return null;
  const versions = Object.keys(found)
    .map(parseVersion)
    .toSorted((a, b) => compareVersions(b, a));
  const takes = (range: string | null): VersionText[] =>
    versions.filter((version) => semver.satisfies(version, range ?? '*'));
  return { versions, takes, whyNone: (range) => `nothing in ${range ?? '*'}` };
}

/** A generator of numbers below a bound: the same for the same seed. */
export function numbersFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * `count` packages of some releases each, every one needing up to four packages after it: a graph as deep as a real one, where
 * ranges leave a choice and now and then forbid one.
 */
export function largeGraph(count: number, seed: number): PackageGraph {
  const number = numbersFrom(seed);
  const graph: Record<string, Record<string, string[]>> = {};
  for (let i = 0; i < count; i++) {
    const releases: Record<string, string[]> = {};
    for (let minor = 0; minor < 5; minor++) {
      const needs: string[] = [];
      // Two of them make a tree that reaches every package.
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < count) needs.push(`p${child} ^1.${number(3)}`);
      for (let extra = number(3); extra > 0; extra--) {
        const other = i + 1 + number(40);
        if (other < count) needs.push(`p${other} ${number(10) === 0 ? `~1.${number(5)}` : `>=1.${number(3)}`}`);
      }
      releases[`1.${minor}.${number(4)}`] = needs;
    }
    graph[`p${i}`] = releases;
  }
  return graph;
}
