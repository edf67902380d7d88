import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CHECKPOINT_AGE_SECONDS_MAX,
  RegistryApi,
  RegistryClient,
  Transport,
  TRANSPORT_LIMITS,
  type RegistryClientParts,
} from '@waybill/client';
import { openLogFiles, openTrustFiles } from '@waybill/client/node';
import { CHECKPOINT_AHEAD_SECONDS_MAX, isRegistryError } from '@waybill/protocol';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';

const EXIT_STALE = 66;
const EXIT_USAGE = 64;
const HOUR_MS = 3_600_000;
/** A second for the rounding of a checkpoint's time. */
const ROUNDING_MS = 2_000;
/** How long a checkpoint may be under way on a machine that has much else to do. */
const SLOWNESS_MS = 60_000;

let registry: TestRegistry;
let user: TestUser;
let folder: string;

before(async () => {
  registry = await openRegistry();
  user = await openUser();
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-fresh-'));
});

after(async () => {
  await registry.dispose();
  await user.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** A client whose clock is `aheadMs` ahead of the registry's. */
function clientAhead(aheadMs: number, options: Partial<RegistryClientParts> = {}): RegistryClient {
  return new RegistryClient({
    api: new RegistryApi(new Transport(registry.url, fetch, {}, TRANSPORT_LIMITS)),
    trust: openTrustFiles(path.join(folder, 'trust')),
    logs: openLogFiles(path.join(folder, 'logs')),
    expectedOperator: null,
    confirmOperator: async () => true,
    clock: () => Date.now() + aheadMs,
    checkpointAgeSecondsMax: CHECKPOINT_AGE_SECONDS_MAX,
    ...options,
  });
}

function isStale(thrown: unknown): boolean {
  return isRegistryError(thrown, 'checkpoint/stale');
}

test('a registry that has stood still for longer than a day is refused (threats T3)', async () => {
  await assert.rejects(clientAhead(CHECKPOINT_AGE_SECONDS_MAX * 1000 + ROUNDING_MS).view([]), isStale);
  await clientAhead(CHECKPOINT_AGE_SECONDS_MAX * 1000 - HOUR_MS).view([]);
});

test('ten minutes are enough where somebody says so, and an archive may be of any age (threats T3)', async () => {
  await assert.rejects(clientAhead(HOUR_MS, { checkpointAgeSecondsMax: 600 }).view([]), isStale);
  await clientAhead(1_000 * HOUR_MS, { checkpointAgeSecondsMax: Infinity }).view([]);
});

test('clocks that are an hour apart do no harm; a checkpoint from further ahead is refused (threats T3)', async () => {
  for (const apart of [-HOUR_MS + ROUNDING_MS, HOUR_MS]) await clientAhead(apart).view([]);
  await assert.rejects(clientAhead(-CHECKPOINT_AHEAD_SECONDS_MAX * 1000 - SLOWNESS_MS).view([]), isStale);
});

test('the command line has an exit code for it, and says how to accept an old one (threats T3)', async () => {
  await new Promise((resolve) => setTimeout(resolve, ROUNDING_MS));
  const stale = await user.run('head', '--registry', registry.url.href, '--max-age', '1s', '--json');
  assert.equal(stale.code, EXIT_STALE);
  assert.equal((await user.run('head', '--registry', registry.url.href, '--max-age', 'any')).code, 0);
  const wrong = await user.run('head', '--registry', registry.url.href, '--max-age', 'soon', '--json');
  assert.equal(wrong.code, EXIT_USAGE);
});
