import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { isRegistryError } from '@waybill/protocol';
import type { OciDigest, RepositoryName } from '@waybill/protocol/oci';
import { LOOSE_LINK_MS, RECENT_BLOB_MS } from '../../../src/core/limits.ts';
import { Dice } from '../../scale.ts';
import {
  ANYONE,
  bodyOf,
  digestOf,
  disposeCore,
  IMAGE,
  imageOf,
  memoryDrivers,
  openWorld,
  readBlob,
  repo,
  TestClock,
  type OciDrivers,
  type OciWorld,
} from './oci-world.ts';
import { RealDrivers } from './real-drivers.ts';
import { sweepAll } from './sweep-all.ts';

const SEED = process.env['WAYBILL_TEST_SEED'] ?? '1';
const ROUNDS = 30;
const PUSHERS = 4;
const LAYERS = ['a', 'b', 'c', 'd', 'e', 'f'];
const REPOSITORIES = ['plain/a', 'plain/b', 'other/c'].map(repo);

after(disposeCore);

interface Kept {
  readonly repository: RepositoryName;
  readonly digest: OciDigest;
  readonly layers: readonly string[];
}

/** Every call waits for as long as the dice say, before and after it takes effect: calls of others come between. */
function jittered<T extends object>(target: T, dice: Dice): T {
  const wait = async (): Promise<void> => {
    // A few wait long: whole pushes fit between.
    for (let turns = dice.below(dice.oneIn(8) ? 60 : 3); turns > 0; turns--) await setImmediate();
  };
  return new Proxy(target, {
    get(_target, name) {
      const member: unknown = Reflect.get(target, name);
      // Those two give bytes or names one by one, at whose pace their reader likes.
      if (typeof member !== 'function' || name === 'list' || name === 'read') return bound(member, target);
      return async (...args: readonly unknown[]): Promise<unknown> => {
        await wait();
        const result: unknown = await Reflect.apply(member, target, args);
        await wait();
        return result;
      };
    },
  });
}

function bound(member: unknown, target: object): unknown {
  return typeof member === 'function'
    ? (...args: readonly unknown[]) => Reflect.apply(member, target, args) as unknown
    : member;
}

/** Clients that push, mount, ask and delete while the sweep goes on. */
class Race {
  readonly world: OciWorld;
  readonly #dice: Dice;
  /** Acknowledged, and not deleted since. */
  kept: Kept[] = [];
  #pushes = 0;

  constructor(world: OciWorld, dice: Dice) {
    this.world = world;
    this.#dice = dice;
  }

