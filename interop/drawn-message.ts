import {
  decodeEnvelope,
  decodeSignedRecord,
  emptyLogState,
  encodeEnvelope,
  encodeRecordContents,
  isRegistryError,
  OPERATOR_LOG,
  type PrivateKey,
} from '@waybill/protocol';
import { VERSION_0_PACKAGE_LOG } from './version-0.ts';
import { PLACEHOLDER, type Vocabulary } from './log-maker.ts';
import type { Random } from './random.ts';
import { damageBytes, damageMessage } from './record-damage.ts';
import { ENVELOPE_SHAPE, RECORD_SHAPE } from './record-tree.ts';
import { drawHash, OPERATOR_VOCABULARY, PACKAGE_VOCABULARY } from './vocabulary.ts';

/** Kinds of message that both implementations decode; the judge knows them by these names. */
export type MessageKind = 'package-record' | 'operator-record' | 'envelope';

/** Protobuf, mostly damaged. */
export interface DrawnMessage {
  readonly kind: MessageKind;
  readonly bytes: Uint8Array;
}

/** Sound messages, each damaged many times. */
const SOUND_MESSAGES = 300;
const ENTRIES_MAX = 5;

export function drawMessages(random: Random, keys: readonly PrivateKey[], count: number): DrawnMessage[] {
  const sound = Array.from({ length: SOUND_MESSAGES }, () => drawSound(random, keys));
  return Array.from({ length: count }, () => damage(random.pick(sound), random));
}

function drawSound(random: Random, keys: readonly PrivateKey[]): DrawnMessage {
  const [kind, bytes]: [MessageKind, Uint8Array] = random.once(3)
    ? ['operator-record', encodeDrawn(OPERATOR_VOCABULARY, random, keys)]
    : ['package-record', encodeDrawn(PACKAGE_VOCABULARY, random, keys)];
  if (!random.once(6)) return { kind, bytes };
  return {
    kind: 'envelope',
    bytes: encodeEnvelope({ contents: bytes, keyId: 'sha256:00', signature: PLACEHOLDER, cosignatures: [] }),
  };
}

function encodeDrawn<E extends { readonly type: string }, P extends string, B>(
  vocabulary: Vocabulary<E, P, B>,
  random: Random,
  keys: readonly PrivateKey[],
): Uint8Array {
  const empty = emptyLogState<P, B>(null);
  const entries = Array.from({ length: random.below(ENTRIES_MAX + 1) }, () => vocabulary.draw(random, keys, empty));
  const time = { seconds: BigInt(random.uint32()), nanos: random.below(1_000_000_000) };
  const prev = random.once(2) ? null : drawHash(random);
  return encodeRecordContents(vocabulary.dialect, { prev, time, entries });
}

function damage({ kind, bytes }: DrawnMessage, random: Random): DrawnMessage {
  const shape = kind === 'envelope' ? ENVELOPE_SHAPE : RECORD_SHAPE;
  const damaged = random.once(5) ? damageBytes(bytes, random) : damageMessage(bytes, shape, random);
  return { kind, bytes: damaged };
}

/** Whether our protocol package decodes it. */
export function decodesOurs({ kind, bytes }: DrawnMessage): boolean {
  try {
    decode(kind, bytes);
    return true;
  } catch (failure) {
    if (isRegistryError(failure)) return false;
    throw failure;
  }
}

function decode(kind: MessageKind, bytes: Uint8Array): object {
  const envelope = { contents: bytes, keyId: '', signature: PLACEHOLDER, cosignatures: [] };
  switch (kind) {
    case 'envelope':
      return decodeEnvelope(bytes);
    case 'package-record':
      return decodeSignedRecord(VERSION_0_PACKAGE_LOG, envelope);
    case 'operator-record':
      return decodeSignedRecord(OPERATOR_LOG, envelope);
  }
}
