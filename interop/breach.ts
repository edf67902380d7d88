import {
  encodeBase64,
  encodeEnvelope,
  encodeHex,
  parseAnyHash,
  recordIdOf,
  signBytes,
  type Envelope,
  type PrivateKey,
} from '@waybill/protocol';
import type { LogMaker } from './log-maker.ts';
import { drawDer, otherS } from './odd-text.ts';
import { damageBytes, damageMessage } from './record-damage.ts';
import { ENVELOPE_SHAPE, fieldOf, readTree, RECORD_SHAPE, writeTree } from './record-tree.ts';
import { drawHash } from './vocabulary.ts';

/** Makes the next record of a log in a way that breaks one rule, or only looks as if it did. */
type Breach = <E extends { readonly type: string }, P extends string, B>(maker: LogMaker<E, P, B>) => Promise<Envelope>;

const NANOS_PER_SECOND = 1_000_000_000;
/** Drawn most often: they break the rules about entries, of which there are most. */
const ANY_ENTRIES = 'any entries by a key of the log';
const FAULTY_ENTRIES = 'faulty entries';

/** By name, so that a difference can say what was tried. Each draws its record for the log as it stands. */
const BREACHES: Readonly<Record<string, Breach>> = {
  'another prev': (maker) => maker.sign({ ...maker.drawDraft(), prev: drawHash(maker.random) }),
  'prev left out': (maker) => maker.sign({ ...maker.drawDraft(), prev: null }),
  'prev cut short': (maker) =>
    maker.sign({ ...maker.drawDraft(), prev: parseAnyHash((maker.state.head?.id ?? 'sha256:00').slice(0, -2)) }),
  'an older prev': (maker) => {
    const [older] = maker.envelopes
      .slice(-2)
      .map(({ contents }) => recordIdOf(maker.vocabulary.dialect.kind, contents));
    return maker.sign({ ...maker.drawDraft(), prev: older ?? null });
  },
  'a nanosecond back': (maker) => maker.sign({ ...maker.drawDraft(), time: earlier(maker, 1) }),
  'a second back': (maker) => maker.sign({ ...maker.drawDraft(), time: earlier(maker, NANOS_PER_SECOND) }),
  'the epoch': (maker) => maker.sign({ ...maker.drawDraft(), time: { seconds: 0n, nanos: 0 } }),
  'before the epoch': (maker) => maker.sign({ ...maker.drawDraft(), time: { seconds: -5n, nanos: 7 } }),
  'the end of time': (maker) =>
    maker.sign({ ...maker.drawDraft(), time: { seconds: 2n ** 63n - 1n, nanos: 999_999_999 } }),
  'nanoseconds beyond the second': async (maker) => {
    const draft = maker.drawDraft();
    const { seconds, nanos } = maker.random.once(2) ? draft.time : earlier(maker, maker.random.below(3) - 1);
    const carry = maker.random.pick([-2, -1, 1, 2]);
    const time = { seconds: seconds + BigInt(carry), nanos: nanos - carry * NANOS_PER_SECOND };
    return maker.sign({ ...draft, time: Math.abs(time.nanos) < 2 ** 31 ? time : draft.time });
  },
  'another version': async (maker) => {
    const draft = maker.drawDraft();
    const version = fieldOf(2, 0, maker.random.pick([1n, 2n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 1n]));
    return maker.signContents(writeTree([...readTree(maker.encode(draft), RECORD_SHAPE), version]), draft.signer);
  },
  'any entries by anyone': (maker) => maker.sign(anyDraft(maker, maker.random.pick(maker.keys))),
  [ANY_ENTRIES]: (maker) => maker.sign(anyDraft(maker, signerOf(maker))),
  [FAULTY_ENTRIES]: (maker) => {
    const draft = maker.drawDraft();
    return maker.sign({ ...draft, entries: [...draft.entries, ...drawFault(maker, draft.signer)] });
  },
  'any entries before init': (maker) => {
    const draft = maker.drawDraft();
    return maker.sign({ ...draft, entries: [drawEntry(maker), ...draft.entries] });
  },
  'an init that is another key': (maker) => {
    const [init, ...others] = [maker.vocabulary.init(maker.random.pick(maker.keys)), drawEntry(maker)];
    return maker.sign({
      ...maker.emptyDraft(maker.random.pick(maker.keys)),
      entries: [init, ...maker.random.some(others)],
    });
  },
  'a valid record twice over': (maker) => {
    const draft = maker.drawDraft();
    return maker.sign({ ...draft, entries: [...draft.entries, ...draft.entries] });
  },
  'no entries': (maker) => maker.sign(maker.emptyDraft(signerOf(maker))),
  'no entries by anyone': (maker) => maker.sign(maker.emptyDraft(maker.random.pick(maker.keys))),
  'signed by another key': async (maker) => {
    const envelope = await maker.sign(maker.drawDraft());
    const { signature } = await maker.signContents(envelope.contents, maker.random.pick(maker.keys));
    return { ...envelope, signature };
  },
  'signed for the other log': (maker) => {
    const draft = maker.drawDraft();
    const context = maker.context === 'package-record' ? 'operator-record' : 'package-record';
    return maker.signContents(maker.encode(draft), draft.signer, context);
  },
  'the other s': async (maker) => {
    const draft = maker.drawDraft();
    const contents = maker.encode(draft);
    const { raw } = await signBytes(maker.context, contents, draft.signer);
    return { contents, keyId: draft.signer.publicKey.id, signature: otherS(raw), cosignatures: [] };
  },
  'a signature in another form': async (maker) => {
    const draft = maker.drawDraft();
    const contents = maker.encode(draft);
    const { raw } = await signBytes(maker.context, contents, draft.signer);
    return {
      contents,
      keyId: draft.signer.publicKey.id,
      cosignatures: [],
      signature: `ecdsa-p256:${encodeBase64(drawDer(raw, maker.random))}`,
    };
  },
  'the signature of another record': async (maker) => {
    const envelope = await maker.sign(maker.drawDraft());
    return {
      ...envelope,
      signature: maker.envelopes.at(-1)?.signature ?? (await maker.sign(maker.drawDraft())).signature,
    };
  },
  'another key id': async (maker) => {
    const envelope = await maker.sign(maker.drawDraft());
    const text = maker.random.pick([
      '',
      'me',
      envelope.keyId.toUpperCase(),
      `${envelope.keyId}0`,
      encodeHex(maker.random.bytes(32)),
    ]);
    return { ...envelope, keyId: maker.random.once(2) ? text : maker.random.pick(maker.keys).publicKey.id };
  },
  'a record again': async (maker) => maker.envelopes.at(-1) ?? maker.sign(maker.drawDraft()),
};

