import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { ACT_PERMISSIONS, ancestryOf, drawAct, drawPlot, drawRecord } from './history.ts';
import { MUTANTS } from './mutants.ts';
import { NaiveLog, RULES, type PlainState, type Rules } from './naive-model.ts';
import { HOME, KEY_IDS, RealLog } from './real-log.ts';

const HISTORIES = FULL ? 200_000 : 3_000;
/** Of each history; every grant is asked for each. */
const ACTS = FULL ? 2 : 4;
/** Histories within which every mutant must be told apart; they are fixed, so that chance has no part in it. */
const MUTANT_HISTORIES = 4_000;

/** What the records of all histories must have come to, or the run has proved little. */
const OUTCOMES = [
  'ok',
  'record/depth',
  'record/first-not-init',
  'record/grant-revoked',
  'record/grant-unknown',
  'record/init-again',
  'record/key-unknown',
  'record/log',
  'record/origin',
  'record/permission-not-held',
  'record/prev-mismatch',
  'record/prev-missing',
  'record/prev-on-first',
  'record/release-again',
  'record/restore-unyanked',
  'record/root-again',
  'record/root-missing',
  'record/time-backwards',
  'record/unauthorized',
  'record/unauthorized expired',
  'record/unauthorized holder',
  'record/unauthorized media-type',
  'record/unauthorized permission',
  'record/unauthorized revoked',
  'record/unauthorized size',
  'record/unauthorized version',
  'record/version',
  'record/version-backwards',
  'record/yank-again',
  'record/yank-unreleased',
];

interface Played {
  readonly real: RealLog;
  readonly naive: NaiveLog;
  readonly state: PlainState;
  readonly dice: Dice;
}

/** Plays the history of a seed to both; throws where they part. */
function play(seed: number, rules: Rules, seen: Map<string, number>): Played {
  const dice = new Dice(seed);
  const plot = drawPlot(dice);
  const naive = new NaiveLog(HOME.log, HOME.origin, rules);
  const real = new RealLog();
  let state = naive.state();
  for (let number = 0; number < plot.records; number++) {
    const head = naive.accepted.at(-1) ?? null;
    const isVersion1 = naive.accepted.some(({ format }) => format === 1);
    const record = drawRecord(dice, plot, { state, head, isVersion1 }, number);
    const verdict = naive.offer(record);
    assert.deepEqual(real.offer(record), verdict, `seed ${seed}, record ${JSON.stringify(record)}`);
    const outcome = verdict === null ? 'ok' : [verdict.code, verdict.reason ?? []].flat().join(' ');
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
    if (verdict === null) state = naive.state();
  }
  assert.deepEqual(ordered(real.state()), ordered(state), `seed ${seed}`);
  return { real, naive, state, dice };
}

/** What version 0 had given becomes grants in no order that the rules would tell. */
function ordered({ root, grants, releases }: PlainState): PlainState {
  return { root, grants: grants.toSorted((a, b) => (a.id < b.id ? -1 : 1)), releases };
}

/** Asks both the same of every grant, of the root and of a grant that does not exist. */
function interrogate(seed: number, { real, naive, state, dice }: Played): void {
  for (const under of ['', `${HOME.log}/7`, ...state.grants.map(({ id }) => id)]) {
    for (let i = 0; i < ACTS; i++) {
      const act = drawAct(dice, dice.of(ACT_PERMISSIONS));
      const signers = dice.oneIn(3) ? dice.sample(KEY_IDS, 3) : KEY_IDS;
      const asked = `seed ${seed}: ${JSON.stringify({ act, under, signers })}`;
      assert.deepEqual(real.may(act, under, signers), naive.may(act, under, signers), asked);
    }
  }
}

const seenOutcomes = new Map<string, number>();
let depthSeen = 0;

test(`T9: ${HISTORIES} histories are judged alike by two implementations of version 1, record by record`, () => {
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    const played = play(seed, RULES, seenOutcomes);
    interrogate(seed, played);
    for (const { depth } of played.state.grants) depthSeen = Math.max(depth, depthSeen);
  }
  for (const outcome of OUTCOMES) assert.ok(seenOutcomes.has(outcome), `in no history: ${outcome}`);
  assert.equal(depthSeen, 8);
});

test('T9: what may be done under a grant may be done under the one above it, with all keys', () => {
  let allowed = 0;
  for (let seed = SEED; seed < SEED + HISTORIES / 10; seed++) {
    const { real, state, dice } = play(seed, RULES, new Map());
    for (const { id, parent } of state.grants) {
      const act = drawAct(dice, dice.of(ACT_PERMISSIONS));
      if (real.may(act, id, KEY_IDS) !== null) continue;
      assert.equal(real.may(act, parent, KEY_IDS), null, `seed ${seed}: ${JSON.stringify({ act, id, parent })}`);
      allowed++;
    }
  }
  assert.ok(allowed > 0);
});

test('T9: below a revoked grant nothing may be done, whoever signs; what was done stays', () => {
  let revoked = 0;
  for (let seed = SEED; seed < SEED + HISTORIES / 10; seed++) {
    const { real, naive, state, dice } = play(seed, RULES, new Map());
    for (const grant of state.grants) {
      if (!ancestryOf(state, grant).some(({ isRevoked }) => isRevoked)) continue;
      for (const permission of ACT_PERMISSIONS) {
        const refusal = real.may(drawAct(dice, permission), grant.id, KEY_IDS);
        assert.notEqual(refusal, null, `seed ${seed}: ${permission} under ${grant.id}`);
      }
      revoked++;
    }
    const released = naive.accepted.flatMap(({ entries }) => entries.filter(({ is }) => is === 'release'));
    assert.equal(real.state().releases.length, released.length, `seed ${seed}`);
  }
  assert.ok(revoked > 0);
});

test('T9: a key without a path to the root can do nothing', () => {
  let denied = 0;
  for (let seed = SEED; seed < SEED + HISTORIES / 10; seed++) {
    const { real, state, dice } = play(seed, RULES, new Map());
    for (const key of KEY_IDS) {
      const live = state.grants.filter((grant) => ancestryOf(state, grant).every(({ isRevoked }) => !isRevoked));
      const hasPath = [state.root, ...live.map(({ holder }) => holder)].some((holder) => holder?.keys.includes(key));
      if (hasPath) continue;
      for (const under of ['', ...state.grants.map(({ id }) => id)]) {
        const act = drawAct(dice, dice.of(ACT_PERMISSIONS));
        assert.notEqual(real.may(act, under, [key]), null, `seed ${seed}: ${JSON.stringify({ act, under, key })}`);
        denied++;
      }
    }
  }
  assert.ok(denied > 0);
});

test('a seed decides everything', () => {
  assert.deepEqual(play(SEED, RULES, new Map()).naive.accepted, play(SEED, RULES, new Map()).naive.accepted);
});

for (const [title, rules] of Object.entries(MUTANTS)) {
  test(`the histories catch ${title}`, () => {
    for (let seed = 1; seed <= MUTANT_HISTORIES; seed++) {
      try {
        interrogate(seed, play(seed, rules, new Map()));
      } catch (thrown) {
        if (thrown instanceof assert.AssertionError) return;
        throw thrown;
      }
    }
    assert.fail(`not caught in ${MUTANT_HISTORIES} histories`);
  });
}
