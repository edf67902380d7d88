import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  AnnotationBook,
  emptyLogState,
  formatPrivateKey,
  GOVERNANCE_LOG,
  governanceLogId,
  holderOf,
  localSigner,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parseNamespace,
  parsePackageName,
  privateKeyFromRandom,
  replayLog,
  sha256,
  signRecord,
  signRecordJointly,
  timestampFromMs,
  utf8,
  type ClaimedHead,
  type Envelope,
  type PackageName,
  type wargApi,
} from '@waybill/protocol';
import { placesToProve, type GovernedLogs, type ReplayedPackage } from '../src/governance-view.ts';

/* Which places are proven before a verdict is given (spec/verification.md 2.12). */

const ORIGIN = 'registry.test';
const TIME = timestampFromMs(1_700_000_000_000);
const NAMESPACE = parseNamespace('test');
const [TWIN, LATE] = [parsePackageName('test:twin'), parsePackageName('test:late')];
const KEY = privateKeyFromRandom(sha256(utf8('alice'))) ?? assert.fail();
const JOSE_KEY = parseJosePrivateKey(formatPrivateKey(KEY));

const init = await signRecord(
  PACKAGE_LOG,
  { prev: null, time: TIME, entries: [{ type: 'init', key: KEY.publicKey }] },
  KEY,
);
const next = await signRecord(
  PACKAGE_LOG,
  { prev: init.id, time: TIME, entries: [{ type: 'grant', key: KEY.publicKey, permissions: ['yank'] }] },
  KEY,
);

function at(registryIndex: number, envelope: Envelope): wargApi.PublishedRecord {
  return { registryIndex, envelope, fetchToken: '' };
}

async function packageOf(name: PackageName, ...records: wargApi.PublishedRecord[]): Promise<ReplayedPackage> {
  const envelopes = records.map(({ envelope }) => envelope);
  const state = await replayLog(PACKAGE_LOG, emptyLogState(null), envelopes);
  return { name, logId: packageLogId(name), state, annotations: new AnnotationBook(), records };
}

async function governedBy(...packages: readonly ReplayedPackage[]): Promise<GovernedLogs> {
  const home = { log: governanceLogId(NAMESPACE), origin: ORIGIN };
  const entries = [{ type: 'root', holder: holderOf([JOSE_KEY.publicKey], 1) }] as const;
  const began = await signRecordJointly(GOVERNANCE_LOG, { prev: null, time: TIME, entries, home }, [
    localSigner(JOSE_KEY),
  ]);
  const state = await replayLog(GOVERNANCE_LOG, emptyLogState(home), [began.envelope]);
  const governing = { logId: home.log, home, state, records: [at(1, began.envelope)] };
  const operator = await signRecord(
    OPERATOR_LOG,
    { prev: null, time: TIME, entries: [{ type: 'init', key: KEY.publicKey, origin: ORIGIN }] },
    KEY,
  );
  return { operator: [at(0, operator.envelope)], packages, governance: new Map([[NAMESPACE, governing]]) };
}

test('L4: a record of version 0 is proven in its own log, though its twin in another is proven at that index', async () => {
  const twin = await packageOf(TWIN, at(2, init.envelope));
  const twinHead: ClaimedHead = { logId: twin.logId, recordId: init.id, registryIndex: 2 };
  const heads = [twinHead, { logId: packageLogId(LATE), recordId: next.id, registryIndex: 7 }];
  for (const claimed of [2, 6]) {
    const late = await packageOf(LATE, at(claimed, init.envelope), at(7, next.envelope));
    const places = placesToProve(await governedBy(late, twin), heads);
    const firsts = places.filter(({ recordId }) => recordId === init.id);
    assert.deepEqual(firsts, [{ logId: late.logId, recordId: init.id, registryIndex: claimed }]);
    assert.ok(places.some(({ logId }) => logId === OPERATOR_LOG_ID));
  }
});
