import { RegistryError } from '../errors.ts';
import { parseSignature, signBytes, type PrivateKey, type Signature, type SigningContext } from '../names/key.ts';
import { recordIdOf, type LogKind, type RecordId } from '../names/log-id.ts';
import type { AnyHash } from '../names/digest.ts';
import type { Timestamp } from '../names/timestamp.ts';
import type { Envelope } from '../wire/envelope.ts';
import { decodeRecordFrame, encodeRecordFrame } from '../wire/record.ts';
import type { LogDialect } from './dialect.ts';

/** A decoded record beside the bytes it was decoded from, which are what is hashed, stored and served. */
export interface SignedRecord<E> {
  readonly id: RecordId;
  readonly envelope: Envelope;
  readonly signature: Signature;
  readonly prev: AnyHash | null;
  readonly version: number;
  readonly time: Timestamp;
  readonly entries: readonly E[];
}

/** What a new record says; its signer adds the rest. */
export interface RecordDraft<E> {
  readonly prev: AnyHash | null;
  readonly time: Timestamp;
  readonly entries: readonly E[];
}

export const SIGNING_CONTEXT: Readonly<Record<LogKind, SigningContext>> = {
  package: 'package-record',
  operator: 'operator-record',
};

/** Decodes everything a record carries, signature text included. Throws `record/decode` for whatever does not decode. */
export function decodeSignedRecord<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  envelope: Envelope,
): SignedRecord<E> {
  try {
    const { prev, version, time, entries } = decodeRecordFrame(envelope.contents);
    return {
      id: recordIdOf(dialect.kind, envelope.contents),
      envelope,
      signature: parseSignature(envelope.signature),
      prev,
      version,
      time,
      entries: entries.map((entry) => dialect.readEntry(entry)),
    };
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    throw new RegistryError('record/decode', `the record does not decode: ${cause.message}`, cause.detail, { cause });
  }
}

/** The contents that the Rust crates would write for this record: one byte string for each meaning. */
export function encodeRecordContents<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  draft: RecordDraft<E>,
): Uint8Array {
  return encodeRecordFrame({ ...draft, entries: draft.entries.map((entry) => dialect.writeEntry(entry)) });
}

/** Encodes and signs a new record. */
export async function signRecord<E, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  draft: RecordDraft<E>,
  key: PrivateKey,
): Promise<SignedRecord<E>> {
  const contents = encodeRecordContents(dialect, draft);
  const signature = await signBytes(SIGNING_CONTEXT[dialect.kind], contents, key);
  return decodeSignedRecord(dialect, { contents, keyId: key.publicKey.id, signature: signature.text });
}
