import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isRegistryError } from '@waybill/protocol';
import type { RememberedRegistry } from '@waybill/client';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { EXIT, EXIT_CODE } from '../../src/exit-code.ts';
import { MUTATORS, type ProxiedAnswer } from './answer-mutations.ts';
import { lieOf } from './lies.ts';
import { copyOf, emptyMemory, readPackage, type Memory } from './reader.ts';
import { fetchFrom, Recording } from './recording.ts';
import { openStage, type Stage } from './stage.ts';

const MUTATIONS = FULL ? 100_000 : 1_500;
/** After one in so many lies the same reader asks the honest registry, and is not the worse for having been lied to. */
const HONEST_AFTER = 20;
const ALLOWED: ReadonlySet<number> = new Set([EXIT.tampered, EXIT.stale, EXIT.notFound, EXIT.network]);

/** What a reader asks for, with what it remembers, and what an honest registry makes of it. */
interface Scene {
  readonly name: string;
  readonly target: string;
  readonly memory: Memory;
  readonly requests: number;
  readonly outcome: Outcome;
  /** What the head before said. It is no lie for as long as it is fresh: only a witness could tell (threats T3). */
  readonly outcomeBefore: Outcome;
}

/** The version and the bytes, or the code of the error. */
type Outcome = { readonly version: string; readonly text: string } | { readonly code: string; readonly exit: number };

let stage: Stage;
let nowMs: number;
let earlier: Recording;
let honest: Recording;
let evil: Recording;
let scenes: Scene[];
/** Checkpoints that the honest registry signed, as text. */
const signed = new Set<string>();

before(async () => {
  stage = await openStage();
  earlier = new Recording(stage.honest.url);
  const first = emptyMemory();
  nowMs = Date.now();
  for (const target of ['test:victim', 'test:third', 'test:other']) await honestly(target, first, earlier);
  const again = emptyMemory();
  await honestly('test:other', again, earlier);
  await stage.goOn();
  nowMs = Date.now();
  honest = new Recording(stage.honest.url);
  evil = new Recording(stage.evil.url);
  scenes = [];
  for (const [name, target, memory] of [
    ['a first visit', 'test:victim', emptyMemory()],
    ['a first visit, one version', 'test:victim@1.0.0', emptyMemory()],
    ['a first visit, a range', 'test:victim@^1.0.0 <1.2.0', emptyMemory()],
    ['a later visit', 'test:victim', first],
    ['a later visit, content known', 'test:victim@1.1.0', first],
    ['a later visit, another package', 'test:late', again],
    ['a yank since', 'test:third@1.1.0', first],
    ['the newest that is not yanked', 'test:third', emptyMemory()],
    ['a package that was begun by a listed key', 'test:late', emptyMemory()],
    ['content that is taken down', 'test:other@1.0.0', emptyMemory()],
    ['content that is taken down, later', 'test:other', first],
    ['a package that is not there', 'test:nowhere', emptyMemory()],
    ['a package that is not there, later', 'test:nowhere', first],
  ] as const) {
    scenes.push(await honestScene(name, target, memory));
  }
  // What the liar could say to the same questions.
  for (const { target } of scenes) await outcomeOf(target, emptyMemory(), (url, init) => evil.ask(url, init));
});
after(() => stage.dispose());

async function honestly(target: string, memory: Memory, recording: Recording): Promise<Outcome> {
  const outcome = await outcomeOf(target, memory, (url, init) => recording.ask(url, init));
  if (memory.trust !== null) signed.add(textOf(memory.trust.remembered));
  return outcome;
}

async function honestScene(name: string, target: string, memory: Memory): Promise<Scene> {
  let requests = 0;
  const used = copyOf(memory);
  const outcome = await outcomeOf(target, used, (url, init) => {
    requests++;
    return honest.ask(url, init);
  });
  assert.ok(used.trust !== null);
  signed.add(textOf(used.trust.remembered));
  const outcomeBefore = await outcomeOf(target, copyOf(memory), (url, init) => earlier.ask(url, init));
  return { name, target, memory, requests, outcome, outcomeBefore };
}

