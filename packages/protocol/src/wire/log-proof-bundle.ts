import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { isRegistryError, RegistryError } from '../errors.ts';

/** Proofs of Warg write sizes and node indexes as u32. */
const UINT32_MAX = 0xffff_ffff;

/** A hash of the log tree with its in-order node index. */
export interface BundleHash {
  readonly index: number;
  readonly hash: Uint8Array;
}

/** Any number of proofs to one common size (warg.md 5.2). Indexes are node indexes: leaf i is node 2i. */
export interface LogProofBundle {
  readonly logLength: number;
  readonly consistentLengths: readonly number[];
  readonly includedIndices: readonly number[];
  /** Strictly ascending by index. */
  readonly hashes: readonly BundleHash[];
}

/** Throws `request/unsupported` for a tree that u32 cannot describe. */
export function encodeLogProofBundle(bundle: LogProofBundle): Uint8Array {
  const numbers = [...bundle.consistentLengths, ...bundle.includedIndices, ...bundle.hashes.map(({ index }) => index)];
  if (Math.max(bundle.logLength, ...numbers) > UINT32_MAX) {
    throw new RegistryError('request/unsupported', 'the log is too long for proofs with 32-bit indexes');
  }
  const writer = new ProtoWriter()
    .varint(1, bundle.logLength)
    .packed(2, bundle.consistentLengths)
    .packed(3, bundle.includedIndices);
  for (const { index, hash } of bundle.hashes) {
    writer.message(4, new ProtoWriter().varint(1, index).bytes(2, hash).finish());
  }
  return writer.finish();
}

/** Throws `proof/malformed`. */
export function decodeLogProofBundle(bytes: Uint8Array): LogProofBundle {
  try {
    const message = ProtoMessage.decode(bytes);
    const hashes = message.repeatedMessages(4).map((entry) => ({ index: entry.uint32(1), hash: entry.bytes(2) }));
    for (const [i, { index, hash }] of hashes.entries()) {
      if (hash.length !== HASH_BYTES) throw malformed('a hash is not 32 bytes long');
      if (i > 0 && index <= (hashes[i - 1]?.index ?? 0)) throw malformed('hashes are not in ascending order');
    }
    const unsigned = (value: number): number => (value < 0 ? value + 2 ** 32 : value);
    return {
      logLength: message.uint32(1),
      consistentLengths: message.repeatedInt32(2).map(unsigned),
      includedIndices: message.repeatedInt32(3).map(unsigned),
      hashes,
    };
  } catch (thrown) {
    if (isRegistryError(thrown, 'wire/protobuf')) throw malformed(thrown.message);
    throw thrown;
  }
}

function malformed(why: string): RegistryError {
  return new RegistryError('proof/malformed', `malformed log proof: ${why}`);
}
