import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { utf8 } from '../bytes/byte-array.ts';
import { RegistryError } from '../errors.ts';
import { parseAnyHash, type AnyHash } from '../names/digest.ts';
import { timestampFromProto, type Timestamp } from '../names/timestamp.ts';

/** Larger contents are refused unread. A JSON body of 2 MiB can carry less than this. */
export const RECORD_BYTES_MAX = 2 * 1024 * 1024;

/** The version of the record format that this file reads and writes. */
export const RECORD_VERSION = 0;

/** A record's outer shape. An entry's own fields belong to its kind (record-log/kinds). */
export interface RecordFrame {
  readonly prev: AnyHash | null;
  readonly version: number;
  readonly time: Timestamp;
  readonly entries: readonly ProtoMessage[];
}

/** What {@link encodeRecordFrame} writes: entries already encoded by their kinds. */
export interface EncodableFrame {
  readonly prev: AnyHash | null;
  readonly time: Timestamp;
  readonly entries: readonly Uint8Array[];
}

/**
 * Decodes `PackageRecord` or `OperatorRecord`: their outer shapes are equal (spec/encodings.md).
 * Throws `wire/protobuf`, `wire/too-large`, `text/hash`.
 */
export function decodeRecordFrame(contents: Uint8Array): RecordFrame {
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
  };
}

/** Writes a version 0 record exactly as the Rust crates do. */
export function encodeRecordFrame(frame: EncodableFrame): Uint8Array {
  const writer = new ProtoWriter();
  if (frame.prev !== null) writer.message(1, utf8(frame.prev));
  writer.varint(2, RECORD_VERSION);
  writer.message(3, new ProtoWriter().varint(1, frame.time.seconds).varint(2, frame.time.nanos).finish());
  for (const entry of frame.entries) writer.message(4, entry);
  return writer.finish();
}