function textOf({ operatorKeyId, checkpoint }: RememberedRegistry): string {
  return JSON.stringify([operatorKeyId, checkpoint]);
}

/** Errors that are none of ours are bugs, and are thrown on. */
async function outcomeOf(
  target: string,
  memory: Memory,
  answer: (url: string, init: RequestInit) => Promise<ProxiedAnswer>,
): Promise<Outcome> {
  const parts = { memory, fetch: fetchFrom(answer), operatorKeyId: stage.operatorKeyId, nowMs };
  try {
    const { version, bytes } = await readPackage(target, parts);
    return { version, text: Buffer.from(bytes).toString('latin1') };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    const { proven } = failure.detail;
    return { code: proven === undefined ? failure.code : `${failure.code}, ${proven}`, exit: EXIT_CODE[failure.code] };
  }
}

/** What went wrong with a lie; `null` for nothing. */
function flawOf(scene: Scene, outcome: Outcome, memory: Memory): string | null {
  const ends = JSON.stringify(outcome);
  const isTrue = ends === JSON.stringify(scene.outcome) || ends === JSON.stringify(scene.outcomeBefore);
  if (!isTrue && 'version' in outcome) return `it got ${ends}`;
  if (!isTrue && 'exit' in outcome && /proven by/.test(outcome.code)) return `it believes a proof of ${outcome.code}`;
  if ('exit' in outcome && outcome.exit === EXIT.tampered && memory.evidence === 0) return `no evidence of ${ends}`;
  if (!isTrue && 'exit' in outcome && !ALLOWED.has(outcome.exit)) return `exit code ${outcome.exit}, ${outcome.code}`;
  if (memory.trust === scene.memory.trust) return null;
  if (memory.trust === null || !signed.has(textOf(memory.trust.remembered)))
    return 'it remembers what was never signed';
  const rememberedLength = scene.memory.trust?.remembered.checkpoint.contents.logLength ?? 0;
  return memory.trust.remembered.checkpoint.contents.logLength < rememberedLength ? 'its memory went backwards' : null;
}

test(`${MUTATIONS} lies to a reader: the right bytes or exit 65, 66, 68 or 69 (threats T1, T2, L4, W10)`, async (context) => {
  const ended = new Map<string, number>();
  const bitten = new Map<string, number>();
  const startedMs = performance.now();
  let lies = 0;
  for (let number = 0; lies < MUTATIONS; number++) {
    const dice = new Dice(SEED * 1_000_003 + number);
    const scene = dice.of(scenes);
    const lie = lieOf(dice, scene.requests, { honest, others: [earlier, evil] });
    const memory = copyOf(scene.memory);
    const what = `WAYBILL_TEST_SEED=${SEED}, lie ${number}: ${lie.name}, ${scene.name}`;
    const outcome = await outcomeOf(scene.target, memory, lie.answer).catch((failure: unknown) => {
      throw new Error(what, { cause: failure });
    });
    if (lie.told() === 0) continue;
    lies++;
    assert.equal(flawOf(scene, outcome, memory), null, what);
    const end = 'version' in outcome ? 'right' : `exit ${outcome.exit}`;
    ended.set(end, (ended.get(end) ?? 0) + 1);
    if (JSON.stringify(outcome) !== JSON.stringify(scene.outcome))
      bitten.set(lie.name, (bitten.get(lie.name) ?? 0) + 1);
    if (!dice.oneIn(HONEST_AFTER)) continue;
    assert.deepEqual(await honestly(scene.target, memory, honest), scene.outcome, `${what}, and then the truth`);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  context.diagnostic(
    `seed ${SEED}: ${lies} lies in ${seconds.toFixed(0)} s: ${JSON.stringify(Object.fromEntries(ended))}`,
  );
  context.diagnostic(`lies that were noticed: ${JSON.stringify(Object.fromEntries(bitten))}`);
  for (const name of Object.keys(MUTATORS)) assert.ok((bitten.get(name) ?? 0) > 0, `${name} never changed anything`);
});
