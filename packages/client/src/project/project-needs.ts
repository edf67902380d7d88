import { needText, type PackageNeed, type ReleaseId } from '../resolve/package-source.ts';
import type { Manifest } from './manifest.ts';
import { WKG_MANIFEST_FILE, type WkgOverride } from './wkg-files.ts';

/** What the files of a project say. */
export interface ProjectWishes {
  readonly manifest: Manifest;
  readonly overrides: readonly WkgOverride[];
}

/** What a project asks the registry for. */
export function projectNeeds({ manifest, overrides }: ProjectWishes): PackageNeed[] {
  const needs = manifest.dependencies.map(({ name, version }) => ({ name, range: version, mayBeHosts: false }));
  return overriddenNeeds(needs, overrides);
}

/** Needs as a project sees them: what lies in it is asked of nobody, and its own ranges take the place of others. */
export function overriddenNeeds(needs: readonly PackageNeed[], overrides: readonly WkgOverride[]): PackageNeed[] {
  const byName = new Map(overrides.map((override) => [override.name, override]));
  return needs.flatMap((need) => {
    const override = byName.get(need.name);
    if (override === undefined) return [need];
    if (override.path !== null) return [];
    return [override.range === null ? need : { ...need, range: override.range }];
  });
}

/** What a release in a project needs of others. Whatever it says, it does not need itself. */
export function needsOf(
  { name }: ReleaseId,
  { needs }: { readonly needs: readonly PackageNeed[] },
  overrides: readonly WkgOverride[],
): PackageNeed[] {
  return overriddenNeeds(
    needs.filter((need) => need.name !== name),
    overrides,
  );
}

/** The same as text, for a lock: a project that asks for something else has outgrown it. */
export function askedFor(wishes: ProjectWishes): string[] {
  const overrides = wishes.overrides.map(({ name, range, path }) =>
    `${WKG_MANIFEST_FILE}: ${name} ${path === null ? (range ?? '') : `in ${path}`}`.trim(),
  );
  return [...new Set([...projectNeeds(wishes).map(needText), ...overrides])].toSorted();
}
