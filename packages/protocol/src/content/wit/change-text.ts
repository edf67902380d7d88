import type { VersionText } from '../../names/version.ts';
import type { WitImpact } from './compare-versions.ts';
import type { InterfaceChange } from './interface-change.ts';

const IMPACT_TEXT: Readonly<Record<WitImpact, string>> = {
  breaking: 'the interface breaks those who rely on it',
  additive: 'the interface has more than before',
  neutral: 'the interface is the same to those who rely on it',
};

/** Between which versions a change lies; `null` where a side has none. */
export interface VersionPair {
  readonly from: VersionText | null;
  readonly to: VersionText | null;
}

/** One line for each difference, what breaks first. */
export function differenceLines({ differences }: InterfaceChange, linesMax: number): readonly string[] {
  const sorted = (['breaking', 'additive', 'neutral'] as const).flatMap((impact) =>
    differences.filter((difference) => difference.impact === impact),
  );
  const lines = sorted.slice(0, linesMax).map(({ path, impact, what }) => `${impact}  ${pathText(path)} ${what}`);
  return sorted.length > linesMax ? [...lines, `and ${sorted.length - linesMax} more`] : lines;
}

function pathText(path: string): string {
  return path === '' ? 'the whole' : path;
}

/** What a change asks for, and whether that was done. */
export function changeText({ impact, neededStep, fits }: InterfaceChange, { from, to }: VersionPair): string {
  const what = IMPACT_TEXT[impact];
  if (from === null) return what;
  const asked =
    neededStep === null ? `after ${from} any step fits` : `after ${from} that asks for a ${neededStep} step`;
  if (to === null) return `${what}: ${asked}`;
  if (fits === null) return `${what}: ${to} is no step from ${from}`;
  return `${what}: ${asked}, and ${to} ${fits ? 'is enough' : 'is too small a step'}`;
}
