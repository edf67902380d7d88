import { Dice } from './test-scale.ts';

/** Needs by version, by package: `{ a: { '1.0.0': ['b ^1'] } }`. */
export type PackageGraph = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const RELEASES = 5;
/** How far a need reaches beyond the next package: this makes graphs deep. */
const REACH = 40;

/**
 * `count` packages of some releases each, every one needing up to four packages after it: a graph as deep as a real one, where
 * ranges leave a choice and now and then forbid one. All of them hang on `p0`.
 */
export function largeGraph(count: number, seed: number): PackageGraph {
  const dice = new Dice(seed);
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => {
      const releases = Array.from({ length: RELEASES }, (_each, minor) => {
        // Two of them make a tree that reaches every package.
        const tree = [2 * i + 1, 2 * i + 2].map((child) => ({ child, range: `^1.${dice.below(3)}` }));
        const extra = Array.from({ length: dice.below(3) }, () => {
          const range = dice.oneIn(10) ? `~1.${dice.below(RELEASES)}` : `>=1.${dice.below(3)}`;
          return { child: i + 1 + dice.below(REACH), range };
        });
        const needs = [...tree, ...extra].filter(({ child }) => child < count);
        return [`1.${minor}.${dice.below(4)}`, needs.map(({ child, range }) => `p${child} ${range}`)] as const;
      });
      return [`p${i}`, Object.fromEntries(releases)];
    }),
  );
}
