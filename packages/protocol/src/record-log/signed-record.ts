import { equalBytes } from '../bytes/byte-array.ts';
import { ProtoMessage } from '../bytes/protobuf.ts';
import { RegistryError } from '../errors.ts';
import type { Signer } from '../jose/signer.ts';
import { signDetached, type JwsContext } from '../jose/typed-jws.ts';
import { parseSignature, signBytes, type PrivateKey, type Signature, type SigningContext } from '../names/key.ts';
import { recordIdOf, type LogKind, type RecordId } from '../names/log-id.ts';
import type { AnyHash } from '../names/digest.ts';
import type { Timestamp } from '../names/timestamp.ts';
import { NO_COSIGNATURES, type Envelope, type EnvelopeSignature } from '../wire/envelope.ts';
import {
  decodeRecordFrame,
  encodeRecordFrame,
  RECORD_VERSION_1,
  SIGNERS_MAX,
  type RecordBinding,
} from '../wire/record.ts';
import { entriesOf, hasVersion, readerOf, type LogDialect } from './dialect.ts';

/** A decoded record beside the bytes it was decoded from, which are what is hashed, stored and served. */
export interface SignedRecord<E> {
  readonly id: RecordId;
  readonly envelope: Envelope;
  readonly signatures: readonly RecordSignature[];
  readonly prev: AnyHash | null;
  readonly version: number;
  readonly time: Timestamp;
  readonly entries: readonly E[];
  /** As they are: they are read apart, and decide nothing (record-log/annotations). */
  readonly annotations: readonly Uint8Array[];
  /** `null` in version 0. */
  readonly binding: RecordBinding | null;
}

/** One signature of a record: strict DER in version 0, a detached JWS in version 1. */
export type RecordSignature =
  | { readonly keyId: string; readonly der: Signature }
  | { readonly keyId: string; readonly jws: string };

/** What a new record says; its signer adds the rest. */
export interface RecordDraft<E> {
  readonly prev: AnyHash | null;
  readonly time: Timestamp;
  readonly entries: readonly E[];
  readonly annotations?: readonly Uint8Array[];
}

/** The kinds of log that have records of version 0. */
type WargKind = 'package' | 'operator';
/** The kinds of log that have records of version 1. */
type JointKind = 'package' | 'governance';
type JointDialect<E extends { readonly type: string }, P extends string, B> = LogDialect<E, P, B> & {
  readonly kind: JointKind;
};
/** One for each kind of log that signs so, and `null` for the others. */
type ContextTable<K extends LogKind, C> = Readonly<Record<K, C> & Record<Exclude<LogKind, K>, null>>;

/** The contexts of version 0. */
export const SIGNING_CONTEXT: ContextTable<WargKind, SigningContext> = {
  package: 'package-record',
  operator: 'operator-record',
  governance: null,
};

/** The contexts of version 1: spec/version1.md 3.2 and spec/governance.md 2.9. */
export const JWS_CONTEXT: ContextTable<JointKind, JwsContext> = {
  package: 'vnd.waybill.package-record',
  operator: null,
  governance: 'vnd.waybill.governance-record',
};

const JWS_PREFIX = 'jws:';
/** RSA of 4096 bits takes 683 characters, and the header some 150. */
const JWS_CHARACTERS_MAX = 2_048;

/** Decodes everything a record carries, signature text included. Throws `record/decode` for whatever does not decode. */
export function decodeSignedRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  envelope: Envelope,
): SignedRecord<E> {
  return decodeRecord(dialect, envelope.contents, (binding) => ({
    envelope,
    signatures: readSignatures(binding, envelope),
  }));
}

/**
 * Decodes a record that those whom its contents name are still to sign: it can be judged, and its signatures are empty. A
 * record of version 0 names nobody: it can be shown, and not judged. Throws `record/decode`.
 */
export function decodeUnsignedRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  contents: Uint8Array,
): SignedRecord<E> {
  return decodeRecord(dialect, contents, (binding) => {
    const signers = binding?.signers ?? [];
    return {
      envelope: jointEnvelope(
        contents,
        signers.map((keyId) => ({ keyId, signature: '' })),
      ),
      signatures: signers.map((keyId) => ({ keyId, jws: '' })),
    };
  });
}

type Signed = Pick<SignedRecord<never>, 'envelope' | 'signatures'>;

function decodeRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  contents: Uint8Array,
  signedBy: (binding: RecordBinding | null) => Signed,
): SignedRecord<E> {
  try {
    const { prev, version, time, entries, annotations, binding } = decodeRecordFrame(contents, {
      hasVersion1: hasVersion(dialect, RECORD_VERSION_1),
    });
    const reader = readerOf(dialect, version);
    const record = {
      id: recordIdOf(dialect.kind, contents),
      ...signedBy(binding),
      prev,
      version,
      time,
      entries: reader === null ? [] : entries.map((entry) => reader.read(entry)),
      annotations,
      binding,
    };
    if (binding !== null) checkCanonical(dialect, record);
    return record;
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw cause;
    throw new RegistryError('record/decode', `the record does not decode: ${cause.message}`, cause.detail, { cause });
  }
}

/**
 * How many keys {@link decodeSignedRecord} would look at in contents, without looking at any: for whoever bounds what a record
 * may cost. Throws `wire/protobuf`.
 */
