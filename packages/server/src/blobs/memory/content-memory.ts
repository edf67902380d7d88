import { concatBytes, RegistryError, type Digest } from '@waybill/protocol';
import type { ByteRange, Clock, ContentStore, ContentUpload } from '../../core/ports.ts';

interface Kept {
  readonly bytes: Uint8Array;
  readonly keptAtMs: number;
}

/** Content in memory: for tests. Stores over one map see each other's content. */
export function openContentMemory(kept: Map<Digest, Kept>, clock: Clock): ContentStore {
  return {
    size: async (digest) => kept.get(digest)?.bytes.length ?? null,
    keptAtMs: async (digest) => kept.get(digest)?.keptAtMs ?? null,
    startUpload: async () => startUpload(kept, clock),
    async keepBytes(digest, bytes) {
      kept.set(digest, { bytes: bytes.slice(), keptAtMs: clock() });
    },
    read: (digest, range) => read(kept, digest, [range]),
    readSlices: (digest, ranges) => read(kept, digest, ranges),
    async *list() {
      yield* kept.keys();
    },
  };
}

function startUpload(kept: Map<Digest, Kept>, clock: Clock): ContentUpload {
  const chunks: Uint8Array[] = [];
  return {
    async write(chunk) {
      chunks.push(chunk.slice());
    },
    async keep(digest) {
      kept.set(digest, { bytes: concatBytes(...chunks), keptAtMs: clock() });
    },
    async discard() {
      chunks.length = 0;
    },
  };
}

async function* read(
  kept: ReadonlyMap<Digest, Kept>,
  digest: Digest,
  ranges: readonly ByteRange[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const content = kept.get(digest);
  if (content === undefined) throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
  for (const { start, end } of ranges) {
    if (end > start) yield content.bytes.slice(start, end);
    if (end > content.bytes.length) throw new RegistryError('storage/damaged', `the content ends before ${end}`);
  }
}
