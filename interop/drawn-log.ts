import { encodeEnvelope, privateKeyFromRandom, type PrivateKey } from '@waybill/protocol';
import { breakRule, damageEnvelope, damageRecord } from './breach.ts';
import type { JudgedLog } from './judge.ts';
import { LogMaker, type Vocabulary } from './log-maker.ts';
import { Random } from './random.ts';
import { OPERATOR_VOCABULARY, PACKAGE_VOCABULARY } from './vocabulary.ts';

/** A log to judge, and what was done to it. */
export interface DrawnLog extends JudgedLog {
  readonly labels: readonly string[];
}

const KEYS = 6;
const GROWTH_MAX = 6;
const LONG_GROWTH = 60;
const BREAKS_MAX = 4;
/** Logs drawn side by side: signing runs on other threads. */
const DRAWN_AT_ONCE = 32;

/** Logs number 0 to `count` - 1 of a seed. */
export async function drawLogs(seed: number, count: number): Promise<DrawnLog[]> {
  const keys = drawKeys(new Random(seed));
  const logs: DrawnLog[] = [];
  while (logs.length < count) {
    const numbers = Array.from({ length: Math.min(DRAWN_AT_ONCE, count - logs.length) }, (_, i) => logs.length + i);
    logs.push(...(await Promise.all(numbers.map((number) => drawLog(new Random(seed, number + 1), keys)))));
  }
  return logs;
}

/** Keys that guard nothing: they are drawn from the seed. */
export function drawKeys(random: Random): PrivateKey[] {
  const keys = Array.from({ length: KEYS }, () => privateKeyFromRandom(random.bytes(32)));
  return keys.filter((key) => key !== null);
}

function drawLog(random: Random, keys: readonly PrivateKey[]): Promise<DrawnLog> {
  return random.once(3) ? drawOf(OPERATOR_VOCABULARY, random, keys) : drawOf(PACKAGE_VOCABULARY, random, keys);
}

async function drawOf<E extends { readonly type: string }, P extends string, B>(
  vocabulary: Vocabulary<E, P, B>,
  random: Random,
  keys: readonly PrivateKey[],
): Promise<DrawnLog> {
  const maker = new LogMaker(vocabulary, random, keys);
  const growth = random.once(50) ? LONG_GROWTH : random.once(5) ? 0 : random.below(GROWTH_MAX);
  for (let i = 0; i < growth; i++) await maker.grow();
  const labels: string[] = [];
  const last: Uint8Array[] = [];
  if (random.once(4)) await maker.grow();
  else if (random.once(5)) last.push(await damageEnvelope(maker));
  else labels.push(...(await breakOften(maker)));
  if (last.length > 0) labels.push('envelope damaged');
  return { kind: vocabulary.dialect.kind, records: [...maker.envelopes.map(encodeEnvelope), ...last], labels };
}

/** Broken records until one is refused; after one that is not, the log goes on, so that its effect is judged as well. */
async function breakOften<E extends { readonly type: string }, P extends string, B>(
  maker: LogMaker<E, P, B>,
): Promise<string[]> {
  const labels: string[] = [];
  for (let i = 0; i < BREAKS_MAX; i++) {
    const { label, envelope } = await (maker.random.once(2) ? breakRule(maker) : damageRecord(maker));
    labels.push(label);
    if (!maker.add(envelope)) break;
    if (maker.random.once(2)) await maker.grow();
  }
  return labels;
}