  async round(): Promise<void> {
    const over = new AbortController();
    const sweeping = (async () => {
      while (!over.signal.aborted) await this.world.sweep.step();
    })();
    const pushing = Array.from({ length: PUSHERS }, async () => {
      await this.#push();
      await this.#delete();
      await this.#push();
    });
    await Promise.all([...pushing, this.#delete()]).finally(() => over.abort());
    await sweeping;
  }

  async check(): Promise<void> {
    for (const { repository, digest, layers } of this.kept) {
      await this.world.view.manifest(ANYONE, repository, { digest });
      for (const layer of ['{}', ...layers]) {
        assert.equal(await readBlob(this.world, repository, digestOf(layer)), layer);
      }
    }
  }

  async #push(): Promise<void> {
    const repository = this.#dice.of(REPOSITORIES);
    const layers = [this.#dice.of(LAYERS), this.#dice.of(LAYERS)];
    const offer = async (): Promise<void> => {
      for (const layer of ['{}', ...layers]) await this.#offer(repository, layer);
    };
    const bytes = imageOf(layers, { annotations: { push: `${this.#pushes++}` } });
    const reference = { digest: digestOf(bytes, this.#dice.oneIn(2) ? 'sha512' : 'sha256') };
    const push = { reference, tags: [], contentType: IMAGE, bytes };
    // One that asks for nothing first, and sends what is missing when it is told so.
    const isBold = this.#dice.oneIn(2);
    if (!isBold) await offer();
    const { digest } = await this.world.view.putManifest(ANYONE, repository, push).catch(async (failure: unknown) => {
      if (!isBold || !isRegistryError(failure, 'oci/manifest-blob')) throw failure;
      await offer();
      return this.world.view.putManifest(ANYONE, repository, push);
    });
    this.kept.push({ repository, digest, layers });
  }

  /** As clients do it: a blob that is said to be here, or was mounted, is not sent. */
  async #offer(repository: RepositoryName, layer: string): Promise<void> {
    const digest = digestOf(layer);
    const { uploads } = this.world.view;
    if (this.#dice.oneIn(2) && (await this.#isHere(repository, digest))) return;
    const from = this.#dice.oneIn(2) ? null : this.#dice.of(REPOSITORIES);
    if (this.#dice.oneIn(2) && (await uploads.mount(ANYONE, repository, { digest, from }))) return;
    if (this.#dice.oneIn(2)) return uploads.push(ANYONE, repository, { digest, body: bodyOf([layer]) });
    const { id } = await uploads.start(ANYONE, repository, 'sha256');
    // What comes in parts is a file, and what comes at once a row: one blob may be both.
    const isInParts = this.#dice.oneIn(2);
    if (isInParts) await uploads.append(ANYONE, repository, id, bodyOf([layer]));
    await uploads.finish(ANYONE, repository, id, { digest, body: bodyOf(isInParts ? [] : [layer]) });
  }

  async #isHere(repository: RepositoryName, digest: OciDigest): Promise<boolean> {
    try {
      await this.world.view.blob(ANYONE, repository, digest);
      return true;
    } catch (failure) {
      if (isRegistryError(failure, 'oci/blob-unknown')) return false;
      throw failure;
    }
  }

  async #delete(): Promise<void> {
    const index = this.#dice.below(this.kept.length + 1);
    const [victim] = this.kept.splice(index, 1);
    if (victim !== undefined) await this.world.view.deleteManifest(ANYONE, victim.repository, victim);
  }
}

/** Counts blobs that went, so that a sweep that does nothing passes nothing. */
function counted({ blobs, ...drivers }: OciDrivers): { readonly drivers: OciDrivers; readonly deleted: () => number } {
  let deleted = 0;
  const counting = new Proxy(blobs, {
    get(target, name) {
      if (name === 'delete') deleted++;
      return bound(Reflect.get(target, name), target);
    },
  });
  return { drivers: { ...drivers, blobs: counting }, deleted: () => deleted };
}

async function race(made: OciDrivers, clock: TestClock, seed: string): Promise<void> {
  const dice = new Dice(seed);
  const { drivers, deleted } = counted(made);
  const { store, blobs, uploads } = drivers;
  const jittery = { store: jittered(store, dice), blobs: jittered(blobs, dice), uploads: jittered(uploads, dice) };
  const running = new Race(await openWorld(clock, { drivers: jittery }), dice);
  for (let round = 0; round < ROUNDS; round++) {
    await running.round();
    await running.check();
    // Everything loose is old now, and nothing was asked for lately.
    clock.nowMs += LOOSE_LINK_MS + RECENT_BLOB_MS;
    // Few enough stay for blobs to be named by none.
    for (const { repository, digest } of running.kept.splice(2)) {
      await running.world.view.deleteManifest(ANYONE, repository, { digest });
    }
  }
  assert.ok(deleted() > 0, 'nothing was swept');
  for (const { repository, digest } of running.kept) {
    await running.world.view.deleteManifest(ANYONE, repository, { digest });
  }
  clock.nowMs += LOOSE_LINK_MS + RECENT_BLOB_MS;
  await sweepAll(running.world);
  for await (const digest of blobs.list()) assert.fail(`${digest} is left`);
}

test('a sweep takes nothing from a push, however they interleave', async () => {
  for (let history = 0; history < 5; history++) {
    const clock = new TestClock();
    await race(memoryDrivers(clock), clock, `${SEED}/${history}`);
  }
});

test('nor over the drivers of a server', async () => {
  const real = await RealDrivers.open();
  try {
    const clock = new TestClock();
    // The drivers take the time from the system: to the sweep every blob is a day old, however new.
    clock.nowMs = Date.now() + LOOSE_LINK_MS;
    await race(real.storage, clock, `${SEED}/real`);
  } finally {
    await real.dispose();
  }
});
