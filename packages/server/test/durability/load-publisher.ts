import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import {
  digestOf,
  encodeRecordContents,
  isDigest,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  sha256,
  timestampFromMs,
  utf8,
  utf8Text,
  wargApi,
  type AnyHash,
  type Digest,
  type LogId,
  type PackageEntry,
  type PackageName,
  type RecordId,
} from '@waybill/protocol';
import { keyOf, publishBody, releaseOf, signContents, type LooseRecord } from '../publisher.ts';
import type { Answer } from '../running-registry.ts';
import type { Promises } from './promises-kept.ts';
import type { RegistryAddress } from './registry-address.ts';
import type { Dice } from '../scale.ts';

/** A package with so many records is left alone, and another one started. */
const RECORDS_MAX = 200;
/** Beyond one page of the store and one chunk of an upload. */
const CONTENT_BYTES_MAX = 100_000;
/** A record that every promise has been made for is published in this time, unless the server says that it cannot. */
const POLL_MS = 20;
const POLLS_MAX = 500;

/** A record under way, with the content that it may be asked for. */
interface Attempt {
  readonly record: LooseRecord;
  readonly contents: ReadonlyMap<Digest, Uint8Array>;
}

/** What an attempt came to: `refused` with the status of an answer that says so; `processing` while such a server keeps it. */
export type Outcome =
  | { readonly state: 'published' }
  | { readonly state: 'processing' }
  | { readonly state: 'refused'; readonly status: number };

export interface LoadOptions {
  readonly promises: Promises;
  readonly dice: Dice;
  readonly name: string;
  /** Statuses that do not fail the test: the server says that it cannot, and nothing was promised. */
  readonly tolerated?: readonly number[];
}

/**
 * Publishes record after record of one package, and takes up what it was doing after every crash of the server: the same
 * bytes are posted again until they are published.
 */
export class LoadPublisher {
  readonly #options: LoadOptions;
  readonly #known: Uint8Array[] = [];
  #generation = 0;
  #head: RecordId | null = null;
  #records = 0;
  #attempt: Attempt | null = null;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  get #name(): PackageName {
    return parsePackageName(`test:${this.#options.name}-g${this.#generation}`);
  }

  get #logId(): LogId {
    return packageLogId(this.#name);
  }

  /** Publishes until `signal` aborts or the server is gone, whichever is first. */
  async run(registry: RegistryAddress, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) await this.publish(registry);
    } catch (failure) {
      // The server is gone, or somebody is about to find that it is not.
      if (!(failure instanceof TypeError)) throw failure;
    }
  }

  /** Publishes one record. Throws a TypeError when the server is gone. */
  async publish(registry: RegistryAddress): Promise<Outcome> {
    this.#attempt ??= await this.#next();
    const outcome = await this.#pursue(registry, this.#attempt);
    if (outcome.state !== 'published') return outcome;
    this.#head = this.#attempt.record.id;
    this.#known.push(...this.#attempt.contents.values());
    this.#known.splice(0, this.#known.length - 4);
    this.#attempt = null;
    this.#records++;
    if (this.#records < RECORDS_MAX) return outcome;
    this.#generation++;
    this.#records = 0;
    this.#head = null;
    return outcome;
  }

  /** A first record, or one or two releases, each with content of its own or with content that the registry has. */
  async #next(): Promise<Attempt> {
    const { dice } = this.#options;
    const key = keyOf(this.#options.name);
    const contents = new Map<Digest, Uint8Array>();
    const entries: PackageEntry[] = this.#head === null ? [{ type: 'init', key: key.publicKey }] : [];
    for (let release = 0; release < 1 + dice.below(2); release++) {
      const content = this.#known.length > 0 && dice.oneIn(2) ? dice.of(this.#known) : this.#fresh();
      contents.set(digestOf(content), content);
      entries.push(releaseOf(`${this.#records}.${release}.0`, content));
    }
    const [a = 0, b = 0] = sha256(utf8(this.#name));
    const time = timestampFromMs(Date.now(), a * 256 + b);
    const record = encodeRecordContents(PACKAGE_LOG, { prev: this.#head, time, entries });
    return { record: await signContents(record, key), contents };
  }

  #fresh(): Uint8Array {
    const { dice } = this.#options;
    const bytes = dice.oneIn(4) ? dice.below(CONTENT_BYTES_MAX) : dice.below(1_000);
    const label = utf8(`${this.#name} ${this.#records} ${dice.below(2 ** 40)} `);
    return Uint8Array.from({ length: label.length + bytes }, (_, i) => label[i % label.length] ?? 0);
  }

  async #pursue(registry: RegistryAddress, attempt: Attempt): Promise<Outcome> {
    const { record } = attempt;
    for (let polls = 0; polls < POLLS_MAX; polls++) {
      const json = publishBody(this.#name, record.envelope);
      const answer = await registry.post(`v1/package/${this.#logId}/record`, { json });
      if (answer.status !== 202) return this.#refused(answer, 'a record');
      const status = wargApi.decodeRecordStatus(answer.bytes);
      if (this.#note(attempt, status)) return { state: 'published' };
      if (status.state === 'sourcing') {
        const refused = await this.#uploadAll(registry, attempt, status.missingContent.keys());
        if (refused !== null) return refused;
      } else if (this.#options.tolerated !== undefined) {
        return { state: 'processing' };
      } else {
        await wait(POLL_MS);
      }
    }
    return assert.fail('a record is not published although it was asked for often');
  }

  #refused({ status, bytes }: Answer, what: string): Outcome {
    const { tolerated = [] } = this.#options;
    assert.ok(tolerated.includes(status), `the registry answered ${status} to ${what}: ${utf8Text(bytes)}`);
    return { state: 'refused', status };
  }

  /** True once it is published. */
  #note({ record }: Attempt, status: wargApi.RecordStatus): boolean {
    const { promises } = this.#options;
    assert.equal(status.recordId, record.id);
    assert.notEqual(status.state, 'rejected');
    if (status.state !== 'published') {
      promises.accepted.set(record.id, this.#logId);
      return false;
    }
    const { registryIndex } = status;
    promises.notePublished(record.id, { logId: this.#logId, registryIndex, envelope: record.envelope });
    return true;
  }

  async #uploadAll(
    registry: RegistryAddress,
    { record, contents }: Attempt,
    missing: Iterable<AnyHash>,
  ): Promise<Outcome | null> {
    const { promises } = this.#options;
    for (const digest of missing) {
      assert.ok(isDigest(digest));
      assert.ok(!promises.uploaded.has(digest), `content ${digest} is lost: it was uploaded, and is asked for again`);
      promises.sent.add(digest);
      const body = contents.get(digest) ?? assert.fail('other content is asked for');
      const target = `v1/package/${this.#logId}/record/${record.id}/content/${digest}`;
      const answer = await registry.post(target, { body });
      // 405: it waits no more, for the upload before this one was the last that it needed.
      if (answer.status === 405) return null;
      if (answer.status !== 201) return this.#refused(answer, 'an upload');
      promises.uploaded.add(digest);
    }
    return null;
  }
}
