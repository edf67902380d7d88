import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { wasmOf } from '../../publisher.ts';
import { PushingCore, type PushingOptions } from './pushing-core.ts';

/* What is pushed to a package that has some of it already: spec/oci.md 4.6, 6.4. */

const LAYER = wasmOf('hello');

async function open(t: TestContext, options: PushingOptions = {}): Promise<PushingCore> {
  const core = await PushingCore.open(options);
  t.after(() => core.dispose());
  return core;
}

test('the second of two that push the same is answered once the record of the first is published, too', async (t) => {
  let isShut = false;
  let isReached = false;
  const core = await open(t, {
    wrapCommitter: (committer) => ({
      async commit(batch) {
        isReached = isShut;
        while (isShut) await immediate();
        return committer.commit(batch);
      },
    }),
  });
  const before = core.core.sequencer.length;
  isShut = true;
  const first = core.pushLayer(LAYER, '1.0.0');
  while (!isReached) await immediate();
  const again = core.pushLayer(LAYER, '1.0.0', { annotations: { note: 'again' } });
  const second = again.then(() => core.core.sequencer.length);
  setTimeout(() => (isShut = false), 100);
  assert.equal(await second, before + 1);
  await first;
});
