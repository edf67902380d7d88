import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { createToken } from '@waybill/server';
import { runCommand } from './command.ts';
import { startDistribution, startOciWaybill, PLAIN, type OciServer } from './oci-registry.ts';
import { peerPath, peerTest } from './peers.ts';
import { openFolder } from './scene.ts';

/** By the version of the specification: what a complete registry passes at least, for random data moves the sum by a few. */
const VERSIONS = { '1.1': { passedMin: 860 }, dev: { passedMin: 986 } };

/** By who asks: how the server is started, and whether the suite has a token. */
const CALLERS = {
  'without credentials': { args: [], hasToken: false },
  'with Basic credentials': { args: ['--tokens', 'required', '--oci-login', 'basic'], hasToken: true },
  'with Bearer credentials': { args: ['--tokens', 'required'], hasToken: true },
};

const BROKEN_LINES_MAX = 100;

/** As it calls them; what is disabled in a version is not skipped. */
type Counts = Readonly<Record<'Disabled' | 'Skip' | 'Pass' | 'FAIL' | 'Error', number>>;

for (const [caller, { args, hasToken }] of Object.entries(CALLERS)) {
  peerTest(`OCI conformance, ${caller}`, ['oci-conformance'], async (t) => {
    const folder = openFolder(t);
    const server = await startOciWaybill(path.join(folder, 'data'), args);
    t.after(() => server.stop());
    const password = hasToken ? await suiteToken(server.data) : null;
    for (const [version, { passedMin }] of Object.entries(VERSIONS)) {
      const { counts, broken } = await runSuite(t, { folder, server, version, password });
      assert.equal(counts.Skip + counts.FAIL + counts.Error, 0, broken);
      assert.ok(counts.Pass >= passedMin, `${counts.Pass} of ${passedMin} in version ${version}`);
    }
  });
}

// Else a suite that finds nothing would not be told from a registry that has no faults.
peerTest('OCI conformance finds what distribution misses', ['oci-conformance', 'distribution'], async (t) => {
  const folder = openFolder(t);
  const server = await startDistribution(path.join(folder, 'data'));
  t.after(() => server.stop());
  const { counts } = await runSuite(t, { folder, server, version: '1.1', password: null });
  assert.ok(counts.FAIL >= 80 && counts.Skip >= 10 && counts.Pass >= 700, JSON.stringify(counts));
});

async function suiteToken(data: string): Promise<string> {
  const { text } = await createToken({
    data,
    account: 'suite',
    actions: ['publish', 'read'],
    namespaces: ['*'],
    lifetimeSeconds: 600,
  });
  return text;
}

interface SuiteRun {
  readonly folder: string;
  readonly server: OciServer;
  readonly version: string;
  readonly password: string | null;
}

interface SuiteOutcome {
  readonly counts: Counts;
  /** What did not pass, and why. */
  readonly broken: string;
}

/** Counts from what it prints, which must agree with its report: it exits with 0 also when it could not run, or skipped. */
async function runSuite(t: TestContext, { folder, server, version, password }: SuiteRun): Promise<SuiteOutcome> {
  const results = path.join(folder, `results-${version}`);
  mkdirSync(results);
  const env = {
    OCI_REGISTRY: server.host,
    OCI_TLS: 'disabled',
    OCI_VERSION: version,
    OCI_RESULTS_DIR: results,
    OCI_LOG: 'error',
    // Of its own for each version: the second must not find what the first has left.
    OCI_REPO1: `${PLAIN}/v${version}/first`,
    OCI_REPO2: `${PLAIN}/v${version}/second`,
    ...(password === null ? {} : { OCI_USERNAME: 'suite', OCI_PASSWORD: password }),
  };
  const { code, stdout, stderr } = await runCommand(peerPath('oci-conformance'), [], { home: folder, env });
  const counts = countsOf(stdout);
  const report = readFileSync(path.join(results, 'junit.xml'), 'utf8');
  assert.deepEqual(reportedCounts(report), counts);
  const [tree = ''] = stdout.split('\nConfiguration:');
  const broken = tree.split('\n').filter((line) => /: (?:FAIL|Error|Skip)$|^ +- /.test(line));
  const { Pass, FAIL, Skip } = counts;
  t.diagnostic(`version ${version}: ${Pass} passed, ${FAIL} failed, ${Skip} skipped, exit code ${code}`);
  return { counts, broken: [...broken.slice(0, BROKEN_LINES_MAX), stderr].join('\n') };
}

function countsOf(text: string): Counts {
  const of = (state: string): number => {
    const found = new RegExp(`^ {2}${state}\\.+: +([0-9]+)$`, 'm').exec(text)?.[1];
    return found === undefined ? assert.fail(`no count of ${state} in: ${text.slice(-2_000)}`) : Number(found);
  };
  return { Disabled: of('Disabled'), Skip: of('Skip'), Pass: of('Pass'), FAIL: of('FAIL'), Error: of('Error') };
}

/** Of the attributes of its first element; one of zero is left out. */
function reportedCounts(xml: string): Counts {
  const suites = /<testsuites [^>]*>/.exec(xml)?.[0] ?? assert.fail('the report has another form');
  const of = (name: string): number => Number(new RegExp(` ${name}="([0-9]+)"`).exec(suites)?.[1] ?? 0);
  const others = { Disabled: of('disabled'), Skip: of('skipped'), FAIL: of('failures'), Error: of('errors') };
  const sum = others.Disabled + others.Skip + others.FAIL + others.Error;
  return { ...others, Pass: of('tests') - sum };
}
