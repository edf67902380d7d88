import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { utf8 } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { digestBytes, formatDigest, parseAnyHash, parseDigest, type AnyHash } from '../names/digest.ts';
import { parseLogId, type LogId } from '../names/log-id.ts';
import { timestampFromProto, type Timestamp } from '../names/timestamp.ts';

/** Larger contents are refused unread. A JSON body of 2 MiB can carry less than this. */
export const RECORD_BYTES_MAX = 2 * 1024 * 1024;

/** The version of Warg's records. */
export const RECORD_VERSION = 0;
/** The version of records with authority by grants (spec/version1.md). */
export const RECORD_VERSION_1 = 1;

/** spec/version1.md 2.2. */
export const SIGNERS_MAX = 8;
const LOG_ID_BYTES = 32;
const ORIGIN = /^[\x21-\x7e]{1,255}$/;

/** What a version 1 record says of itself, so that it can be carried to no other log or registry. */
export interface RecordBinding {
  readonly log: LogId;
  /** The registry that the log lives in. */
  readonly origin: string;
  /** Key ids, ascending. */
  readonly signers: readonly string[];
}

/** A record's outer shape. An entry's own fields belong to its kind (record-log/kinds). */
export interface RecordFrame {
  readonly prev: AnyHash | null;
  readonly version: number;
  readonly time: Timestamp;
  readonly entries: readonly ProtoMessage[];
  /** As they are: whether they can be read decides nothing. */
  readonly annotations: readonly Uint8Array[];
  /** `null` in every other version than 1, and in logs that do not have it. */
  readonly binding: RecordBinding | null;
}

/** What {@link encodeRecordFrame} writes: entries already encoded by their kinds. */
export interface EncodableFrame {
  readonly prev: AnyHash | null;
  readonly time: Timestamp;
  readonly entries: readonly Uint8Array[];
  readonly annotations: readonly Uint8Array[];
  /** `null` for a record of version 0. */
  readonly binding: RecordBinding | null;
}

/**
 * Decodes `PackageRecord` or `OperatorRecord`: their outer shapes are equal (spec/encodings.md 4.2, spec/version1.md 2).
 * Throws `wire/protobuf`, `wire/shape`, `wire/too-large`, `text/hash`.
 */
export function decodeRecordFrame(
  contents: Uint8Array,
  { hasVersion1 }: { readonly hasVersion1: boolean },
): RecordFrame {
  if (contents.length > RECORD_BYTES_MAX) {
    throw new RegistryError('wire/too-large', `a record of ${contents.length} bytes is over ${RECORD_BYTES_MAX}`);
  }
  const message = ProtoMessage.decode(contents);
  const prev = message.optionalString(1);
  const version = message.uint32(2);
  const time = message.message(3);
  const entries = message.repeatedMessages(4);
  if (time === null) throw new RegistryError('wire/protobuf', 'the record has no time');
  return {
    prev: prev === null ? null : parseAnyHash(prev),
    version,
    time: timestampFromProto(time.int64(1), time.int32(2)),
    entries,
    annotations: message.skippableBytes(16),
    binding: hasVersion1 && version === RECORD_VERSION_1 ? readBinding(message) : null,
  };
}

/** The version that contents say they have, without reading the rest. Throws `wire/protobuf`. */
export function recordVersionOf(contents: Uint8Array): number {
  return ProtoMessage.decode(contents).uint32(2);
}

/** How many entries contents have, without reading them. Throws `wire/protobuf`. */
export function entryCountOf(contents: Uint8Array): number {
  return ProtoMessage.decode(contents).count(4);
}

function readBinding(message: ProtoMessage): RecordBinding {
  const log = message.bytes(17);
  if (log.length !== LOG_ID_BYTES) throw malformed(`log has ${log.length} bytes, not ${LOG_ID_BYTES}`);
  const origin = message.string(18);
  if (!isOrigin(origin)) throw malformed('origin is not 1 to 255 printable characters without a space');
  const signers = message.repeatedStrings(19).map(parseDigest);
  if (signers.length === 0 || signers.length > SIGNERS_MAX || !isAscending(signers)) {
    throw malformed(`signers are not 1 to ${SIGNERS_MAX} key ids, each once, in ascending order`);
  }
  return { log: parseLogId(formatDigest(log)), origin, signers };
}

/** spec/version1.md 2.2. */
export function isOrigin(text: string): boolean {
  return ORIGIN.test(text);
}

/** True when each text is above the one before it, by code units: so all differ, and no other order says the same. */
export function isAscending(texts: readonly string[]): boolean {
  return texts.every((text, i) => i === 0 || (texts[i - 1] ?? '') < text);
}

function malformed(why: string): RegistryError {
  return new RegistryError('wire/shape', `malformed record: ${why}`);
}

/** Writes a record in its canonical form: of version 0 exactly as the Rust crates do. */
export function encodeRecordFrame({ prev, time, entries, annotations, binding }: EncodableFrame): Uint8Array {
  const writer = new ProtoWriter();
  if (prev !== null) writer.message(1, utf8(prev));
  writer.varint(2, binding === null ? RECORD_VERSION : RECORD_VERSION_1);
  writer.message(3, new ProtoWriter().varint(1, time.seconds).varint(2, time.nanos).finish());
  for (const entry of entries) writer.message(4, entry);
  for (const annotation of annotations) writer.message(16, annotation);
  if (binding !== null) {
    writer.bytes(17, digestBytes(binding.log)).string(18, binding.origin).strings(19, binding.signers);
  }
  return writer.finish();
}
