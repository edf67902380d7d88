import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRegistryError } from '../../src/errors.ts';
import { parseVersion } from '../../src/names/version.ts';
import { grant, logOfVersion1, type AnnotatedLog } from '../annotations/annotated-log.ts';

test('version1 2.5: a version of a predicate has at most 256 characters, for each act reads it again', () => {
  const add = (log: AnnotatedLog, build: number): unknown =>
    log.add({
      version: 1,
      signers: ['alice'],
      entries: [grant('bob', ['release'], { versionMin: parseVersion(`1.0.0+${'a'.repeat(build)}`) })],
    });
  const { log } = logOfVersion1();
  add(log, 250);
  assert.throws(
    () => add(log, 251),
    (thrown) => isRegistryError(thrown, 'record/decode'),
  );
});
