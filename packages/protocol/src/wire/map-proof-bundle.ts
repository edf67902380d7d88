import { ProtoMessage, ProtoWriter } from '../bytes/protobuf.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { isRegistryError, RegistryError } from '../errors.ts';

/** Height of the map: a longer list of siblings is refused (the Rust reader underflows). */
export const MAP_HEIGHT = 256;

/** Most proofs in one bundle. */
const PROOFS_MAX = 8_192;

/** Siblings from the bottom up; what is missing below is empty. `null` stands for the empty subtree of its height. */
export type MapProof = readonly (Uint8Array | null)[];

/** One proof for each key asked for, in that order (spec/merkle.md 3). */
export interface MapProofBundle {
  readonly proofs: readonly MapProof[];
}

export function encodeMapProofBundle(bundle: MapProofBundle): Uint8Array {
  const writer = new ProtoWriter();
  for (const siblings of bundle.proofs) {
    const proof = new ProtoWriter();
    for (const hash of siblings) {
      proof.message(1, hash === null ? new Uint8Array() : new ProtoWriter().message(1, hash).finish());
    }
    writer.message(1, proof.finish());
  }
  return writer.finish();
}

/** Throws `proof/malformed`. */
export function decodeMapProofBundle(bytes: Uint8Array): MapProofBundle {
  try {
    const bundle = ProtoMessage.decode(bytes);
    if (bundle.count(1) > PROOFS_MAX) throw malformed(`more than ${PROOFS_MAX} proofs`);
    const proofs = bundle.repeatedMessages(1);
    return { proofs: proofs.map((proof) => proof.repeatedMessages(1).map(readSibling)).map(boundedProof) };
  } catch (thrown) {
    if (isRegistryError(thrown, 'wire/protobuf')) throw malformed(thrown.message);
    throw thrown;
  }
}

function readSibling(message: ProtoMessage): Uint8Array | null {
  const hash = message.repeatedBytes(1).at(-1) ?? null;
  if (hash !== null && hash.length !== HASH_BYTES) throw malformed('a hash is not 32 bytes long');
  return hash;
}

function boundedProof(siblings: MapProof): MapProof {
  if (siblings.length > MAP_HEIGHT) throw malformed(`more than ${MAP_HEIGHT} siblings`);
  return siblings;
}

function malformed(why: string): RegistryError {
  return new RegistryError('proof/malformed', `malformed map proof: ${why}`);
}
