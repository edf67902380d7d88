import assert from 'node:assert/strict';
import {
  encodeRecordContents,
  isRegistryError,
  OPERATOR_LOG,
  OPERATOR_LOG_ID,
  parseNamespace,
  RegistryError,
  signRecord,
  timestampFromMs,
  type Digest,
  type wargApi,
} from '@waybill/protocol';
import { REJECTION_KEPT_MS } from '../../src/core/limits.ts';
import { draftFor, packageOf, type Draft, type SimulatedPackage } from './draft.ts';
import { CLOCK_BACK_MS_MAX } from './nemesis.ts';
import { OPERATOR, type Core } from './simulated-process.ts';
import type { Reply, ServerProcess, World } from './world.ts';

const NAMESPACES = ['one', 'two', 'three', 'four'];
/** Tries to bring a record to its end when nothing stands in the way any more. */
const SETTLING_ROUNDS = 12;
const ROUND_PAUSE_MS = 1_500;

/** Those who publish, and what they were told. */
export class Clients {
  readonly #world: World;
  readonly #packages: SimulatedPackage[];

  constructor(world: World) {
    this.#world = world;
    const titles = ['alpha', 'beta', 'gamma'].slice(0, world.random.between(1, 3));
    this.#packages = titles.map(packageOf);
  }

