import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findChromium } from '@waybill/tools/chromium';
import { inChromium, PLATFORMS } from '../jose/browser-build.ts';
import { expectedOf, readCases, signCase } from './record-case.ts';
import { verdictOf } from './verdict.ts';

const KINDS = ['authority', 'encoding', 'envelope', 'log'] as const;

for (const kind of KINDS) {
  for (const [platform, protocol] of PLATFORMS) {
    test(`vectors: version1/${kind} (${platform})`, async () => {
      for (const one of readCases(kind)) {
        assert.equal(
          await verdictOf(protocol, await signCase(one.records)),
          expectedOf(one),
          `${one.clause}: ${one.name}`,
        );
      }
    });
  }

  test(`vectors: version1/${kind}: at least as many cases are invalid as are valid, and each is another`, () => {
    const cases = readCases(kind);
    const valid = cases.filter(({ expect }) => expect === 'ok').length;
    assert.ok(valid > 0 && valid <= cases.length - valid, `${valid} of ${cases.length}`);
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
  });
}

const chromium = findChromium();
const isMissing = chromium === null && !process.env['CI'];

test('vectors: version1 in Chromium', { skip: isMissing && 'there is no Chromium here' }, async () => {
  const executable = chromium ?? assert.fail('where everything is to be tested, a Chromium must be on the PATH');
  await inChromium(executable, async (page) => {
    for (const kind of KINDS) {
      const cases = readCases(kind);
      const vectors = await Promise.all(cases.map(({ records }) => signCase(records)));
      const [outcomes] = await page.outcomes([{ kind: 'version1', vectors }]);
      for (const [i, one] of cases.entries())
        assert.equal(outcomes?.[i], expectedOf(one), `${one.clause}: ${one.name}`);
    }
  });
});

test('every rule of version 1 is provoked by a vector', () => {
  const provoked = new Set(KINDS.flatMap(readCases).map(({ expect, reason = '' }) => `${expect} ${reason}`.trim()));
  const rules = [
    'decode',
    'depth',
    'grant-revoked',
    'grant-unknown',
    'key-unknown',
    'log',
    'origin',
    'prev-mismatch',
    'prev-missing',
    'prev-on-first',
    'release-again',
    'restore-unyanked',
    'root-again',
    'root-missing',
    'signature',
    'signers',
    'time-backwards',
    ...['expired', 'holder', 'media-type', 'permission', 'revoked', 'size', 'version'].map(
      (why) => `unauthorized ${why}`,
    ),
    'version',
    'version-backwards',
    'yank-again',
    'yank-unreleased',
  ];
  for (const rule of rules) assert.ok(provoked.has(`record/${rule}`), rule);
});
