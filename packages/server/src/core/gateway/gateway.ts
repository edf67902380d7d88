import {
  formatPrivateKey,
  isDigest,
  isRegistryError,
  namespaceOf,
  packageLogId,
  parseJosePrivateKey,
  RegistryError,
  timestampToMs,
  type AnyHash,
  type Digest,
  type JosePrivateKey,
  type LogHome,
  type LogId,
  type Namespace,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type PrivateKey,
  type RecordId,
  type SignedRecord,
  type wargApi,
} from '@waybill/protocol';
import type { KindDemand } from '@waybill/protocol/content';
import { authorOf, signNext, type Author, type RecordSpeech } from '@waybill/protocol/author';
import { GovernanceGate } from '../governance-gate.ts';
import {
  GATEWAY_DRAFT_WAIT_MS,
  GATEWAY_PAUSE_MS,
  GATEWAY_SOURCING_ROUNDS_MAX,
  GATEWAY_TRIES_MAX,
  GATEWAY_WAITS_MAX,
} from '../limits.ts';
import type { Clock, RegistryReader } from '../ports.ts';
import type { Publishing } from '../publishing.ts';
import type { StateCaches } from '../state-caches.ts';
import { readBeginning, requireNotLost, soleHolder } from './beginning.ts';
import type { GatewayKeys } from './gateway-keys.ts';
import { gatewayRefusal, ownersRefusal, requireGateway } from './gateway-standing.ts';

export interface GatewayParts {
  /** Whether this server signs for others at all. */
  readonly isOn: boolean;
  readonly keys: GatewayKeys;
  readonly store: Pick<RegistryReader, 'readLog'>;
  readonly states: StateCaches;
  readonly publishing: Publishing;
  /** `null` before the operator log begins. */
  readonly homeOf: (logId: LogId) => LogHome | null;
  readonly clock: Clock;
  /** Cryptographically random bytes. */
  readonly random: (length: number) => Uint8Array;
}

/** Bytes that a record names, for a registry whose copy is missing or damaged; `null` for what is not at hand. */
export type ContentAtHand = (digest: Digest) => AsyncIterable<Uint8Array> | null;

/** What to say next in a log, by its state; `null` for nothing any more. It looks at the state at once, or not at all. */
export type NextSpeech = (state: PackageState, key: JosePrivateKey) => RecordSpeech | null;

export interface PlacedRecord {
  readonly recordId: RecordId;
  readonly registryIndex: number;
}

/**
 * Signs records for accounts that have no key, with one key for each namespace. It does what the server, the namespace's policy and
 * the package's log let it, and no other rules hold for its records than for anybody's: they go through {@link Publishing}.
 */
