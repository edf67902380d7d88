import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { FULL } from '@waybill/tools/test-scale';
import { filesOf, leftIn } from './folder-states.ts';
import {
  inLanes,
  LANES,
  Moments,
  openKillStage,
  stateOf,
  timed,
  VERSIONS,
  type KillStage,
  type Version,
} from './kill-stage.ts';
import { killedRun } from './killed-commands.ts';
import { openUser } from './registry.ts';

const KILLS = (FULL ? 100 : 2) / LANES;

let stage: KillStage;

before(async () => {
  stage = await openKillStage();
});
after(() => stage.dispose());

/** Kills gets of one user's, each of which is to replace the tree of the one before; counts what was left. */
async function killGets(lane: number, seen: { old: number; new: number }): Promise<void> {
  const { author, at } = stage;
  const user = await openUser();
  try {
    const get = (version: Version): string[] => ['get', `test:site@${version}`, '-o', 'site', '--force', ...at];
    await user.spawn(...get('1.0.0'));
    const moments = new Moments(lane, [user.home], await timed(() => user.spawn(...get('2.0.0'))));
    for (let i = 0; i < KILLS; i++) {
      const [to, from] = i % 2 === 0 ? VERSIONS : [VERSIONS[1], VERSIONS[0]];
      const next = await filesOf(author.file(`site-${to}`));
      // Now and then all is fetched anew, so that kills fall into that, too.
      if (i % 4 === 3) await rm(user.file('.cache/waybill/content'), { recursive: true });
      await killedRun(user, get(to), moments.draw());
      seen[await stateOf(user.file('site'), await filesOf(author.file(`site-${from}`)), next)]++;
      const again = await user.spawn(...get(to));
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(await filesOf(user.file('site')), next);
      assert.deepEqual(await leftIn(user.home), []);
    }
  } finally {
    await user.dispose();
  }
}

test('a get of a tree that is killed leaves the old tree or the new one; the next one leaves nothing else', async () => {
  const seen = { old: 0, new: 0 };
  await inLanes((lane) => killGets(lane, seen));
  if (FULL) assert.ok(seen.old > 0 && seen.new > 0, JSON.stringify(seen));
});
