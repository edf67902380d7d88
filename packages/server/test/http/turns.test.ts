import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { Turns } from '../../src/http/turns.ts';

test('W15: a burst of publishes is spread over turns of the event loop, in its order', async () => {
  const turns = new Turns();
  const done: number[] = [];
  for (let i = 0; i < 1_000; i++) turns.run(() => done.push(i));
  assert.ok(done.length > 0 && done.length < 100, `${done.length}`);
  let others = 0;
  while (done.length < 1_000) {
    const before = done.length;
    await immediate();
    others++;
    assert.ok(done.length - before < 100);
  }
  assert.ok(others >= 10, `${others}`);
  assert.deepEqual(
    done,
    done.toSorted((a, b) => a - b),
  );
  // A later step does not wait for a burst that is over.
  await immediate();
  await turns.next();
});