export class Gateway {
  readonly #parts: GatewayParts;
  readonly #gate: GovernanceGate;
  /** Made once: each costs as much as a signature. */
  readonly #authors = new Map<PrivateKey, GatewayAuthor>();
  /** The time of its last record, by namespace. */
  readonly #signedMs = new Map<Namespace, number>();
  /** The end of what it does in each log: against itself it need not race. */
  readonly #turns = new Map<LogId, Promise<unknown>>();
  /** Ends the turn of a draft, by log. */
  readonly #drafts = new Map<LogId, () => void>();

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#gate = new GovernanceGate(parts.states.governance);
  }

  /** Throws `oci/gateway` where it may release nothing of the package, before anybody uploads something for it. */
  async requireMay(name: PackageName): Promise<void> {
    const { key, policy } = await this.#standingOf(name);
    const { isOn, states, store } = this.#parts;
    const holder = await states.packages.read(packageLogId(name), soleHolder);
    if (holder !== null && holder !== key.publicKey.id) {
      requireNotLost(name, holder, { beginning: await readBeginning(store, name), keyId: key.publicKey.id });
    }
    await states.packages.read(packageLogId(name), (state) =>
      requireGateway(name, { isOn, policy, state, key: key.publicKey }),
    );
  }

  /**
   * Signs and publishes what comes next in the log of a package, and again on the new head where another record came first.
   * `null` when there was nothing to say. Throws `oci/gateway`, `storage/busy` where others come first again and again, and what {@link Publishing.publish} does.
   */
  release(name: PackageName, next: NextSpeech, content: ContentAtHand): Promise<PlacedRecord | null> {
    const { isOn } = this.#parts;
    const prepare = async (): Promise<NextSpeech> => {
      const { policy } = await this.#standingOf(name);
      return (state, key) => {
        const speech = next(state, key);
        if (speech !== null) requireGateway(name, { isOn, policy, state, key: key.publicKey });
        return speech;
      };
    };
    return this.#sign(name, prepare, content);
  }

  /** {@link release} without asking whether it may: for a record that ends what it holds, and names no content. */
  end(name: PackageName, next: NextSpeech): Promise<PlacedRecord | null> {
    return this.#sign(name, () => Promise.resolve(next), NONE_AT_HAND);
  }

  /** `prepare` is called for each try. */
  #sign(name: PackageName, prepare: () => Promise<NextSpeech>, content: ContentAtHand): Promise<PlacedRecord | null> {
    return this.#inTurn(packageLogId(name), async () => {
      for (let tries = 1; ; tries++) {
        const record = await this.#signed(name, await prepare());
        if (record === null) {
          await this.settled(name);
          return null;
        }
        try {
          return await this.#published(name, record, content);
        } catch (failure) {
          if (!isRegistryError(failure, 'publish/conflict', 'record/prev-mismatch')) throw failure;
          if (tries === GATEWAY_TRIES_MAX) throw overtaken(name, failure);
          await pause(tries * GATEWAY_PAUSE_MS);
        }
      }
    });
  }

  /** What is to be released was looked at already: see {@link Publishing.noteJudged}. */
  noteJudged(digest: Digest, demands: readonly KindDemand[]): void {
    this.#parts.publishing.noteJudged(digest, demands);
  }

  /**
   * Drafts a record that somebody else is to sign first: what it is asked to sign meanwhile waits a while for that, or whoever
   * pushes without a pause would come first for ever.
   */
  draft<T>(name: PackageName, make: () => Promise<T>): Promise<T> {
    const logId = packageLogId(name);
    return new Promise((resolve, reject) => {
      const work = this.#inTurn(logId, async () => {
        resolve(await make());
        await this.#drafted(logId);
      });
      work.catch(reject);
    });
  }

  /** Until the drafted record comes, and is published or refused. */
  #drafted(logId: LogId): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#drafts.delete(logId);
        resolve();
      };
      const timer = setTimeout(done, GATEWAY_DRAFT_WAIT_MS).unref();
      this.#drafts.set(logId, done);
    });
  }

  /** Publishes a record that was drafted, and names no content. Throws as {@link release}. */
  async publish(name: PackageName, record: SignedRecord<PackageEntry>): Promise<PlacedRecord> {
    const logId = packageLogId(name);
    const done = this.#drafts.get(logId);
    if (done === undefined) return this.#inTurn(logId, () => this.#published(name, record, NONE_AT_HAND));
    try {
      return await this.#published(name, record, NONE_AT_HAND);
    } finally {
      done();
    }
  }

  /** Its key for a namespace. */
  async keyOf(namespace: Namespace): Promise<JosePrivateKey> {
    return (await this.#authorOf(namespace)).key;
  }

  async #authorOf(namespace: Namespace): Promise<GatewayAuthor> {
    const wargKey = await this.#parts.keys.keyOf(namespace);
    const known = this.#authors.get(wargKey);
    if (known !== undefined) return known;
    const key = parseJosePrivateKey(formatPrivateKey(wargKey));
    const made = { key, author: authorOf([key]) };
    this.#authors.set(wargKey, made);
    return made;
  }

  /** Never the same twice in one namespace, so that no two logs have one first record. */
  timeMs(namespace: Namespace, { head }: PackageState): number {
    const headMs = head === null ? 0 : timestampToMs(head.time) + 1;
    const ms = Math.max(this.#parts.clock(), (this.#signedMs.get(namespace) ?? 0) + 1, headMs);
    this.#signedMs.set(namespace, ms);
    return ms;
  }

  async #standingOf(name: PackageName) {
    return { key: await this.keyOf(namespaceOf(name)), policy: await this.#gate.policyFor(name) };
  }

  async #signed(name: PackageName, next: NextSpeech): Promise<SignedRecord<PackageEntry> | null> {
    const logId = packageLogId(name);
    const namespace = namespaceOf(name);
    const { key, author } = await this.#authorOf(namespace);
    const home = this.#parts.homeOf(logId);
    if (home === null) throw new TypeError('the registry has no name yet');
    const { random, states } = this.#parts;
    return states.packages.read(logId, (state) => {
      const speech = next(state, key);
      if (speech === null) return null;
      const ms = this.timeMs(namespace, state);
      // Everything that it needs of the state is looked at in this turn.
      const parts = { author, home, clock: () => ms, random };
      return signNext(speech, state, parts).catch((failure: unknown) => {
        throw isRegistryError(failure, 'record/unauthorized')
          ? ownersRefusal(name, state, key.publicKey, failure.message)
          : failure;
      });
    });
  }

  async #published(
    name: PackageName,
    record: SignedRecord<PackageEntry>,
    content: ContentAtHand,
  ): Promise<PlacedRecord> {
    const logId = packageLogId(name);
    let status = await this.#post(name, record);
    for (let round = 0; status.state === 'sourcing' && round < GATEWAY_SOURCING_ROUNDS_MAX; round++) {
      await this.#supply(logId, record.id, { missing: status.missingContent.keys(), content });
      status = await this.#post(name, record);
    }
    status = await this.#awaited(logId, status);
    if (status.state === 'published') return { recordId: record.id, registryIndex: status.registryIndex };
    if (status.state === 'rejected') throw new RegistryError('admission/policy', status.reason);
    if (status.state === 'sourcing') throw missingContent(name);
    throw unpublished(record.id);
  }

  async #awaited(logId: LogId, first: wargApi.RecordStatus): Promise<wargApi.RecordStatus> {
    let status = first;
    for (let waits = 0; status.state === 'processing' && waits < GATEWAY_WAITS_MAX; waits++) {
      await pause(GATEWAY_PAUSE_MS);
      status = await this.#parts.publishing.status(logId, first.recordId);
    }
    return status;
  }

  /**
   * Resolves once all that the log of a package has now is published: what is being committed may still fail, and nobody is told
   * of it before. Throws `storage/busy` where it did, or takes too long.
   */
  async settled(name: PackageName): Promise<void> {
    const logId = packageLogId(name);
    const recordId = await this.#parts.states.packages.read(logId, ({ head }) => head?.id ?? null);
    if (recordId === null) return;
    const status = await this.#parts.publishing.status(logId, recordId).catch((failure: unknown) => {
      throw isRegistryError(failure, 'request/record', 'log/not-found') ? unpublished(recordId) : failure;
    });
    if ((await this.#awaited(logId, status)).state !== 'published') throw unpublished(recordId);
  }

  #post(name: PackageName, record: SignedRecord<PackageEntry>): Promise<wargApi.RecordStatus> {
    const command = { logId: packageLogId(name), name, envelope: record.envelope, final: false };
    return this.#parts.publishing.publish(command).catch((failure: unknown) => {
      throw isRegistryError(failure, 'admission/denied') ? unlisted(name, record) : failure;
    });
  }

  /** Content that the registry had, and that proves to be damaged, is taken anew. */
  async #supply(
    logId: LogId,
    recordId: RecordId,
    { missing, content }: { readonly missing: Iterable<AnyHash>; readonly content: ContentAtHand },
  ): Promise<void> {
    for (const digest of missing) {
      const body = isDigest(digest) ? content(digest) : null;
      if (isDigest(digest) && body !== null) await this.#parts.publishing.upload(logId, recordId, digest, body);
    }
  }

  async #inTurn<T>(logId: LogId, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(logId);
    const turn = (before ?? Promise.resolve()).then(work, work);
    this.#turns.set(logId, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(logId) === turn) this.#turns.delete(logId);
    }
  }
}

interface GatewayAuthor {
  readonly key: JosePrivateKey;
  readonly author: Author;
}

const NONE_AT_HAND: ContentAtHand = () => null;

function unpublished(recordId: RecordId): RegistryError {
  return new RegistryError('storage/busy', `record ${recordId} is not published yet: push again`);
}

function overtaken(name: PackageName, cause: unknown): RegistryError {
  const message = `somebody else is publishing in ${name}, and is not done yet: try again`;
  return new RegistryError('storage/busy', message, { package: name }, { cause });
}

function missingContent(name: PackageName): RegistryError {
  return new RegistryError('storage/damaged', `the content of ${name} is not here any more, or damaged: push it again`);
}

function unlisted(name: PackageName, { envelope }: SignedRecord<PackageEntry>): RegistryError {
  const why = `this registry's list of publishers does not have its gateway's key ${envelope.keyId}`;
  return gatewayRefusal(name, why, ', or have the operator list that key');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