const BREACH_NAMES = Object.keys(BREACHES);

/** What can go wrong at the beginning alone: drawn more often there. */
const FIRST_BREACHES: Readonly<Record<string, Breach>> = {
  'a first record with a prev': (maker) => maker.sign({ ...maker.drawDraft(), prev: drawHash(maker.random) }),
  'a first record that says nothing': (maker) => maker.sign(maker.emptyDraft(signerOf(maker))),
  'a first record without init': (maker) => {
    const signer = signerOf(maker);
    return maker.sign({ ...maker.emptyDraft(signer), entries: drawFault(maker, signer) });
  },
};

const FIRST_BREACH_NAMES = Object.keys(FIRST_BREACHES);

/** A broken record, encoded as an Envelope, and what was done. */
export interface BrokenRecord {
  readonly label: string;
  readonly envelope: Envelope;
}

/** Breaks a rule of the log. */
export async function breakRule<E extends { readonly type: string }, P extends string, B>(
  maker: LogMaker<E, P, B>,
): Promise<BrokenRecord> {
  const label = drawLabel(maker);
  const breach = BREACHES[label] ?? FIRST_BREACHES[label];
  if (breach === undefined) throw new RangeError(label);
  return { label, envelope: await breach(maker) };
}

function drawLabel<E extends { readonly type: string }, P extends string, B>({
  random,
  state,
}: LogMaker<E, P, B>): string {
  if (state.head === null && random.once(2)) return random.pick(FIRST_BREACH_NAMES);
  return random.pick([ANY_ENTRIES, FAULTY_ENTRIES, random.pick(BREACH_NAMES)]);
}

/** Damages the bytes of a valid record; signed before, or after, so that the damage itself is judged. */
export async function damageRecord<E extends { readonly type: string }, P extends string, B>(
  maker: LogMaker<E, P, B>,
): Promise<BrokenRecord> {
  const { random } = maker;
  const draft = maker.drawDraft();
  const contents = maker.encode(draft);
  const byForm = !random.once(3);
  const damaged = byForm ? damageMessage(contents, RECORD_SHAPE, random) : damageBytes(contents, random);
  const signedAfter = !random.once(4);
  const { signature } = await maker.signContents(signedAfter ? damaged : contents, draft.signer);
  const label = `${byForm ? 'form' : 'bytes'} damaged, signed ${signedAfter ? 'after' : 'before'}`;
  return { label, envelope: { contents: damaged, keyId: draft.signer.publicKey.id, signature, cosignatures: [] } };
}

/** Damages the Envelope around a valid record. */
export async function damageEnvelope<E extends { readonly type: string }, P extends string, B>(
  maker: LogMaker<E, P, B>,
): Promise<Uint8Array> {
  const { random } = maker;
  const bytes = encodeEnvelope(await maker.sign(maker.drawDraft()));
  return random.once(3) ? damageBytes(bytes, random) : damageMessage(bytes, ENVELOPE_SHAPE, random);
}

function signerOf<E extends { readonly type: string }, P extends string, B>(maker: LogMaker<E, P, B>): PrivateKey {
  const known = maker.state.head === null ? [] : maker.knownKeys();
  return maker.random.pick(known.length === 0 ? maker.keys : known);
}

function drawEntry<E extends { readonly type: string }, P extends string, B>({
  vocabulary,
  random,
  keys,
  state,
}: LogMaker<E, P, B>): E {
  return vocabulary.draw(random, keys, state);
}

function drawFault<E extends { readonly type: string }, P extends string, B>(
  { vocabulary, random }: LogMaker<E, P, B>,
  signer: PrivateKey,
): readonly E[] {
  return random.pick(vocabulary.faults(random, signer));
}

/** Entries that nobody has judged. */
function anyDraft<E extends { readonly type: string }, P extends string, B>(
  maker: LogMaker<E, P, B>,
  signer: PrivateKey,
) {
  const first = maker.state.head === null && !maker.random.once(4) ? [maker.vocabulary.init(signer)] : [];
  const entries = Array.from({ length: 1 + maker.random.below(4) }, () => drawEntry(maker));
  return { ...maker.emptyDraft(signer), entries: [...first, ...entries] };
}

function earlier<E extends { readonly type: string }, P extends string, B>(
  { state }: LogMaker<E, P, B>,
  nanos: number,
) {
  const { seconds, nanos: below } = state.head?.time ?? { seconds: 5n, nanos: 0 };
  const total = seconds * BigInt(NANOS_PER_SECOND) + BigInt(below) - BigInt(nanos);
  return { seconds: total / BigInt(NANOS_PER_SECOND), nanos: Number(total % BigInt(NANOS_PER_SECOND)) };
}
