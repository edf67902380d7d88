import { isTreeClaim, type ListedPackage, type ListedRelease } from '@waybill/client';
import { isRegistryError, messageOf, namespaceOf, RegistryError, type JsonValue } from '@waybill/protocol';
import {
  changeText,
  differenceLines,
  interfaceChange,
  neededStep,
  releaseBefore,
  STEP_CONTENT_BYTES_MAX,
  stepFits,
  type ReleaseName,
} from '@waybill/protocol/content';
import { readFound, type ArgumentParts } from '../interface-argument.ts';
import { changeBody, LINES_MAX } from '../interface-comparison.ts';
import { openRegistry } from '../session.ts';
import { visibleLine } from '../visible-text.ts';
import type { PlannedRelease, PlanResult } from './plan.ts';

/** What is said of the interface of a release that is about to be published. */
export interface InterfaceRemark {
  readonly text: string;
  readonly json: JsonValue;
}

/**
 * Compares what is about to be released with the release before it. Nothing stands in the way of a release but what the user or
 * the policy for the namespace asks for: then `release/step` for a version that is too small a step. What cannot be compared counts
 * as breaking; what the policy alone asks of that, the registry judges. `null` where there is nothing to say.
 */
export async function interfaceRemark(
  parts: ArgumentParts,
  planned: PlannedRelease,
  isAsked: boolean,
): Promise<InterfaceRemark | null> {
  const previous = planned.reading === null && !isAsked ? null : await previousRelease(parts, planned.release);
  if (previous === null) return null;
  const judged = await judge(parts, planned, previous.release);
  if (isAsked) requireEnough(judged, planned.release, previous.release);
  if (judged.fits !== false) return judged.remark;
  if (previous.interfaceSteps === 'required' && isUnderPolicy(planned)) {
    const why = `the policy for namespace ${namespaceOf(planned.release.name)} asks for enough`;
    throw stepError(`${judged.remark.text}, and ${why}`, judged);
  }
  // Whoever has the result in a pipe sees it all the same.
  parts.context.process.stderr.write(`warning: ${visibleLine(judged.remark.text)}\n`);
  return { ...judged.remark, text: '' };
}

/** A policy is about components and WIT packages: spec/admission.md 8.3. */
function isUnderPolicy({ entry, reading }: PlannedRelease): boolean {
  const isTree = entry.type === 'release' && isTreeClaim(entry.claim ?? null);
  return !isTree && reading?.kind !== 'module';
}

/** Throws `release/step`. */
function requireEnough(judged: Judged, { version }: ReleaseName, before: ListedRelease): void {
  const { fits, remark } = judged;
  if (fits ?? stepFits('breaking', before.version, version)) return;
  const step = neededStep('breaking', before.version) ?? 'patch';
  const text = fits === null ? `${remark.text}; that counts as breaking and asks for a ${step} step` : remark.text;
  throw stepError(text, judged);
}

function stepError(text: string, { lines }: Judged): RegistryError {
  return new RegistryError('release/step', text, lines.length === 0 ? {} : { conflict: lines.join('\n') });
}

/** The same result, with what was said of the interface. */
export function withRemark(result: PlanResult, remark: InterfaceRemark | null): PlanResult {
  if (remark === null) return result;
  const text = remark.text === '' ? result.text : `${result.text}\n${remark.text}`;
  return { ...result, text, json: { ...result.json, interface: remark.json } };
}

interface Previous extends Pick<ListedPackage, 'interfaceSteps'> {
  readonly release: ListedRelease;
}

async function previousRelease(
  { context, flags, progress }: ArgumentParts,
  { name, version }: ReleaseName,
): Promise<Previous | null> {
  progress.step('looking for the release before');
  try {
    const { releases, interfaceSteps } = await (await openRegistry(context, flags)).package(name);
    const standing = releases.filter(({ yanked }) => yanked === null);
    const release = releaseBefore(standing, version);
    return release && { release, interfaceSteps };
  } catch (failure) {
    if (isRegistryError(failure, 'log/not-found')) return null;
    throw failure;
  }
}

interface Judged {
  /** `null` for what cannot be compared. */
  readonly fits: boolean | null;
  readonly remark: InterfaceRemark;
  /** What differs, for a person. */
  readonly lines: readonly string[];
}

async function judge(parts: ArgumentParts, planned: PlannedRelease, previous: ListedRelease): Promise<Judged> {
  const { name, version } = planned.release;
  const since = `${name}@${previous.version}`;
  if (previous.digest === planned.content) return sameContent(since);
  try {
    if (planned.reading === null) return notCompared(since, 'nothing can be read of what is to be released');
    const before = await previousInterface(parts, since);
    const change = interfaceChange(before, { reading: planned.reading, version });
    if (change === null) return notCompared(since, 'one is a WIT package, and the other is not');
    const pair = { from: before.version, to: version };
    const remark = {
      text: `since ${since} ${changeText(change, pair)}`,
      json: { since, ...changeBody(change, pair) },
    };
    return { fits: change.fits ?? false, remark, lines: differenceLines(change, LINES_MAX) };
  } catch (failure) {
    if (!(failure instanceof RegistryError)) throw failure;
    return notCompared(since, messageOf(failure));
  }
}

async function previousInterface({ context, flags, progress }: ArgumentParts, since: string) {
  const registry = await openRegistry(context, flags);
  return readFound(registry, await registry.find(since), { bytesMax: STEP_CONTENT_BYTES_MAX, progress });
}

function sameContent(since: string): Judged {
  const json = { since, fits: true, differences: [] };
  return {
    fits: true,
    remark: { text: `since ${since} nothing has changed: the content is the same`, json },
    lines: [],
  };
}

function notCompared(since: string, why: string): Judged {
  const text = `since ${since} the interface could not be compared: ${why}`;
  return { fits: null, remark: { text, json: { since, fits: null, remark: why } }, lines: [] };
}
