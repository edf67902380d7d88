import assert from 'node:assert/strict';
import {
  fetchContent,
  parseRequirement,
  RegistryApi,
  RegistryClient,
  resolveRelease,
  Transport,
  TRANSPORT_LIMITS,
  type ContentCache,
  type Fetch,
  type LogCache,
  type TrustRevision,
  type TrustStore,
} from '@waybill/client';
import { digestOf, concatBytes, type Digest, type LogId, type wargApi } from '@waybill/protocol';
import { verifiedPackage } from '../../src/commands/get.ts';

/** What a reader has on its disk. */
export interface Memory {
  trust: TrustRevision | null;
  readonly logs: Map<LogId, readonly wargApi.PublishedRecord[]>;
  readonly contents: Map<Digest, Uint8Array>;
  evidence: number;
}

export function emptyMemory(): Memory {
  return { trust: null, logs: new Map(), contents: new Map(), evidence: 0 };
}

/** What is changed in the copy does not show in the original: stored values are replaced, never written to. */
export function copyOf({ trust, logs, contents, evidence }: Memory): Memory {
  return { trust, logs: new Map(logs), contents: new Map(contents), evidence };
}

export interface ReaderParts {
  readonly memory: Memory;
  readonly fetch: Fetch;
  readonly operatorKeyId: Digest;
  /** Unix milliseconds. */
  readonly nowMs: number;
}

/** Gets what a requirement means: the steps of `waybill get`, on memory instead of files. Gives the version and the bytes. */
export async function readPackage(
  target: string,
  { memory, fetch, operatorKeyId, nowMs }: ReaderParts,
): Promise<{ readonly version: string; readonly bytes: Uint8Array }> {
  const client = new RegistryClient({
    api: new RegistryApi(new Transport(new URL('http://registry.test/'), fetch, {}, TRANSPORT_LIMITS)),
    trust: trustIn(memory),
    logs: logsIn(memory),
    expectedOperator: operatorKeyId,
    confirmOperator: async () => false,
    clock: () => nowMs,
    checkpointAgeSecondsMax: 86_400,
  });
  const requirement = parseRequirement(target);
  const { release, content } = resolveRelease(await verifiedPackage(client, requirement), requirement, 'pass over');
  const cache = contentIn(memory);
  await client.reading(() => fetchContent(content, { client, cache, onProgress: () => undefined }));
  const bytes = memory.contents.get(content) ?? assert.fail('the content is not in the cache');
  assert.equal(digestOf(bytes), content);
  return { version: release.version, bytes };
}

function trustIn(memory: Memory): TrustStore {
  return {
    read: async () => memory.trust,
    async replace(previous, remembered) {
      if (previous !== memory.trust) return false;
      memory.trust = { revision: (previous?.revision ?? 0) + 1, remembered };
      return true;
    },
    async keepEvidence() {
      memory.evidence++;
      return 'memory';
    },
  };
}

function logsIn(memory: Memory): LogCache {
  return {
    read: async (logId) => memory.logs.get(logId) ?? null,
    write: async (logId, records) => void memory.logs.set(logId, records),
  };
}

function contentIn(memory: Memory): ContentCache {
  return {
    parts: null,
    async read(digest) {
      const bytes = memory.contents.get(digest);
      return bytes === undefined ? null : chunksOf(bytes);
    },
    size: async (digest) => memory.contents.get(digest)?.length ?? null,
    async writer(digest) {
      const chunks: Uint8Array[] = [];
      return {
        write: async (chunk) => void chunks.push(chunk.slice()),
        keep: async () => void memory.contents.set(digest, concatBytes(...chunks)),
        discard: async () => undefined,
      };
    },
    forget: async (digest) => void memory.contents.delete(digest),
  };
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
