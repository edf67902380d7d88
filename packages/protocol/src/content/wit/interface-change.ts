import { RegistryError } from '../../errors.ts';
import { compareVersions, isPreRelease, type VersionText } from '../../names/version.ts';
import { readWasm } from '../binary/wasm-binary.ts';
import { compareWit } from './compare-document.ts';
import type { WitDifference } from './compare-interface.ts';
import { greatestImpact, neededStep, stepFits, type VersionStep, type WitImpact } from './compare-versions.ts';
import { compareWorlds } from './compare-world.ts';
import { decodeWit } from './decode.ts';
import { decodeEmbeddedWit } from './embedded.ts';
import type { WitDocument, WitWorld } from './model.ts';

/** Larger content is not read to judge the step of a version. */
export const STEP_CONTENT_BYTES_MAX = 32 * 1024 * 1024;

/** What content says in WIT. */
export interface InterfaceReading {
  /** A core module says in WIT for which world it was made. */
  readonly kind: 'component' | 'wit-package' | 'module';
  readonly document: WitDocument;
}

/** An interface as of a version; `null` where it has none. */
export interface VersionedInterface {
  readonly reading: InterfaceReading;
  readonly version: VersionText | null;
}

/** What changed between two interfaces, with the rules of docs/decisions/0021-interface-versions.md. */
export interface InterfaceChange {
  readonly differences: readonly WitDifference[];
  readonly impact: WitImpact;
  /** What is asked of the version after the first; `null` for any, and where it has none. */
  readonly neededStep: VersionStep | null;
  /** Whether the second version goes far enough; `null` where one has none, and where it goes back. */
  readonly fits: boolean | null;
}

/**
 * Reads the interface out of content. Throws `content/malformed`, `content/policy`, and `content/not-analysed` for a core module
 * that says nothing in WIT, and for what is unknown here.
 */
export function readInterface(bytes: Uint8Array): InterfaceReading {
  const { kind } = readWasm(bytes);
  if (kind !== 'module') return { kind, document: decodeWit(bytes) };
  const document = decodeEmbeddedWit(bytes);
  if (document !== null) return { kind, document };
  throw new RegistryError('content/not-analysed', 'a core module that says nothing in WIT');
}

/** The world of a component, and the one that a core module was made for; `null` for a WIT package, which may have many. */
export function ownWorld({ kind, document }: InterfaceReading): WitWorld | null {
  return kind === 'wit-package' ? null : ([...document.main.worlds.values()][0] ?? null);
}

/** `null` where a WIT package stands against something that runs: then nothing is to be compared. */
export function interfaceChange(before: VersionedInterface, after: VersionedInterface): InterfaceChange | null {
  const differences = differencesBetween(before.reading, after.reading);
  if (differences === null) return null;
  const impact = greatestImpact(differences.map((difference) => difference.impact));
  const [from, to] = [before.version, after.version];
  const isStep = from !== null && to !== null && compareVersions(from, to) <= 0;
  return {
    differences,
    impact,
    neededStep: from === null ? null : neededStep(impact, from),
    fits: isStep ? stepFits(impact, from, to) : null,
  };
}

function differencesBetween(before: InterfaceReading, after: InterfaceReading): readonly WitDifference[] | null {
  const [old, now] = [ownWorld(before), ownWorld(after)];
  if (old !== null && now !== null) return compareWorlds(old, now);
  return old === null && now === null ? compareWit(before.document, after.document) : null;
}

/**
 * The release that a new version is held against, of those that are not yanked: the newest stable one below it. A pre-release
 * promises nothing, and what is yanked is given to nobody.
 */
export function releaseBefore<R extends { readonly version: VersionText }>(
  standing: Iterable<R>,
  version: VersionText,
): R | null {
  let newest: R | null = null;
  for (const one of standing) {
    if (isPreRelease(one.version) || compareVersions(one.version, version) >= 0) continue;
    if (newest === null || compareVersions(one.version, newest.version) > 0) newest = one;
  }
  return newest;
}
