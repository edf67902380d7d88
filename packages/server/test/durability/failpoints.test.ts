import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import {
  digestOf,
  encodeRecordContents,
  isDigest,
  isRegistryError,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  timestampFromMs,
  utf8,
  type Digest,
  type ErrorCode,
  type LogId,
  type PackageEntry,
  type PackageName,
  type RecordId,
  type TimestampedCheckpoint,
} from '@waybill/protocol';
import { FULL } from '@waybill/tools/test-scale';
import { keyOf, releaseOf, signContents, type LooseRecord } from '../publisher.ts';
import { Failpoint, STEPS, type FailpointOptions } from './failpoint.ts';
import { Died, MortalRegistry } from './mortal-registry.ts';
import { StoredHistory } from './stored-history.ts';

const PACKAGES = ['test:a', 'test:b', 'test:c'].map(parsePackageName);
const RECORDS = 3;
const CALLS = FULL ? 8 : 3;
const TRIES_MAX = 50;

interface Release {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly record: LooseRecord;
  readonly content: Uint8Array;
}

/** A package's records one after another: the first two with content of their own, the third with known content. */
async function releasesOf(name: PackageName): Promise<Release[]> {
  const key = keyOf(name);
  const releases: Release[] = [];
  for (let i = 0; i < RECORDS; i++) {
    const content = utf8(`${name} ${i % 2}`);
    const entries: PackageEntry[] = i === 0 ? [{ type: 'init', key: key.publicKey }] : [];
    entries.push(releaseOf(`1.${i}.0`, content));
    const time = timestampFromMs(Date.now(), PACKAGES.indexOf(name));
    const draft = { prev: releases.at(-1)?.record.id ?? null, time, entries };
    const record = await signContents(encodeRecordContents(PACKAGE_LOG, draft), key);
    releases.push({ name, logId: packageLogId(name), record, content });
  }
  return releases;
}

/** What publishers were told. */
class Answers {
  readonly published = new Map<RecordId, number>();
  readonly accepted = new Map<RecordId, LogId>();
  readonly uploaded = new Set<Digest>();

  /** Posts and uploads until it is published. Throws {@link Died}. */
  async pursue(registry: MortalRegistry, release: Release, tolerated: ErrorCode | null): Promise<void> {
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      try {
        if (await this.#try(registry, release)) return;
      } catch (failure) {
        if (tolerated === null || !isRegistryError(failure, tolerated, 'publish/not-sourcing')) throw failure;
      }
      await registry.sweep();
    }
    assert.fail('a record is not published although it was asked for often');
  }

  async #try(registry: MortalRegistry, { name, logId, record, content }: Release): Promise<boolean> {
    const status = await registry.publish({ logId, name, envelope: record.envelope, final: false });
    assert.notEqual(status.state, 'rejected');
    if (status.state === 'published') {
      this.accepted.delete(record.id);
      this.published.set(record.id, status.registryIndex);
      return true;
    }
    this.accepted.set(record.id, logId);
    if (status.state !== 'sourcing') return false;
    for (const digest of status.missingContent.keys()) {
      assert.ok(isDigest(digest) && digest === digestOf(content));
      assert.ok(!this.uploaded.has(digest), 'content that was uploaded is asked for again');
      await registry.upload({ logId, recordId: record.id }, digest, content);
      this.uploaded.add(digest);
    }
    return false;
  }

  /** Holds a registry to all of it. */
  async check(registry: MortalRegistry): Promise<void> {
    for (const [recordId, index] of this.published) {
      assert.equal((await registry.store.readRecord(recordId))?.registryIndex, index, 'a published record is lost');
    }
    for (const [recordId, logId] of this.accepted) {
      const { state } = await registry.status(logId, recordId);
      assert.ok(state === 'processing' || state === 'published', `an accepted record is ${state}`);
    }
    for (const digest of this.uploaded) assert.notEqual(await registry.content.size(digest), null);
  }
}

/** One registry over all its lives. */
class Lives {
  readonly #folder: string;
  readonly #packages: readonly (readonly Release[])[];
  readonly #answers = new Answers();
  readonly #served: TimestampedCheckpoint[] = [];

  private constructor(folder: string, packages: readonly (readonly Release[])[]) {
    this.#folder = folder;
    this.#packages = packages;
  }

  static async begin(folder: string): Promise<Lives> {
    return new Lives(folder, await Promise.all(PACKAGES.map(releasesOf)));
  }

  /** Publishes everything, or until it dies; true if it lived. A failure that passes is tolerated. */
  async live(failpoint: Failpoint | null, tolerated: ErrorCode | null): Promise<boolean> {
    const registry = await MortalRegistry.open(this.#folder, this.#served, failpoint).catch((failure: unknown) => {
      // Whoever cannot open ends too.
      if (failure instanceof Died || failpoint?.hasFailed === true) return null;
      throw failure;
    });
    if (registry === null) return false;
    try {
      await this.#answers.check(registry);
      const publishing = this.#packages.map(async (releases) => {
        for (const release of releases) await this.#answers.pursue(registry, release, tolerated);
      });
      const outcomes = await Promise.allSettled(publishing);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected' && !(outcome.reason instanceof Died)) throw outcome.reason;
      }
      return outcomes.every(({ status }) => status === 'fulfilled');
    } finally {
      await registry.end();
    }
  }

  /** Everything stands in the log once; every head that was served is one of one history. */
  async check(): Promise<void> {
    const registry = await MortalRegistry.open(this.#folder, this.#served, null);
    try {
      await this.#answers.check(registry);
      assert.equal(this.#answers.published.size, PACKAGES.length * RECORDS);
      const history = await StoredHistory.of(registry.store);
      for (const head of this.#served) history.includes(head);
      assert.equal((await registry.store.readHead())?.checkpoint.contents.logLength, 1 + PACKAGES.length * RECORDS);
      assert.deepEqual(await registry.store.listPending(), []);
    } finally {
      await registry.end();
    }
  }
}

async function failOnce(options: FailpointOptions): Promise<{ failed: boolean; lived: boolean }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-fail-'));
  try {
    const lives = await Lives.begin(folder);
    const failpoint = new Failpoint(options);
    const tolerated = options.code === 'storage/failed' ? null : options.code;
    const lived = await lives.live(failpoint, tolerated);
    if (!lived) assert.ok(await lives.live(null, null));
    await lives.check();
    return { failed: failpoint.hasFailed, lived };
  } finally {
    await rm(folder, { recursive: true });
  }
}

for (const step of STEPS) {
  for (const stored of [false, true]) {
    const how = stored ? 'failed but stored' : 'failed and not stored';
    test(`${step}, ${how}: the registry ends, nothing acknowledged is lost, and the next start goes on`, async () => {
      for (let call = 1; call <= CALLS; call++) {
        const { failed, lived } = await failOnce({ step, call, stored, code: 'storage/failed' });
        assert.ok(failed ? !lived : lived, `call ${call} of ${step}`);
        assert.ok(failed || call > RECORDS);
      }
    });
  }
}

const PASSING: readonly ErrorCode[] = ['storage/full', 'storage/busy'];
for (const step of STEPS.filter((each) => each !== 'note what was signed')) {
  for (const code of PASSING) {
    test(`${step} with ${code}: the registry lives on, and no record is refused for good`, async () => {
      for (let call = 2; call <= CALLS; call++) {
        const { lived } = await failOnce({ step, call, stored: false, code });
        assert.ok(lived, `call ${call} of ${step}`);
      }
    });
  }
}
