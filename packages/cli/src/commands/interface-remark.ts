import { interfaceChange, type ListedRelease } from '@waybill/client';
import {
  compareVersions,
  isPreRelease,
  isRegistryError,
  messageOf,
  RegistryError,
  type JsonValue,
} from '@waybill/protocol';
import type { ReleaseName } from '@waybill/protocol/content';
import { readFound, type ArgumentParts } from '../interface-argument.ts';
import { changeBody, differenceLines, verdictText } from '../interface-comparison.ts';
import { openRegistry } from '../session.ts';
import { visibleLine } from '../visible-text.ts';
import { READING_BYTES_MAX, type PlannedRelease, type PlanResult } from './plan.ts';

/** What is said of the interface of a release that is about to be published. */
export interface InterfaceRemark {
  readonly text: string;
  readonly json: JsonValue;
}

/**
 * Compares what is about to be released with the release before it. Nothing stands in the way of a release but what the user
 * asked for: then `release/step` for a version that is too small a step, and for what cannot be compared. `null` where there is
 * nothing to say.
 */
export async function interfaceRemark(
  parts: ArgumentParts,
  planned: PlannedRelease,
  isRequired: boolean,
): Promise<InterfaceRemark | null> {
  const previous = planned.reading === null && !isRequired ? null : await previousRelease(parts, planned.release);
  if (previous === null) return null;
  const { fits, remark, lines } = await judge(parts, planned, previous);
  if (fits === true) return remark;
  if (isRequired) {
    const detail = lines.length === 0 ? {} : { conflict: lines.join('\n') };
    throw new RegistryError('release/step', remark.text, detail);
  }
  if (fits === null) return remark;
  // Whoever has the result in a pipe sees it all the same.
  parts.context.process.stderr.write(`warning: ${visibleLine(remark.text)}\n`);
  return { ...remark, text: '' };
}

/** The same result, with what was said of the interface. */
export function withRemark(result: PlanResult, remark: InterfaceRemark | null): PlanResult {
  if (remark === null) return result;
  const text = remark.text === '' ? result.text : `${result.text}\n${remark.text}`;
  return { ...result, text, json: { ...result.json, interface: remark.json } };
}

/** The newest stable one below the version: a pre-release promises nothing, and what is yanked is given to nobody. */
async function previousRelease(
  { context, flags, progress }: ArgumentParts,
  { name, version }: ReleaseName,
): Promise<ListedRelease | null> {
  progress.step('looking for the release before');
  try {
    const { releases } = await (await openRegistry(context, flags)).package(name);
    const before = releases.find(
      (one) => one.yanked === null && !isPreRelease(one.version) && compareVersions(one.version, version) < 0,
    );
    return before ?? null;
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
      text: `since ${since} ${verdictText(change, pair)}`,
      json: { since, ...changeBody(change, pair) },
    };
    return { fits: change.fits ?? false, remark, lines: differenceLines(change) };
  } catch (failure) {
    if (!(failure instanceof RegistryError)) throw failure;
    return notCompared(since, messageOf(failure));
  }
}

async function previousInterface({ context, flags, progress }: ArgumentParts, since: string) {
  const registry = await openRegistry(context, flags);
  return readFound(registry, await registry.find(since), { bytesMax: READING_BYTES_MAX, progress });
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
