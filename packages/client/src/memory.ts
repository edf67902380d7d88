import { RegistryError, type Digest, type LogId, type wargApi } from '@waybill/protocol';
import type { ContentCache, ContentWriter, LogCache, TrustRevision, TrustStore } from './ports.ts';

/** What a client remembers: of one registry, but for content, which any of them may share. */
export interface RegistryMemory {
  readonly trust: TrustStore;
  readonly logs: LogCache;
  readonly contents: ContentCache;
}

/** A memory that ends with the program, or with the page. */
export interface ShortMemory extends RegistryMemory {
  /** What a registry was caught at: texts of JSON, oldest first. */
  readonly evidence: readonly string[];
}

export interface MemoryLimits {
  /** Logs whose records are kept. */
  readonly logsMax: number;
  /** Bytes of these records, all together: whoever publishes decides how long a log is. A longer one is not kept. */
  readonly logsBytesMax: number;
  /** Bytes of content, all together; also of the largest one. */
  readonly contentBytesMax: number;
}

export const MEMORY_LIMITS: MemoryLimits = {
  logsMax: 1_000,
  logsBytesMax: 128 * 1024 * 1024,
  contentBytesMax: 1024 * 1024 * 1024,
};

const EVIDENCE_KEPT = 16;

/** What is used least goes first. */
export function openMemory(limits: MemoryLimits = MEMORY_LIMITS): ShortMemory {
  const evidence: string[] = [];
  return { trust: trustOf(evidence), logs: logsOf(limits), contents: contentsOf(limits.contentBytesMax), evidence };
}

function trustOf(evidence: string[]): TrustStore {
  let newest: TrustRevision | null = null;
  return {
    read: () => Promise.resolve(newest),
    replace(previous, remembered) {
      const isNewest = (newest?.revision ?? 0) === (previous?.revision ?? 0);
      if (isNewest) newest = { revision: (newest?.revision ?? 0) + 1, remembered };
      return Promise.resolve(isNewest);
    },
    keepEvidence(text) {
      // The first is worth most: what comes after may be no more than its echo.
      const isKept = evidence.length < EVIDENCE_KEPT;
      if (isKept) evidence.push(text);
      const place = isKept
        ? `evidence[${evidence.length - 1}]`
        : `not kept beside the ${EVIDENCE_KEPT} before it, evidence`;
      return Promise.resolve(`${place} of the memory of this program`);
    },
  };
}

interface KeptLog {
  readonly records: readonly wargApi.PublishedRecord[];
  readonly bytes: number;
}

function logsOf({ logsMax, logsBytesMax }: MemoryLimits): LogCache {
  const logs = new Map<LogId, KeptLog>();
  let all = 0;
  const drop = (logId: LogId): void => {
    all -= logs.get(logId)?.bytes ?? 0;
    logs.delete(logId);
  };
  return {
    read(logId) {
      const kept = logs.get(logId);
      if (kept !== undefined) touch(logs, logId, kept);
      return Promise.resolve(kept?.records ?? null);
    },
    write(logId, records) {
      drop(logId);
      const bytes = records.reduce((sum, record) => sum + bytesOf(record), 0);
      logs.set(logId, { records, bytes });
      all += bytes;
      for (const oldest of logs.keys()) {
        if (logs.size <= logsMax && all <= logsBytesMax) break;
        drop(oldest);
      }
      return Promise.resolve();
    },
  };
}

/** Objects around it cost too. */
const RECORD_BYTES = 512;

function bytesOf({ envelope, fetchToken }: wargApi.PublishedRecord): number {
  const { contents, keyId, signature, cosignatures } = envelope;
  const signed = [{ keyId, signature }, ...cosignatures].reduce(
    (sum, each) => sum + each.keyId.length + each.signature.length,
    0,
  );
  return RECORD_BYTES + contents.length + signed + fetchToken.length;
}

/** A map lists its keys in the order in which they came. */
function touch<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
}

interface KeptContent {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
}

function contentsOf(contentBytesMax: number): ContentCache {
  const contents = new Map<Digest, KeptContent>();
  return {
    read(digest) {
      const kept = contents.get(digest);
      if (kept === undefined) return Promise.resolve(null);
      touch(contents, digest, kept);
      return Promise.resolve(oneByOne(kept.chunks));
    },
    parts: null,
    size: (digest) => Promise.resolve(contents.get(digest)?.bytes ?? null),
    writer: (digest) => Promise.resolve(contentWriter(contents, digest, contentBytesMax)),
    forget(digest) {
      contents.delete(digest);
      return Promise.resolve();
    },
  };
}

async function* oneByOne(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void, undefined> {
  yield* chunks;
}

function contentWriter(contents: Map<Digest, KeptContent>, digest: Digest, bytesMax: number): ContentWriter {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    write(chunk) {
      bytes += chunk.length;
      if (bytes > bytesMax) {
        const message = `content ${digest} is over the ${bytesMax} bytes that this memory holds: keep it on a disk, or allow more`;
        return Promise.reject(new RegistryError('content/size', message));
      }
      chunks.push(chunk.slice());
      return Promise.resolve();
    },
    keep() {
      touch(contents, digest, { chunks, bytes });
      let all = 0;
      for (const kept of contents.values()) all += kept.bytes;
      for (const [oldest, kept] of contents) {
        if (all <= bytesMax) break;
        contents.delete(oldest);
        all -= kept.bytes;
      }
      return Promise.resolve();
    },
    discard: () => Promise.resolve(),
  };
}
