import { compareVersions, parsePackageName, parseVersion, type VersionText } from '@waybill/protocol';
import type { PackageGraph } from '@waybill/tools/package-graph';
import semver from 'semver';
import type { PackageNeed, PackageReleases, PackageSource } from '../../src/resolve/package-source.ts';

/* Graphs as text: a question mark after a name is a need that may be the host's. */

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
