import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { concatBytes } from '../bytes/byte-array.ts';
import { isRegistryError, RegistryError } from '../errors.ts';
import { RECORD_BYTES_MAX } from './record.ts';

/** One signature as it travels, not yet judged. */
export interface EnvelopeSignature {
  readonly keyId: string;
  readonly signature: string;
}

/** A record as it travels: contents exactly as signed, the first signer's signature, and those of the others. */
export interface Envelope extends EnvelopeSignature {
  readonly contents: Uint8Array;
  /** Of version 1; what stands here in version 0 means nothing. */
  readonly cosignatures: readonly EnvelopeSignature[];
}

/** Shared by all records that have none. */
export const NO_COSIGNATURES: readonly EnvelopeSignature[] = [];

const LENGTH_BYTES = 4;
/** Contents at their limit, and room for key id, signature and framing. */
export const ENVELOPE_BYTES_MAX = RECORD_BYTES_MAX + 64 * 1024;

/** Decodes a protobuf `warg.protocol.Envelope`. Throws `wire/protobuf`. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const message = ProtoMessage.decode(bytes);
  return {
    contents: message.bytes(1),
    keyId: message.string(2),
    signature: message.string(3),
    cosignatures: readCosignatures(message),
  };
}

/** One that cannot be read is one by nobody: version 0 skips the field, whatever is in it, and version 1 refuses it then. */
function readCosignatures(message: ProtoMessage): readonly EnvelopeSignature[] {
  const parts = message.skippableBytes(4);
  return parts.length === 0 ? NO_COSIGNATURES : parts.map(readCosignature);
}

function readCosignature(bytes: Uint8Array): EnvelopeSignature {
  try {
    const message = ProtoMessage.decode(bytes);
    return { keyId: message.string(1), signature: message.string(2) };
  } catch (thrown) {
    if (isRegistryError(thrown)) return { keyId: '', signature: '' };
    throw thrown;
  }
}

/** Encodes a protobuf `warg.protocol.Envelope`. */
export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const writer = new ProtoWriter().bytes(1, envelope.contents).string(2, envelope.keyId).string(3, envelope.signature);
  return writeCosignatures(writer, envelope.cosignatures).finish();
}

function writeCosignatures(writer: ProtoWriter, cosignatures: readonly EnvelopeSignature[]): ProtoWriter {
  for (const { keyId, signature } of cosignatures) {
    writer.message(4, new ProtoWriter().string(1, keyId).string(2, signature).finish());
  }
  return writer;
}

/** Cosignatures as bytes of their own, for a store: an envelope without its other fields. Empty for none. */
export function encodeCosignatures(cosignatures: readonly EnvelopeSignature[]): Uint8Array {
  return writeCosignatures(new ProtoWriter(), cosignatures).finish();
}

/** What {@link encodeCosignatures} wrote. Throws `wire/protobuf`. */
export function decodeCosignatures(bytes: Uint8Array): readonly EnvelopeSignature[] {
  return bytes.length === 0 ? NO_COSIGNATURES : readCosignatures(ProtoMessage.decode(bytes));
}

/**
 * Reads the envelopes of a log file: each a u32 little-endian length and a protobuf Envelope. Throws `wire/protobuf` with
 * `detail.recordIndex` at the first that is truncated, oversized or malformed.
 */
export function* readLogFile(file: Uint8Array): Generator<Envelope, void, undefined> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  let offset = 0;
  for (let recordIndex = 0; offset < file.length; recordIndex++) {
    const length = offset + LENGTH_BYTES <= file.length ? view.getUint32(offset, true) : Number.POSITIVE_INFINITY;
    const start = offset + LENGTH_BYTES;
    if (length > ENVELOPE_BYTES_MAX || start + length > file.length) {
      throw new RegistryError('wire/protobuf', `record ${recordIndex} is truncated or oversized`, { recordIndex });
    }
    offset = start + length;
    yield readAt(file.subarray(start, offset), recordIndex);
  }
}

function readAt(bytes: Uint8Array, recordIndex: number): Envelope {
  try {
    return decodeEnvelope(bytes);
  } catch (cause) {
    throw new RegistryError('wire/protobuf', `record ${recordIndex} is no envelope`, { recordIndex }, { cause });
  }
}

/** One record of a log file, as {@link readLogFile} reads it. */
export function logFileRecord(envelope: Envelope): Uint8Array {
  const bytes = encodeEnvelope(envelope);
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, bytes.length, true);
  return concatBytes(length, bytes);
}
