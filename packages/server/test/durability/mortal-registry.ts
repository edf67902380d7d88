import path from 'node:path';
import {
  parseNamespace,
  type Digest,
  type LogId,
  type RecordId,
  type TimestampedCheckpoint,
  type wargApi,
} from '@waybill/protocol';
import { ALL_OPEN } from '../all-open.ts';
import { openContentFiles } from '../../src/blobs/files/content-files.ts';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter } from '../../src/core/committing.ts';
import { silentObserver } from '../../src/core/observer.ts';
import { OperatorDesk } from '../../src/core/operator-desk.ts';
import type { ContentStore, LastSigned, RegistryStore } from '../../src/core/ports.ts';
import { Publishing, type PublishCommand } from '../../src/core/publishing.ts';
import { Sequencer } from '../../src/core/sequencer.ts';
import { openStateCaches } from '../../src/core/state-caches.ts';
import { watchContent, watchPending } from '../../src/fatal-watch.ts';
import { openLastSignedFile } from '../../src/last-signed-file.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';
import { testLogSigners } from '../core/log-signers.ts';
import { keyOf } from '../publisher.ts';
import type { Failpoint } from './failpoint.ts';
import { testHomeOf } from '../home.ts';

/** The registry died before it answered. */
export class Died extends Error {}

interface Files {
  readonly store: RegistryStore;
  readonly lastSigned: LastSigned & { close(): Promise<void> };
  readonly content: ContentStore;
}

/** A registry on real files in this process, which ends in the middle of what it does: from then on nobody gets an answer. */
export class MortalRegistry {
  readonly #files: Files;
  readonly #failpoint: Failpoint | null;
  readonly #served: TimestampedCheckpoint[];
  #publishing: Publishing | null = null;
  #sequencer: Sequencer | null = null;
  #dead = false;
  #announceDeath: () => void = () => undefined;
  readonly #death = new Promise<void>((resolve) => {
    this.#announceDeath = resolve;
  });

  private constructor(files: Files, failpoint: Failpoint | null, served: TimestampedCheckpoint[]) {
    this.#files = files;
    this.#failpoint = failpoint;
    this.#served = served;
  }

  /**
   * Opens what an earlier one left in `folder`, as a start of the server does. Every head that can be seen from outside goes
   * into `served`. Throws {@link Died}, and what failed without ending it.
   */
  static async open(
    folder: string,
    served: TimestampedCheckpoint[],
    failpoint: Failpoint | null,
  ): Promise<MortalRegistry> {
    const files = {
      store: await openSqliteStore(path.join(folder, 'registry.sqlite')),
      lastSigned: await openLastSignedFile(path.join(folder, 'last-signed')),
      content: await openContentFiles(path.join(folder, 'content')),
    };
    const registry = new MortalRegistry(files, failpoint, served);
    try {
      await registry.#answered(registry.#start());
      return registry;
    } catch (failure) {
      await registry.end();
      throw failure;
    }
  }

  async #start(): Promise<void> {
    const onFatal = (): void => {
      this.#dead = true;
      this.#failpoint?.freeze();
      this.#announceDeath();
    };
    const { store: file, lastSigned: mark, content: kept } = this.#files;
    const store = this.#failpoint?.store(file) ?? file;
    const lastSigned = this.#failpoint?.lastSigned(mark) ?? mark;
    const content = watchContent(this.#failpoint?.content(kept) ?? kept, onFatal);
    const states = openStateCaches(store, testHomeOf);
    const clock = Date.now;
    const signer = new CheckpointSigner(keyOf('operator'), clock);
    const committer = await TreeCommitter.open({ store, signer, logSigners: testLogSigners, lastSigned });
    const observer = silentObserver;
    const sequencer = new Sequencer({ committer, states, clock, observer, onFatal }, committer.head);
    this.#sequencer = sequencer;
    const desk = new OperatorDesk({ store, operator: states.operator, sequencer, commitKeyId: signer.keyId, clock });
    await desk.open(keyOf('operator'), { namespaces: [parseNamespace('test')], origin: null });
    const watched = { ...store, ...watchPending(store, onFatal) };
    const parts = { store: watched, content, states, sequencer, clock };
    this.#publishing = new Publishing({ ...parts, publishers: 'open', contentPolicy: 'any', spaces: ALL_OPEN });
    await this.#publishing.resume();
  }

  get store(): RegistryStore {
    return this.#files.store;
  }

  get content(): ContentStore {
    return this.#files.content;
  }

  publish(command: PublishCommand): Promise<wargApi.RecordStatus> {
    return this.#answered(this.#open().publish(command));
  }

  status(logId: LogId, recordId: RecordId): Promise<wargApi.RecordStatus> {
    return this.#answered(this.#open().status(logId, recordId));
  }

  upload(at: { readonly logId: LogId; readonly recordId: RecordId }, digest: Digest, body: Uint8Array): Promise<void> {
    return this.#answered(this.#open().upload(at.logId, at.recordId, digest, once(body)));
  }

  /** What the server does by itself every second. */
  sweep(): Promise<void> {
    return this.#answered(this.#open().sweep());
  }

  /** Nothing is drained: what is under way stays undone. */
  async end(): Promise<void> {
    this.#dead = true;
    this.#failpoint?.freeze();
    await this.#failpoint?.closeFiles();
    await this.#files.store.close();
    await this.#files.lastSigned.close();
  }

  #open(): Publishing {
    if (this.#publishing === null || this.#dead) throw new Died();
    return this.#publishing;
  }

  /** Dead registries do not answer, whatever they have done. */
  async #answered<T>(work: Promise<T>): Promise<T> {
    const outcome = await Promise.race([work.then((value) => ({ value })), this.#death]).catch((failure: unknown) => {
      if (this.#dead) throw new Died();
      throw failure;
    });
    if (outcome === undefined || this.#dead) throw new Died();
    const head = this.#sequencer?.head;
    if (head) this.#served.push(head.checkpoint.contents);
    return outcome.value;
  }
}

async function* once(body: Uint8Array): AsyncIterable<Uint8Array> {
  yield body;
}
