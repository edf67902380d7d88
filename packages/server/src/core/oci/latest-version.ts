import { compareVersions, isPreRelease, type VersionText } from '@waybill/protocol';

/** Which of the versions `latest` stands for (spec/oci.md 4): the newest that is no pre-release, else the newest; `null` of none. */
export function latestVersion(versions: Iterable<VersionText>): VersionText | null {
  const newestFirst = [...versions].toSorted((a, b) => compareVersions(b, a));
  return newestFirst.find((version) => !isPreRelease(version)) ?? newestFirst[0] ?? null;
}
