import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { isRegistryError, RegistryError } from '../errors.ts';

/** Proofs of Warg write sizes and node indexes as u32. */
const UINT32_MAX = 0xffff_ffff;

/** Most leaves, older sizes and hashes in one bundle; 31 levels for every leaf and peak stay below the last. */
const INCLUDED_MAX = 8_192;
const CONSISTENT_MAX = 64;
const HASHES_MAX = 2 ** 19;

/** A hash of the log tree with its in-order node index. */
export interface BundleHash {
  readonly index: number;
  readonly hash: Uint8Array;
}

/** Any number of proofs to one common size (spec/merkle.md 2). Indexes are node indexes: leaf i is node 2i. */
export interface LogProofBundle {
  readonly logLength: number;
  readonly consistentLengths: readonly number[];
  readonly includedIndices: readonly number[];
  /** Strictly ascending by index. */
  readonly hashes: readonly BundleHash[];
}

/** Throws `request/unsupported` for a tree that u32 cannot describe. */
export function encodeLogProofBundle(bundle: LogProofBundle): Uint8Array {
  const indexes = bundle.hashes.map(({ index }) => index);
  const numbers = [bundle.logLength, ...bundle.consistentLengths, ...bundle.includedIndices, ...indexes];
  if (numbers.some((number) => number > UINT32_MAX)) {
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
    const consistentLengths = message.repeatedInt32(2).map(unsigned);
    const includedIndices = message.repeatedInt32(3).map(unsigned);
    requireAtMost(CONSISTENT_MAX, consistentLengths);
    requireAtMost(INCLUDED_MAX, includedIndices);
    requireAtMost(HASHES_MAX, hashes);
    return { logLength: message.uint32(1), consistentLengths, includedIndices, hashes };
  } catch (thrown) {
    if (isRegistryError(thrown, 'wire/protobuf')) throw malformed(thrown.message);
    throw thrown;
  }
}

function unsigned(value: number): number {
  return value < 0 ? value + 2 ** 32 : value;
}

function requireAtMost(count: number, list: readonly unknown[]): void {
  if (list.length > count) throw malformed(`more than ${count} items in one list`);
}

function malformed(why: string): RegistryError {
  return new RegistryError('proof/malformed', `malformed log proof: ${why}`);
}
