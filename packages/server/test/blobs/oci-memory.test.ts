import { digestOf } from '@waybill/protocol';
import { ociBlobSuite } from '../../src/blobs/oci-conformance.ts';
import { emptyOciBlobMemory, openOciMemory } from '../../src/blobs/oci-memory/oci-memory.ts';

ociBlobSuite('memory', async () => {
  const memory = emptyOciBlobMemory();
  return {
    ...openOciMemory(memory, Date.now),
    reopen: async () => openOciMemory(memory, Date.now),
    async keepContent(bytes) {
      memory.content.set(digestOf(bytes), bytes);
      return digestOf(bytes);
    },
    readContent: async (digest) => memory.content.get(digest) ?? null,
    dispose: async () => undefined,
  };
});
