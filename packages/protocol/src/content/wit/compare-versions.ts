import { isRegistryError } from '../../errors.ts';
import { comparePrecedence, isPreRelease, parseVersion, type VersionText } from '../../names/version.ts';
import { trackOf } from '../version-track.ts';

/** What a difference does to those who rely on what was there. */
export type WitImpact = 'breaking' | 'additive' | 'neutral';

export type VersionStep = 'major' | 'minor' | 'patch';

const STEPS = ['major', 'minor', 'patch'] as const;
/** From the one that asks for most. */
const IMPACTS: readonly WitImpact[] = ['breaking', 'additive', 'neutral'];

/** The greatest of several. */
export function greatestImpact(impacts: readonly WitImpact[]): WitImpact {
  return IMPACTS.find((impact) => impacts.includes(impact)) ?? 'neutral';
}

/**
 * The step that a difference asks for after `from`. The first number that is not zero is the one that breaks, the one after
 * it the one that adds: in 0.2.1 the minor and the patch, in 0.0.1 the patch is both. `null` for any: a pre-release promises
 * nothing.
 */
export function neededStep(impact: WitImpact, from: VersionText): VersionStep | null {
  if (isPreRelease(from)) return null;
  const breaking = numbersOf(from).findIndex((number) => number !== 0n);
  const first = breaking < 0 ? STEPS.length - 1 : breaking;
  const offset = IMPACTS.indexOf(impact);
  return STEPS[Math.min(first + offset, STEPS.length - 1)] ?? 'patch';
}

/** Whether going from one version to another says at least what a difference asks for. Backwards says nothing. */
export function stepFits(impact: WitImpact, from: VersionText, to: VersionText): boolean {
  if (comparePrecedence(from, to) >= 0) return impact === 'neutral' && comparePrecedence(from, to) === 0;
  const needed = neededStep(impact, from);
  if (needed === null) return true;
  const before = numbersOf(from);
  const made = numbersOf(to).findIndex((number, position) => number !== before[position]);
  return made >= 0 && made <= STEPS.indexOf(needed);
}

/** The track of a version; of a text that is none, the text itself. */
export function versionTrack(version: string | null): string {
  const parsed = parsedVersion(version);
  return parsed === null ? (version ?? '') : trackOf(parsed);
}

/** Less than zero where `a` is older; zero also where one of them is no version. */
export function versionOrder(a: string | null, b: string | null): number {
  const left = parsedVersion(a);
  const right = parsedVersion(b);
  return left === null || right === null ? 0 : comparePrecedence(left, right);
}

function numbersOf(version: VersionText): readonly bigint[] {
  const [core = ''] = version.split(/[-+]/, 1);
  return core.split('.').map(BigInt);
}

/** A binary may have any text as a version. */
function parsedVersion(version: string | null): VersionText | null {
  try {
    return version === null ? null : parseVersion(version);
  } catch (failure) {
    if (isRegistryError(failure, 'text/version')) return null;
    throw failure;
  }
}
