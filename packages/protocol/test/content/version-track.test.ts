import assert from 'node:assert/strict';
import { test } from 'node:test';
import { trackOf } from '../../src/content/version-track.ts';
import { versionTrack } from '../../src/content/wit/compare-versions.ts';
import { parseVersion } from '../../src/names/version.ts';

test('versions of one track take each other’s place, wherever that is asked', () => {
  const tracks = [
    ['1.2.3', '1'],
    ['10.0.0+b', '10'],
    ['0.2.6', '0.2'],
    ['0.0.3', '0.0.3'],
    ['0.0.0', '0.0.0'],
    ['0.0.3+a-b', '0.0.3'],
    ['1.0.0-rc.1', '1.0.0-rc.1'],
    ['1.0.0-rc.1+b', '1.0.0-rc.1'],
  ] as const;
  for (const [version, track] of tracks) {
    assert.equal(trackOf(parseVersion(version)), track);
    assert.equal(versionTrack(version), track);
  }
  assert.equal(versionTrack('1'), '1');
  assert.equal(versionTrack(null), '');
});
