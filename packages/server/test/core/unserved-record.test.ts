import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRegistryError,
  OPERATOR_LOG,
  parseNamespace,
  signRecord,
  timestampFromMs,
  type Envelope,
} from '@waybill/protocol';
import type { Committer } from '../../src/core/committing.ts';
import { keyOf } from '../publisher.ts';
import { openCore, STARTED_MS, type RegistryCore } from './registry-core.ts';

/* A record can be durable before the head that covers it is served. Until then it is not published. */

/** Each call signs anew: the same record in other bytes, as twins of a signature make it. */
async function nextRecord({ sequencer, store }: RegistryCore): Promise<Envelope> {
  const [head] = await store.readRecords(sequencer.length - 1, 1);
  const draft = {
    prev: head?.recordId ?? null,
    time: timestampFromMs(STARTED_MS),
    entries: [{ type: 'defineNamespace', namespace: parseNamespace('later') }] as const,
  };
  return (await signRecord(OPERATOR_LOG, draft, keyOf('operator'))).envelope;
}

/** Commits, and tells only when it may. */
function slowToTell(): { wrap: (committer: Committer) => Committer; committed: Promise<void>; tell: () => void } {
  let [markCommitted, tell] = [(): void => undefined, (): void => undefined];
  const committed = new Promise<void>((resolve) => (markCommitted = resolve));
  const told = new Promise<void>((resolve) => (tell = resolve));
  let isFirst = true;
  const wrap = (committer: Committer): Committer => ({
    async commit(batch) {
      const outcome = await committer.commit(batch);
      if (isFirst) isFirst = false;
      else {
        markCommitted();
        await told;
      }
      return outcome;
    },
  });
  return { wrap, committed, tell: () => tell() };
}

test('L3: a record under a commit that has not ended is answered when it is served', async () => {
  const { wrap, committed, tell } = slowToTell();
  const core = await openCore({ wrapCommitter: wrap });
  try {
    const [first, again] = [await nextRecord(core), await nextRecord(core)];
    assert.notEqual(first.signature, again.signature);
    const appended = core.desk.append(first);
    await committed;
    let answered = false;
    const repeated = core.desk.append(again).finally(() => (answered = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(answered, false);
    tell();
    assert.deepEqual(await repeated, await appended);
  } finally {
    await core.dispose();
  }
});

test('L3: a record that another process has stored is not called published under a head without it', async () => {
  const core = await openCore();
  const other = await openCore({ state: core.state, lastSigned: core.lastSigned });
  try {
    const envelope = await nextRecord(core);
    await other.desk.append(envelope);
    await assert.rejects(core.desk.append(envelope), (thrown) => isRegistryError(thrown, 'storage/busy'));
  } finally {
    await core.dispose();
    await other.dispose();
  }
});
