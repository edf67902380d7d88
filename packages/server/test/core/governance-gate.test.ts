import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  digestOf,
  emptyLogState,
  formatPrivateKey,
  GOVERNANCE_LOG,
  isRegistryError,
  localSigner,
  namespaceLogId,
  OPERATOR_LOG,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parseNamespace,
  parsePackageName,
  parseVersion,
  REGISTRY_LOG_ID,
  RegistryError,
  signRecord,
  signRecordJointly,
  timestampFromMs,
  utf8,
  type ErrorCode,
  type GovernanceEntry,
  type LogId,
  type OperatorEntry,
  type PackageEntry,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Committer } from '../../src/core/committing.ts';
import { GovernanceDesk } from '../../src/core/governance-desk.ts';
import { LogStates } from '../../src/core/log-states.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { Sequencer, type Submission } from '../../src/core/sequencer.ts';
import { openStateCaches } from '../../src/core/state-caches.ts';
import { MemoryLastSigned } from '../../src/storage/memory/memory-last-signed.ts';
import { emptyMemoryState, MemoryStore } from '../../src/storage/memory/memory-store.ts';
import { holderOfKeys, listing, OPEN_POLICY } from '../governance.ts';
import { testHomeOf } from '../home.ts';
import { keyOf } from '../publisher.ts';
import { testLogSigners } from './log-signers.ts';
import { openCore, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* The order of records decides, whatever stands in one batch: spec/governance.md 6.1. */

const OPERATOR = parseJosePrivateKey(formatPrivateKey(keyOf('operator')));
const NAMESPACE = parseNamespace('test');
const NAMESPACE_LOG = namespaceLogId(NAMESPACE);
const ROOT: GovernanceEntry = { type: 'root', holder: holderOfKeys([OPERATOR]) };

const failsWith =
  (code: ErrorCode) =>
  (thrown: unknown): boolean =>
    isRegistryError(thrown, code);

function governing(entries: readonly GovernanceEntry[], prev: RecordId | null = null, logId: LogId = NAMESPACE_LOG) {
  const draft = { prev, time: timestampFromMs(STARTED_MS), entries, home: testHomeOf(logId) };
  return signRecordJointly(GOVERNANCE_LOG, draft, [localSigner(OPERATOR)]);
}

const submission = (record: SignedRecord<GovernanceEntry>, logId: LogId = NAMESPACE_LOG): Submission => {
  return { kind: 'governance', record, logId, namespace: logId === NAMESPACE_LOG ? NAMESPACE : null };
};

/** The first record of a package of its own, by a key of the same name. */
async function firstRecord(word: string, ...more: readonly PackageEntry[]): Promise<Submission> {
  const name = parsePackageName(`test:${word}`);
  const key = keyOf(word);
  const entries: PackageEntry[] = [{ type: 'init', key: key.publicKey }, ...more];
  const draft = { prev: null, time: timestampFromMs(STARTED_MS), entries };
  return { kind: 'package', name, logId: packageLogId(name), record: await signRecord(PACKAGE_LOG, draft, key) };
}

/** Whether each was taken, in order. */
async function outcomes(core: RegistryCore, submissions: readonly Submission[]): Promise<string[]> {
  const settled = await Promise.allSettled(submissions.map((one) => core.sequencer.sequence(one)));
  return settled.map((one) =>
    one.status === 'fulfilled' ? 'taken' : isRegistryError(one.reason) ? one.reason.code : 'fatal',
  );
}

test('in one batch a package is judged by the governance records before it, and not by those after', async () => {
  const core = await openCore();
  try {
    const [begin, close] = [await governing([ROOT]), await governing([ROOT, listing('alice')])];
    const open = await governing([OPEN_POLICY], close.id);
    const batch = [
      await firstRecord('early'),
      submission(close),
      await firstRecord('late'),
      await firstRecord('alice'),
    ];
    const [opens, last] = [submission(open), await firstRecord('last')];
    // The first record of a batch is sequenced alone: the others gather meanwhile.
    const head = core.sequencer.sequence(await firstRecord('alone'));
    assert.deepEqual(await outcomes(core, [...batch, opens, last, submission(begin)]), [
      'taken',
      'taken',
      'governance/unrooted',
      'taken',
      'taken',
      'taken',
      'record/prev-missing',
    ]);
    await head;
  } finally {
    await core.dispose();
  }
});

test('a policy that did not become durable binds nobody', async () => {
  let full = false;
  const wrapCommitter = (committer: Committer): Committer => ({
    commit: async (batch) => {
      if (full) throw new RegistryError('storage/full', 'there is no room');
      return committer.commit(batch);
    },
  });
  const core = await openCore({ wrapCommitter });
  try {
    const close = submission(await governing([ROOT, listing('alice')]));
    full = true;
    assert.deepEqual(await outcomes(core, [close, await firstRecord('bob')]), ['storage/full', 'storage/full']);
    full = false;
    assert.deepEqual(await outcomes(core, [await firstRecord('bob'), close]), ['taken', 'taken']);
    assert.deepEqual(await outcomes(core, [await firstRecord('carol')]), ['governance/unrooted']);
  } finally {
    await core.dispose();
  }
});

test('no governance log begins in a namespace whose definition did not become durable', async () => {
  const namespace = parseNamespace('late');
  const logId = namespaceLogId(namespace);
  let failing: (() => void) | null = null;
  const wrapCommitter = (committer: Committer): Committer => ({
    commit: async (batch) => {
      if (failing === null) return committer.commit(batch);
      await new Promise<void>((resolve) => {
        failing = resolve;
      });
      failing = null;
      throw new RegistryError('storage/full', 'there is no room');
    },
  });
  const core = await openCore({ wrapCommitter });
  try {
    const first = [...core.state.records.values()].at(-1) ?? assert.fail();
    const draft = { prev: first.recordId, time: timestampFromMs(STARTED_MS) };
    const entries: OperatorEntry[] = [{ type: 'defineNamespace', namespace }];
    const define = await signRecord(OPERATOR_LOG, { ...draft, entries }, keyOf('operator'));
    const begin = await governing([ROOT], null, logId);
    failing = () => undefined;
    const defining = outcomes(core, [{ kind: 'operator', record: define }]);
    // It was let in while the definition stood in a batch, and waits for its turn.
    const waiting = outcomes(core, [{ kind: 'governance', record: begin, logId, namespace }]);
    for (let i = 0; i < 20; i++) await immediate();
    failing();
    assert.deepEqual(await defining, ['storage/full']);
    assert.deepEqual(await waiting, ['namespace/undefined']);
  } finally {
    await core.dispose();
  }
});

test('who may begin a log is judged once more when its turn comes', async () => {
  const core = await openCore();
  try {
    const record = await governing([ROOT]);
    const revoke: OperatorEntry = { type: 'revoke', keyId: OPERATOR.publicKey.id, permissions: ['defineNamespace'] };
    const first = [...core.state.records.values()].at(-1) ?? assert.fail();
    const draft = { prev: first.recordId, time: timestampFromMs(STARTED_MS), entries: [revoke] };
    const revoked = await signRecord(OPERATOR_LOG, draft, keyOf('operator'));
    assert.deepEqual(await outcomes(core, [{ kind: 'operator', record: revoked }, submission(record)]), [
      'taken',
      'governance/starter',
    ]);
  } finally {
    await core.dispose();
  }
});

test('where the operator log has no profile there are no governance logs', async () => {
  const store = new MemoryStore(emptyMemoryState());
  const clock = (): number => STARTED_MS;
  const signer = new CheckpointSigner(keyOf('operator'), clock);
  const committer = await TreeCommitter.open({
    store,
    signer,
    logSigners: testLogSigners,
    lastSigned: new MemoryLastSigned(),
  });
  const states = openStateCaches(store, testHomeOf);
  const onFatal = (failure: unknown): void => {
    throw failure;
  };
  const sequencer = new Sequencer({ committer, states, clock, observer: silentObserver, onFatal }, null);
  const key = keyOf('operator');
  const entries = [
    { type: 'init', key: key.publicKey },
    { type: 'defineNamespace', namespace: 'test' },
  ] as const;
  const init = await signRecord(OPERATOR_LOG, { prev: null, time: timestampFromMs(STARTED_MS), entries }, key);
  await sequencer.sequence({ kind: 'operator', record: init });
  const desk = new GovernanceDesk({ store, states, sequencer, clock });
  const { envelope } = await governing([ROOT]);
  await assert.rejects(desk.append(parseNamespace('test'), envelope), failsWith('request/unsupported'));
});

test('a cache of governance logs that is full keeps that of the registry and those that are ahead of the store', async () => {
  const store = new MemoryStore(emptyMemoryState());
  const states = new LogStates({
    dialect: GOVERNANCE_LOG,
    homeOf: testHomeOf,
    store,
    itemsMax: 2,
    pinned: REGISTRY_LOG_ID,
  });
  const logs = ['one', 'two', 'three'].map((word) => namespaceLogId(parseNamespace(word)));
  const [ahead = assert.fail()] = logs;
  await states.load(REGISTRY_LOG_ID);
  states.putAhead(ahead, emptyLogState(testHomeOf(ahead)));
  for (const log of logs) await states.load(log);
  assert.deepEqual(
    [REGISTRY_LOG_ID, ...logs].map((log) => states.cached(log) !== null),
    [true, true, false, true],
  );
});

test('takedowns bind what is sequenced after them', async () => {
  const core = await openCore();
  try {
    const digest = digestOf(utf8('content'));
    const down = await governing([ROOT, { type: 'takedown', digest, code: 'malware' }], null, REGISTRY_LOG_ID);
    const up = await governing([{ type: 'reinstate', digest }], down.id, REGISTRY_LOG_ID);
    const release: PackageEntry = { type: 'release', version: parseVersion('1.0.0'), content: digest };
    const [before, between, after] = await Promise.all(['a', 'b', 'c'].map((word) => firstRecord(word, release)));
    const [takes, gives] = [submission(down, REGISTRY_LOG_ID), submission(up, REGISTRY_LOG_ID)];
    const all = [before, takes, between, gives, after].filter((one) => one !== undefined);
    const expected = ['taken', 'taken', 'content/taken-down', 'taken', 'taken'];
    assert.deepEqual(await outcomes(core, [await firstRecord('alone'), ...all]), ['taken', ...expected]);
  } finally {
    await core.dispose();
  }
});