  /** Everybody's work, at the same time. */
  async run(): Promise<void> {
    const { random } = this.#world;
    const clients = Array.from({ length: random.between(2, 5) }, () => this.#client(random.between(1, 4)));
    if (random.once(4)) clients.push(this.#burst());
    await Promise.all(clients);
  }

  /** Several packages begin at once. */
  async #burst(): Promise<void> {
    const { random, scheduler } = this.#world;
    await scheduler.sleep(null, random.below(8_000));
    const several = ['delta', 'epsilon', 'zeta', 'eta'].map(packageOf);
    this.#packages.push(...several);
    await Promise.all(several.map(async (each) => this.#publish(await draftFor(this.#world, each))));
  }

  async #client(actions: number): Promise<void> {
    const { random, scheduler } = this.#world;
    for (let action = 0; action < actions; action++) {
      await scheduler.sleep(null, random.once(4) ? random.below(20_000) : random.below(300));
      const own = random.pick(this.#packages);
      if (random.once(12)) await this.#defineNamespace();
      else if (random.once(5) && own.drafts.length > 0) await this.#again(random.pick(own.drafts));
      else await this.#publish(await draftFor(this.#world, own));
    }
  }

  /** The same record twice at once, or a question. */
  async #again(draft: Draft): Promise<void> {
    if (this.#world.random.once(2)) await this.#status(draft);
    else await Promise.all([this.#publish(draft), this.#publish(draft)]);
  }

  async #publish(draft: Draft): Promise<void> {
    const { random, scheduler } = this.#world;
    for (let attempt = 0; attempt < 3 && !draft.settled; attempt++) {
      const reply = await this.#post(draft);
      if (reply.type === 'answer' && reply.value.state === 'sourcing') {
        for (const digest of draft.contents.keys()) {
          if (reply.value.missingContent.has(digest)) await this.#upload(draft, digest);
        }
      } else if (reply.type === 'failure' && isRefusal(reply.failure)) return;
      if (random.once(3)) await this.#status(draft);
      await scheduler.sleep(null, random.below(2_000));
    }
  }

  async #post(draft: Draft): Promise<Reply<wargApi.RecordStatus>> {
    const { random, checker, disk } = this.#world;
    const process = this.#anyProcess();
    if (process === null) return { type: 'lost' };
    const { name, logId, envelope } = draft;
    draft.inFlight++;
    draft.posts++;
    const isAlone = aloneSince(draft, 1);
    checker.told(draft.id).refused = draft.isWrong;
    const final = random.once(2);
    const reply = await this.#world.call(
      process,
      ({ publishing }) => publishing.publish({ logId, name, envelope, final }),
      (status, core) => this.#hear(draft, status, core, isAlone),
    );
    if (reply.type !== 'lost') draft.inFlight--;
    const isRefused = reply.type === 'failure' && isRefusal(reply.failure);
    if (isRefused && isAlone() && draft.acceptedAtMs === null && !disk.state.recordsById.has(draft.id)) {
      checker.refused(draft.id, disk.state);
    }
    return reply;
  }

  #hear(draft: Draft, status: wargApi.RecordStatus, { sequencer }: Core, isAlone: () => boolean): void {
    const { checker, disk } = this.#world;
    if (status.state === 'published') {
      checker.published(draft.id, status.registryIndex, disk.state, sequencer.length);
      draft.settled = true;
    } else if (status.state === 'rejected') {
      checker.rejected(status.reason);
      // Of two processes on one disk one may publish what the other rejects.
      if (isAlone() && !checker.rivals) checker.refused(draft.id, disk.state);
    } else draft.acceptedAtMs ??= this.#world.nowMs;
  }

  async #status(draft: Draft): Promise<Reply<wargApi.RecordStatus>> {
    const process = this.#anyProcess();
    if (process === null) return { type: 'lost' };
    const isAlone = aloneSince(draft, 0);
    return this.#world.call(
      process,
      ({ publishing }) => publishing.status(draft.logId, draft.id),
      (status, core) => this.#hear(draft, status, core, isAlone),
    );
  }

  async #upload(draft: Draft, digest: Digest, careful = false): Promise<void> {
    const process = this.#anyProcess();
    if (process === null) return;
    const body = careful ? wholeBody(draft.contents.get(digest)) : this.#body(draft, digest);
    await this.#world.call(
      process,
      ({ publishing }) => publishing.upload(draft.logId, draft.id, digest, body),
      () => undefined,
    );
  }

  /** Whole, in drops, breaking off after a long silence, or other bytes than promised. */
  async *#body(draft: Draft, digest: Digest): AsyncIterable<Uint8Array> {
    const { random, scheduler } = this.#world;
    const content = draft.contents.get(digest) ?? assert.fail();
    const cut = random.below(content.length);
    yield content.subarray(0, cut);
    if (random.once(3)) await scheduler.sleep(null, random.once(3) ? 40_000 : random.below(5_000));
    if (random.once(10)) throw new RegistryError('request/invalid', 'the upload broke off');
    yield random.once(15) ? content.subarray(0, cut) : content.subarray(cut);
  }

  async #defineNamespace(): Promise<void> {
    const { random, disk, checker, nowMs } = this.#world;
    const process = this.#anyProcess();
    if (process === null) return;
    const log = [...(disk.state.logs.get(OPERATOR_LOG_ID)?.values() ?? [])];
    const follows = random.once(5) ? log.at(0) : log.at(-1);
    if (follows === undefined) return;
    const namespace = parseNamespace(random.pick(NAMESPACES));
    const draft = {
      prev: follows.recordId,
      time: timestampFromMs(nowMs),
      entries: [{ type: 'defineNamespace', namespace }],
    } as const;
    const { envelope } = await signRecord(OPERATOR_LOG, draft, OPERATOR);
    assert.equal(encodeRecordContents(OPERATOR_LOG, draft).length, envelope.contents.length);
    const append = (): Promise<Reply<unknown>> =>
      this.#world.call(
        process,
        ({ desk }) => desk.append(envelope),
        ({ recordId, registryIndex }, { sequencer }) =>
          checker.published(recordId, registryIndex, disk.state, sequencer.length),
      );
    const replies = await Promise.all(random.once(2) ? [append(), append()] : [append()]);
    if (checker.rivals || !replies.some(({ type }) => type === 'answer')) return;
    // The same bytes have one answer.
    const conflicts = replies.filter((reply) => reply.type === 'failure' && isRefusal(reply.failure));
    assert.equal(conflicts.length, 0, 'one of two identical posts to the operator log was refused');
  }

  #anyProcess(): ServerProcess | null {
    const { serving, random } = this.#world;
    return serving.length === 0 ? null : random.pick(serving);
  }

  /** Nothing fails any more: what was accepted must come to its end, and a new package must be taken. */
  async settle(): Promise<void> {
    const accepted = this.#packages.flatMap(({ drafts }) => drafts).filter(({ acceptedAtMs }) => acceptedAtMs !== null);
    for (const draft of accepted) await this.#settle(draft);
    const last = packageOf('last');
    for (let round = 0; !this.#world.disk.state.logs.has(last.logId); round++) {
      assert.ok(round < SETTLING_ROUNDS, 'nothing is published any more');
      const draft = await draftFor(this.#world, last);
      await this.#post(draft);
      if (draft.acceptedAtMs !== null) await this.#settle(draft);
    }
  }

  async #settle(draft: Draft): Promise<void> {
    for (let round = 0; round < SETTLING_ROUNDS; round++) {
      const reply = await this.#status(draft);
      if (reply.type === 'answer' && (reply.value.state === 'published' || reply.value.state === 'rejected')) return;
      if (reply.type === 'failure') {
        // Its rejection is forgotten in time, and was dated by a clock that may have been set back.
        const keptMs = this.#world.nowMs - (draft.acceptedAtMs ?? 0) + CLOCK_BACK_MS_MAX;
        assert.ok(keptMs > REJECTION_KEPT_MS, `${draft.id} was accepted, and is forgotten: ${String(reply.failure)}`);
        return;
      }
      const posted = await this.#post(draft);
      if (posted.type === 'answer' && posted.value.state === 'sourcing') {
        for (const digest of draft.contents.keys()) {
          if (posted.value.missingContent.has(digest)) await this.#upload(draft, digest, true);
        }
      }
      await this.#world.scheduler.sleep(null, ROUND_PAUSE_MS);
    }
    assert.fail(`${draft.id} was accepted, and comes to no end`);
  }
}

async function* wholeBody(content: Uint8Array | undefined): AsyncIterable<Uint8Array> {
  yield content ?? assert.fail();
}

/** Whether no post of the record but the `own` ones under way now has been under way since: another may have been taken meanwhile. */
function aloneSince(draft: Draft, own: number): () => boolean {
  const { inFlight, posts } = draft;
  return () => inFlight === own && draft.posts === posts;
}

/** Said of the record itself: it was not taken, and will not be unless it is posted again. */
function isRefusal(failure: unknown): boolean {
  return isRegistryError(failure) && /^(admission|record|namespace|publish)\/|^request\/invalid$/.test(failure.code);
}