export function keyCountOf<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  contents: Uint8Array,
): number {
  const message = ProtoMessage.decode(contents);
  const reader = readerOf(dialect, message.uint32(2));
  if (reader === null) return 0;
  return message.repeatedMessages(4).reduce((count, entry) => count + reader.keyCount(entry), 0);
}

function readSignatures(binding: RecordBinding | null, envelope: Envelope): RecordSignature[] {
  const { keyId, signature, cosignatures } = envelope;
  if (binding === null) return [{ keyId, der: parseSignature(signature) }];
  if (cosignatures.length >= SIGNERS_MAX) throw new RegistryError('wire/shape', `more than ${SIGNERS_MAX} signatures`);
  return [{ keyId, signature }, ...cosignatures].map(readJws);
}

function readJws({ keyId, signature }: EnvelopeSignature): RecordSignature {
  if (!signature.startsWith(JWS_PREFIX) || signature.length > JWS_CHARACTERS_MAX) {
    throw new RegistryError('wire/shape', "a signature of version 1 is 'jws:' and a detached JWS");
  }
  return { keyId, jws: signature.slice(JWS_PREFIX.length) };
}

/** A field that is skipped could be a restriction: spec/version1.md 2.9. */
function checkCanonical<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  record: SignedRecord<E>,
): void {
  if (equalBytes(encodeRecordContents(dialect, record), record.envelope.contents)) return;
  throw new RegistryError('wire/shape', 'the record is not in its canonical form, or has unknown fields');
}

/** What {@link encodeRecordContents} needs of a record, or of one to be made. */
export interface EncodableRecord<E> extends RecordDraft<E> {
  /** Of a record of version 1. */
  readonly binding?: RecordBinding | null;
}

/** The contents in their canonical form; in version 0 those that the Rust crates would write. */
export function encodeRecordContents<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  { prev, time, entries, annotations = [], binding = null }: EncodableRecord<E>,
): Uint8Array {
  const set = entriesOf(dialect, binding === null ? 0 : RECORD_VERSION_1);
  return encodeRecordFrame({ prev, time, entries: entries.map((entry) => set.write(entry)), annotations, binding });
}

/** Encodes and signs a new record of version 0. Throws TypeError for a log that has none. */
export async function signRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  draft: RecordDraft<E>,
  key: PrivateKey,
): Promise<SignedRecord<E>> {
  return signContents(dialect, encodeRecordContents(dialect, draft), key);
}

/** Signs the contents of a record of version 0 that were made elsewhere. Throws `record/decode`. */
export async function signContents<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  contents: Uint8Array,
  key: PrivateKey,
): Promise<SignedRecord<E>> {
  const context = SIGNING_CONTEXT[dialect.kind];
  if (context === null) throw new TypeError('the log has no records of version 0');
  const signature = await signBytes(context, contents, key);
  return decodeSignedRecord(dialect, {
    contents,
    keyId: key.publicKey.id,
    signature: signature.text,
    cosignatures: NO_COSIGNATURES,
  });
}

/** What a new record of version 1 says, and of which log. */
export interface JointDraft<E> extends RecordDraft<E> {
  readonly home: Pick<RecordBinding, 'log' | 'origin'>;
}

/** Encodes a new record of version 1, still to be signed by the keys of these ids: {@link decodeUnsignedRecord}. */
export function draftRecordJointly<E extends { readonly type: string }, P extends string, B>(
  dialect: JointDialect<E, P, B>,
  { home, ...draft }: JointDraft<E>,
  signers: readonly string[],
): SignedRecord<E> {
  const binding = { log: home.log, origin: home.origin, signers: signers.toSorted() };
  return decodeUnsignedRecord(dialect, encodeRecordContents(dialect, { ...draft, binding }));
}

/** Encodes a new record of version 1 and has all `signers` sign it. Throws `signer/failed`. */
export async function signRecordJointly<E extends { readonly type: string }, P extends string, B>(
  dialect: JointDialect<E, P, B>,
  draft: JointDraft<E>,
  signers: readonly Signer[],
): Promise<SignedRecord<E>> {
  const ids = signers.map(({ publicKey }) => publicKey.id);
  const { contents } = draftRecordJointly(dialect, draft, ids).envelope;
  const signatures = await Promise.all(signers.map((signer) => cosignContents(dialect, contents, signer)));
  return decodeSignedRecord(dialect, jointEnvelope(contents, signatures));
}

/** One signature of a record of version 1, whose contents name its signer. Throws `signer/failed`. */
export async function cosignContents<E extends { readonly type: string }, P extends string, B>(
  { kind }: JointDialect<E, P, B>,
  contents: Uint8Array,
  signer: Signer,
): Promise<EnvelopeSignature> {
  const jws = await signDetached(signer, JWS_CONTEXT[kind], contents);
  return { keyId: signer.publicKey.id, signature: `${JWS_PREFIX}${jws}` };
}

/** The envelope of some signatures, in whatever order they were made: spec/version1.md 3.1. */
export function jointEnvelope(contents: Uint8Array, signatures: readonly EnvelopeSignature[]): Envelope {
  const [first = { keyId: '', signature: '' }, ...others] = signatures.toSorted((a, b) => (a.keyId < b.keyId ? -1 : 1));
  return { contents, ...first, cosignatures: others.length === 0 ? NO_COSIGNATURES : others };
}
