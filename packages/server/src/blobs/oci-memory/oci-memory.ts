import { createHash, randomUUID } from 'node:crypto';
import { concatBytes, RegistryError, type Digest } from '@waybill/protocol';
import { algorithmOf, parseOciDigest, type OciDigest } from '@waybill/protocol/oci';
import type { BlobStore, UploadSession, UploadStore } from '../../core/oci-ports.ts';
import type { ByteRange, Clock } from '../../core/ports.ts';

interface Kept {
  readonly bytes: Uint8Array;
  readonly keptAtMs: number;
}

interface Begun {
  readonly session: UploadSession;
  readonly bytes: Uint8Array;
}

/** What stores over one state share, as processes do a folder. */
export interface OciBlobMemory {
  readonly blobs: Map<OciDigest, Kept>;
  readonly sessions: Map<string, Begun>;
  /** Content of the log that can be adopted, and what was given to it. */
  readonly content: Map<Digest, Uint8Array>;
}

export function emptyOciBlobMemory(): OciBlobMemory {
  return { blobs: new Map(), sessions: new Map(), content: new Map() };
}

/** Blobs and uploads in memory: for tests. */
export function openOciMemory(
  memory: OciBlobMemory,
  clock: Clock,
): { readonly blobs: BlobStore; readonly uploads: UploadStore } {
  return { blobs: blobsOf(memory, clock), uploads: uploadsOf(memory, clock) };
}

function blobsOf({ blobs, content }: OciBlobMemory, clock: Clock): BlobStore {
  const required = (digest: OciDigest): Kept => {
    const kept = blobs.get(digest);
    if (kept === undefined) throw new RegistryError('oci/blob-unknown', `there is no blob ${digest}`, { digest });
    return kept;
  };
  return {
    size: async (digest) => blobs.get(digest)?.bytes.length ?? null,
    keptAtMs: async (digest) => blobs.get(digest)?.keptAtMs ?? null,
    read: (digest, range) => read(() => required(digest).bytes, range),
    async makeDurable(digests) {
      for (const digest of digests) required(digest);
    },
    async *list() {
      yield* blobs.keys();
    },
    async delete(digest) {
      blobs.delete(digest);
    },
    async adoptContent(digest) {
      const bytes = content.get(digest);
      if (bytes === undefined)
        throw new RegistryError('content/not-found', `there is no content ${digest}`, { digest });
      blobs.set(parseOciDigest(digest), { bytes, keptAtMs: clock() });
    },
    async giveToContent(digest) {
      content.set(digest, required(parseOciDigest(digest)).bytes);
    },
  };
}

async function* read(find: () => Uint8Array, { start, end }: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
  const bytes = find();
  if (end > start) yield bytes.slice(start, end);
  if (end > bytes.length) throw new RegistryError('storage/damaged', `the blob ends before ${end}`);
}

function uploadsOf({ blobs, sessions }: OciBlobMemory, clock: Clock): UploadStore {
  const required = (id: string): Begun => {
    const begun = sessions.get(id);
    if (begun === undefined) throw new RegistryError('oci/upload-unknown', `there is no upload ${id}`, { id });
    return begun;
  };
  const set = (id: string, bytes: Uint8Array): void => {
    const session = { ...required(id).session, length: bytes.length, touchedAtMs: clock() };
    sessions.set(id, { session, bytes });
  };
  return {
    async start({ repository, account }) {
      const now = clock();
      const session = { id: randomUUID(), repository, account, startedAtMs: now, touchedAtMs: now, length: 0 };
      sessions.set(session.id, { session, bytes: new Uint8Array(0) });
      return session;
    },
    find: async (id) => sessions.get(id)?.session ?? null,
    async append(id, body, bytesMax) {
      required(id);
      for await (const chunk of body) {
        const { bytes } = required(id);
        if (bytes.length + chunk.length > bytesMax)
          throw new RegistryError('oci/size', `a blob has at most ${bytesMax} bytes`, { bytesMax });
        set(id, concatBytes(bytes, chunk));
      }
      return required(id).session.length;
    },
    truncate: async (id, length) => set(id, required(id).bytes.slice(0, length)),
    async finish(id, digest) {
      const { bytes } = required(id);
      sessions.delete(id);
      const algorithm = algorithmOf(digest);
      if (`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` !== digest)
        throw new RegistryError('oci/digest-mismatch', `what was uploaded is not ${digest}`, { digest });
      blobs.set(digest, { bytes, keptAtMs: clock() });
      return bytes.length;
    },
    cancel: async (id) => sessions.delete(id),
    async *list() {
      for (const { session } of sessions.values()) yield session;
    },
  };
}
