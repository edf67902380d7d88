import type { Finding, Verdict } from '../finding.ts';
import { importsOf, isRelative, resolveRelative } from '../imports.ts';
import { type SourceTree, isMeasured } from '../source-tree.ts';

/** What Tarjan's algorithm keeps while it walks. */
interface Walk {
  readonly graph: ReadonlyMap<string, readonly string[]>;
  readonly order: Map<string, number>;
  readonly open: string[];
  readonly cycles: string[][];
}

/** No file imports itself by any way round, types included: what is read in a circle cannot be read in order. */
export function importCycles(tree: SourceTree): Verdict {
  const cycles = findCycles(importGraph(tree));
  const findings = cycles.map((files): Finding => {
    const [file = ''] = files;
    return { file, line: 1, message: `Import cycle: ${[...files, file].join(' -> ')}.` };
  });
  return { findings, figures: [`${cycles.length} cycles`] };
}

function importGraph(tree: SourceTree): ReadonlyMap<string, readonly string[]> {
  const measured = tree.sources.filter(isMeasured);
  const known = new Set(measured.map(({ path }) => path));
  return new Map(
    measured.map((source) => {
      const relative = importsOf(source).filter(({ specifier }) => isRelative(specifier));
      const targets = relative.map(({ specifier }) => resolveRelative(source, specifier));
      return [source.path, targets.filter((target) => known.has(target))];
    }),
  );
}

/** Strongly connected components of more than one file, and files that import themselves. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const walk: Walk = { graph, order: new Map(), open: [], cycles: [] };
  for (const file of graph.keys()) if (!walk.order.has(file)) connect(walk, file);
  return walk.cycles;
}

function connect(walk: Walk, file: string): number {
  const order = walk.order.size;
  walk.order.set(file, order);
  walk.open.push(file);
  let lowest = order;
  for (const target of walk.graph.get(file) ?? []) lowest = Math.min(lowest, reach(walk, target));
  if (lowest === order) closeComponent(walk, file);
  return lowest;
}

function reach(walk: Walk, target: string): number {
  const seen = walk.order.get(target);
  if (seen === undefined) return connect(walk, target);
  return walk.open.includes(target) ? seen : Number.POSITIVE_INFINITY;
}

function closeComponent(walk: Walk, file: string): void {
  const component = walk.open.splice(walk.open.indexOf(file));
  const isCycle = component.length > 1 || (walk.graph.get(file) ?? []).includes(file);
  if (isCycle) walk.cycles.push(component);
}
