import {
  decodeSignedRecord,
  emptyLogState,
  encodeRecordContents,
  isRegistryError,
  judgeRecord,
  signBytes,
  type AnyHash,
  type Envelope,
  type LogDialect,
  type LogDraft,
  type LogState,
  type PrivateKey,
  type SigningContext,
  type Timestamp,
} from '@waybill/protocol';
import type { Random } from './random.ts';

/** Draws entries of one kind of log. `state` lets it draw names and keys that are there; the entry need not be valid. */
export interface Vocabulary<E extends { readonly type: string }, P extends string, B> {
  readonly dialect: LogDialect<E, P, B>;
  init(key: PrivateKey): E;
  /** Lists of entries that break a rule whoever signs them, or harmless ones in the wrong place. */
  faults(random: Random, key: PrivateKey): readonly (readonly E[])[];
  draw(random: Random, keys: readonly PrivateKey[], state: LogState<P, B>): E;
}

/** What a record says before it is signed. */
export interface Draft<E> {
  readonly signer: PrivateKey;
  readonly prev: AnyHash | null;
  readonly time: Timestamp;
  readonly entries: readonly E[];
}

/** Any signature that decodes: a record is judged before it is signed. */
export const PLACEHOLDER = 'ecdsa-p256:MAYCAQECAQE=';
const EPOCH_SECONDS = 1_700_000_000;
const NANOS_PER_SECOND = 1_000_000_000;
const ENTRIES_MAX = 4;
const DRAWS_PER_RECORD = 8;

/** Grows a valid log record by record; what is added to break it is made from its parts. */
export class LogMaker<E extends { readonly type: string }, P extends string, B> {
  readonly vocabulary: Vocabulary<E, P, B>;
  readonly random: Random;
  readonly keys: readonly PrivateKey[];
  readonly envelopes: Envelope[] = [];
  state: LogState<P, B> = emptyLogState(null);

  constructor(vocabulary: Vocabulary<E, P, B>, random: Random, keys: readonly PrivateKey[]) {
    this.vocabulary = vocabulary;
    this.random = random;
    this.keys = keys;
  }

  get context(): SigningContext {
    return this.vocabulary.dialect.kind === 'package' ? 'package-record' : 'operator-record';
  }

  /** Adds one valid record of drawn entries: those that would break a rule are left out. */
  async grow(): Promise<void> {
    const draft = this.drawDraft();
    if (!this.#isValid(draft)) return this.grow();
    this.add(await this.sign(draft));
  }

  /** Adds any record. True when it obeys every rule but perhaps the signature's, so that the log can go on after it. */
  add(envelope: Envelope): boolean {
    this.envelopes.push(envelope);
    const judged = this.#judge(envelope);
    if (judged === null) return false;
    this.state = judged.accept();
    return true;
  }

  /** A valid draft by a key that the log knows. */
  drawDraft(): Draft<E> {
    const first = this.state.head === null;
    const signer = this.random.pick(first ? this.keys : this.knownKeys());
    let draft: Draft<E> = { ...this.emptyDraft(signer), entries: first ? [this.vocabulary.init(signer)] : [] };
    for (let i = 0; i < DRAWS_PER_RECORD && draft.entries.length < ENTRIES_MAX; i++) {
      const entry = this.vocabulary.draw(this.random, this.keys, this.state);
      const longer = { ...draft, entries: [...draft.entries, entry] };
      if (this.random.once(2) && this.#isValid(longer)) draft = longer;
    }
    return draft;
  }

  /** On the head, now or a little later, saying nothing. */
  emptyDraft(signer: PrivateKey): Draft<E> {
    return { signer, prev: this.state.head?.id ?? null, time: this.#nextTime(), entries: [] };
  }

  /** The keys of the log, of which we have the private half. Only once the log has a record. */
  knownKeys(): PrivateKey[] {
    return this.keys.filter(({ publicKey }) => this.state.keys.has(publicKey.id));
  }

  encode(draft: Draft<E>): Uint8Array {
    return encodeRecordContents(this.vocabulary.dialect, draft);
  }

  sign(draft: Draft<E>): Promise<Envelope> {
    return this.signContents(this.encode(draft), draft.signer);
  }

  async signContents(contents: Uint8Array, signer: PrivateKey, context = this.context): Promise<Envelope> {
    const { text } = await signBytes(context, contents, signer);
    return { contents, keyId: signer.publicKey.id, signature: text, cosignatures: [] };
  }

  #nextTime(): Timestamp {
    const { random } = this;
    const last = this.state.head?.time ?? { seconds: BigInt(EPOCH_SECONDS), nanos: random.below(NANOS_PER_SECOND) };
    // Equal times are allowed, and so is a step within a second.
    if (random.once(4)) return last;
    if (random.once(2)) return { ...last, nanos: last.nanos + random.below(NANOS_PER_SECOND - last.nanos) };
    return { seconds: last.seconds + BigInt(1 + random.below(1000)), nanos: random.below(NANOS_PER_SECOND) };
  }

  #isValid(draft: Draft<E>): boolean {
    const contents = this.encode(draft);
    return (
      this.#judge({ contents, keyId: draft.signer.publicKey.id, signature: PLACEHOLDER, cosignatures: [] }) !== null
    );
  }

  #judge(envelope: Envelope): LogDraft<P, B> | null {
    const { dialect } = this.vocabulary;
    try {
      return judgeRecord(dialect, this.state, decodeSignedRecord(dialect, envelope)).draft;
    } catch (failure) {
      if (isRegistryError(failure)) return null;
      throw failure;
    }
  }
}
