import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { utf8 } from '../../src/bytes/byte-array.ts';
import { sha256 } from '../../src/crypto/hash.ts';
import { isRegistryError } from '../../src/errors.ts';
import { parseJosePublicKey, type JosePublicKey } from '../../src/jose/public-key.ts';
import { digestOf, type Digest } from '../../src/names/digest.ts';
import { privateKeyFromRandom } from '../../src/names/key.ts';
import { namespaceLogId } from '../../src/names/log-id.ts';
import { parseNamespace } from '../../src/names/package-name.ts';
import { holderOf } from '../../src/record-log/authority/holder.ts';
import {
  abandonmentOf,
  GOVERNANCE_LOG,
  policyOf,
  takedownOf,
  takedownsOf,
  type GovernanceEntry,
  type GovernanceState,
} from '../../src/record-log/governance-log.ts';
import { emptyLogState } from '../../src/record-log/log-state.ts';
import { judgeRecord } from '../../src/record-log/machine.ts';
import { decodeSignedRecord, encodeRecordContents, type SignedRecord } from '../../src/record-log/signed-record.ts';

const HISTORIES = FULL ? 20_000 : 400;
const RECORDS = 12;
const HOME = { log: namespaceLogId(parseNamespace('test')), origin: 'registry.example' };
const KEYS: readonly JosePublicKey[] = ['a', 'b', 'c', 'd'].map((name) =>
  parseJosePublicKey((privateKeyFromRandom(sha256(utf8(name))) ?? assert.fail()).publicKey.text),
);
const DIGESTS: readonly Digest[] = ['x', 'y', 'z'].map((text) => digestOf(utf8(text)));
/** Decoded and not verified here. */
const SIGNATURE = 'jws:e30..AA';

/** The rules again, as plainly as they can be said. */
class PlainLog {
  root: { readonly ids: readonly string[]; readonly threshold: number } | null = null;
  down = new Set<string>();
  isAbandoned = false;
  gateway: string | null = null;

  /** The code of the first rule that an entry breaks. */
  add(entry: GovernanceEntry, signers: readonly string[]): string | null {
    if (this.root !== null && !acts(this.root, signers)) return 'record/unauthorized';
    switch (entry.type) {
      case 'root':
      case 'transfer': {
        const holder = { ids: entry.holder.keys.map(({ id }) => id), threshold: entry.holder.threshold };
        if (!acts(holder, signers)) return 'record/unauthorized';
        this.root = holder;
        return null;
      }
      case 'policy':
        this.gateway = entry.gateway;
        return null;
      case 'takedown':
        if (this.down.has(entry.digest)) return 'record/takedown-again';
        this.down.add(entry.digest);
        return null;
      case 'reinstate':
        return this.down.delete(entry.digest) ? null : 'record/reinstate-standing';
      case 'abandon':
        if (this.isAbandoned) return 'record/abandon-again';
        this.isAbandoned = true;
        return null;
    }
  }

  copy(): PlainLog {
    const { root, down, isAbandoned, gateway } = this;
    return Object.assign(new PlainLog(), { root, down: new Set(down), isAbandoned, gateway });
  }
}

function acts(holder: { readonly ids: readonly string[]; readonly threshold: number }, signers: readonly string[]) {
  return holder.ids.filter((id) => signers.includes(id)).length >= holder.threshold;
}

function drawHolder(dice: Dice) {
  const keys = dice.sample(KEYS, 1 + dice.below(3));
  return holderOf(keys, 1 + dice.below(keys.length));
}

function drawEntry(dice: Dice): GovernanceEntry {
  const digest = dice.of(DIGESTS);
  const draws: readonly (() => GovernanceEntry)[] = [
    () => ({ type: 'transfer', holder: drawHolder(dice) }),
    () => ({
      type: 'policy',
      starters: 'open',
      gateway: dice.of(['allowed', 'refused']),
      interfaceSteps: dice.of(['free', 'required']),
    }),
    () => ({ type: 'takedown', digest, code: 'other' }),
    () => ({ type: 'reinstate', digest }),
    () => ({ type: 'abandon', successor: null }),
  ];
  return dice.of(draws)();
}

interface Drawn {
  readonly entries: readonly GovernanceEntry[];
  readonly signers: readonly string[];
}

