import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { findChromium } from '@waybill/tools/chromium';
import { inChromium, PLATFORMS } from '../jose/browser-build.ts';
import { expectedOf, signCase, type LogCase, type RecordCase } from '../version1/record-case.ts';
import { verdictOf } from '../version1/verdict.ts';
import { startVerdictOf, type StartCase } from './operator-case.ts';
import { rootednessVerdictOf, type RootednessCase } from './rootedness-verdict.ts';

const VECTORS = new URL('../../../../../vectors/governance/', import.meta.url);

interface GovernanceCase extends LogCase {
  /** `registry`, or the namespace `test`. */
  readonly log?: string;
}

/** What is left out is a log that is not there. */
interface PackageCase {
  readonly name: string;
  readonly clause: string;
  readonly namespace?: readonly RecordCase[];
  readonly registry?: readonly RecordCase[];
  readonly package: readonly RecordCase[];
  readonly expect: string;
}

function readVectors(kind: string): unknown {
  return JSON.parse(readFileSync(new URL(`${kind}.json`, VECTORS), 'utf8'));
}

const LOGS = readVectors('log') as readonly GovernanceCase[];
const PACKAGES = readVectors('rootedness') as readonly PackageCase[];
const STARTS = readVectors('start') as readonly StartCase[];

function signLog({ log = 'test', records }: GovernanceCase) {
  return signCase(records, log);
}

async function signLogs(one: PackageCase): Promise<RootednessCase> {
  return {
    namespace: one.namespace === undefined ? null : await signCase(one.namespace, 'test'),
    registry: one.registry === undefined ? null : await signCase(one.registry, 'registry'),
    package: await signCase(one.package),
  };
}

for (const [platform, protocol] of PLATFORMS) {
  test(`vectors: governance/log (${platform})`, async () => {
    for (const one of LOGS) {
      assert.equal(await verdictOf(protocol, await signLog(one)), expectedOf(one), `${one.clause}: ${one.name}`);
    }
  });

  test(`P2: vectors: governance/rootedness (${platform})`, async () => {
    for (const one of PACKAGES) {
      const verdict = await rootednessVerdictOf(protocol, await signLogs(one));
      assert.equal(verdict, one.expect, `${one.clause}: ${one.name}`);
    }
  });

  test(`vectors: governance/start (${platform})`, async () => {
    for (const one of STARTS) {
      assert.equal(await startVerdictOf(protocol, one), one.expect, `${one.clause}: ${one.name}`);
    }
  });
}

for (const [kind, cases] of Object.entries({ log: LOGS, rootedness: PACKAGES, start: STARTS })) {
  test(`vectors: governance/${kind}: twice as many cases are invalid as are valid, and each is another`, () => {
    const valid = cases.filter(({ expect }) => expect === 'ok').length;
    assert.ok(valid > 0 && valid * 2 <= cases.length - valid, `${valid} of ${cases.length}`);
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
  });
}

const chromium = findChromium();
const isMissing = chromium === null && !process.env['CI'];

test('vectors: governance in Chromium', { skip: isMissing && 'there is no Chromium here' }, async () => {
  const executable = chromium ?? assert.fail('where everything is to be tested, a Chromium must be on the PATH');
  const logs = await Promise.all(LOGS.map(signLog));
  const packages = await Promise.all(PACKAGES.map(signLogs));
  await inChromium(executable, async (page) => {
    const [ofLogs, ofPackages] = await page.outcomes([
      { kind: 'version1', vectors: logs },
      { kind: 'rootedness', vectors: packages },
    ]);
    for (const [i, one] of LOGS.entries()) assert.equal(ofLogs?.[i], expectedOf(one), `${one.clause}: ${one.name}`);
    for (const [i, one] of PACKAGES.entries()) assert.equal(ofPackages?.[i], one.expect, `${one.clause}: ${one.name}`);
  });
});

test('every rule of governance logs is provoked by a vector', () => {
  const provoked = new Set([...LOGS, ...STARTS].map(({ expect }) => expect));
  const codes = ['abandon-again', 'abandon-registry', 'reinstate-standing', 'takedown-again', 'version'];
  for (const code of codes) assert.ok(provoked.has(`record/${code}`), code);
  assert.ok(provoked.has('governance/starter'));
});
