import { isPreRelease, withoutBuild, type VersionText } from '../names/version.ts';

/**
 * Versions of one track take each other's place: `1` of 1.2.3, `0.2` of 0.2.6, `0.0.3` of itself. A pre-release is a track of its
 * own, for nothing is promised about it.
 */
export function trackOf(version: VersionText): string {
  const text = withoutBuild(version);
  if (isPreRelease(version)) return text;
  const [major = '0', minor = '0'] = text.split('.');
  if (major !== '0') return major;
  return minor === '0' ? text : `0.${minor}`;
}