function drawRecord(dice: Dice, isFirst: boolean): Drawn {
  const entries = Array.from({ length: 1 + dice.below(3) }, () => drawEntry(dice));
  const all = KEYS.map(({ id }) => id).toSorted();
  const signers = dice.oneIn(2) ? all : dice.sample(all, 1 + dice.below(3)).toSorted();
  return { entries: isFirst ? [{ type: 'root', holder: drawHolder(dice) }, ...entries] : entries, signers };
}

function recordOf(state: GovernanceState, { entries, signers }: Drawn): SignedRecord<GovernanceEntry> {
  const prev = state.head?.id ?? null;
  const binding = { ...HOME, signers };
  const contents = encodeRecordContents(GOVERNANCE_LOG, { prev, time: { seconds: 1n, nanos: 0 }, entries, binding });
  const [first = assert.fail(), ...others] = signers.map((keyId) => ({ keyId, signature: SIGNATURE }));
  return decodeSignedRecord(GOVERNANCE_LOG, { contents, ...first, cosignatures: others });
}

/** The code of the real log's refusal, or the state after the record. */
function judge(state: GovernanceState, record: SignedRecord<GovernanceEntry>): string | GovernanceState {
  try {
    return judgeRecord(GOVERNANCE_LOG, state, record).draft.accept();
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}

function summary(state: GovernanceState) {
  return {
    root: state.root && { ids: state.root.keys.map(({ id }) => id), threshold: state.root.threshold },
    down: DIGESTS.filter((digest) => takedownOf(state, digest) !== null),
    isAbandoned: abandonmentOf(state) !== null,
    gateway: policyOf(state)?.gateway ?? null,
  };
}

function plainSummary({ root, down, isAbandoned, gateway }: PlainLog) {
  return { root, down: DIGESTS.filter((digest) => down.has(digest)), isAbandoned, gateway };
}

/** Draws records, asks both of each, and counts the outcomes. */
function play(seed: number, seen: Map<string, number>): void {
  const dice = new Dice(seed);
  let state: GovernanceState = emptyLogState(HOME);
  let plain = new PlainLog();
  for (let i = 0; i < RECORDS; i++) {
    const drawn = drawRecord(dice, state.length === 0);
    const next = plain.copy();
    const code = drawn.entries.reduce<string | null>((found, entry) => found ?? next.add(entry, drawn.signers), null);
    const outcome = judge(state, recordOf(state, drawn));
    const found = typeof outcome === 'string' ? outcome : 'ok';
    seen.set(found, (seen.get(found) ?? 0) + 1);
    // A signer that no holder has is found after all entries; the plain rules know nothing of it.
    if (found === 'record/key-unknown') assert.equal(code, null, `seed ${seed}`);
    else assert.equal(found, code ?? 'ok', `seed ${seed}`);
    if (typeof outcome !== 'string') [state, plain] = [outcome, next];
    assert.deepEqual(summary(state), plainSummary(plain), `seed ${seed}, record ${i}`);
    assert.ok(takedownsOf(state).length >= plain.down.size);
  }
}

test(`T9: ${HISTORIES} histories of governance logs are judged as the plain rules say`, () => {
  const seen = new Map<string, number>();
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) play(seed, seen);
  const rules = ['abandon-again', 'key-unknown', 'reinstate-standing', 'takedown-again', 'unauthorized'];
  for (const outcome of ['ok', ...rules.map((rule) => `record/${rule}`)]) assert.ok(seen.has(outcome), outcome);
});

test('T9: no record without enough of the root changes anything, whichever entry it holds', () => {
  let refused = 0;
  for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
    const dice = new Dice(seed);
    const begun = recordOf(emptyLogState(HOME), {
      entries: [{ type: 'root', holder: holderOf(KEYS.slice(0, 3), 2) }],
      signers: KEYS.map(({ id }) => id)
        .slice(0, 3)
        .toSorted(),
    });
    const state = judge(emptyLogState(HOME), begun);
    assert.ok(typeof state !== 'string');
    const [one = assert.fail()] = dice.sample(KEYS.slice(0, 3), 1);
    const signers = [one.id, KEYS[3]?.id ?? ''].slice(0, 1 + dice.below(2)).toSorted();
    assert.equal(judge(state, recordOf(state, { entries: [drawEntry(dice)], signers })), 'record/unauthorized');
    assert.equal(state.length, 1);
    refused++;
  }
  assert.equal(refused, HISTORIES);
});
