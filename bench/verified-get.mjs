// What a client does at its first `get`, in memory: everything fetched, everything verified, every byte counted.
import {
  fetchContent,
  RegistryApi,
  RegistryClient,
  resolveRelease,
  Transport,
  TRANSPORT_LIMITS,
} from '@waybill/client';

/** Throws unless the release of `name` and its content are proven; gives bodies sent and received beyond the content, and ms. */
export async function firstVerifiedGet(url, name) {
  let bytes = 0;
  const counting = async (target, init) => {
    bytes += init.body === null || init.body === undefined ? 0 : Buffer.byteLength(init.body);
    const answer = await fetch(target, init);
    const body = new Uint8Array(await answer.arrayBuffer());
    bytes += body.length;
    return new Response(answer.status === 204 ? null : body, { status: answer.status, headers: answer.headers });
  };
  const startedMs = performance.now();
  const client = new RegistryClient({
    api: new RegistryApi(new Transport(new URL(url), counting, {}, TRANSPORT_LIMITS)),
    trust: memoryTrust(),
    logs: { read: async () => null, write: async () => undefined },
    expectedOperator: null,
    confirmOperator: async () => true,
    clock: Date.now,
    checkpointAgeSecondsMax: 86_400,
  });
  const { packages } = await client.view([name]);
  const { content } = resolveRelease(packages.get(name), { name, version: null }, 'pass over');
  const cache = memoryContent();
  await fetchContent(content, { client, cache, onProgress: () => undefined });
  return { bytes: bytes - cache.size, ms: performance.now() - startedMs };
}

function memoryTrust() {
  let standing = null;
  return {
    read: async () => standing,
    async replace(previous, remembered) {
      standing = { revision: (previous?.revision ?? 0) + 1, remembered };
      return true;
    },
    keepEvidence: async () => 'memory',
  };
}

function memoryContent() {
  const cache = {
    size: 0,
    read: async () => null,
    writer: async () => ({
      write: async (chunk) => void (cache.size += chunk.length),
      keep: async () => undefined,
      discard: async () => undefined,
    }),
    forget: async () => undefined,
  };
  return cache;
}
