import { ociStoreSuite } from '../../src/storage/oci-conformance.ts';
import { emptyOciMemoryState, OciMemoryStore } from '../../src/storage/oci-memory/oci-memory-store.ts';

ociStoreSuite('memory', async () => {
  const state = emptyOciMemoryState();
  const store = new OciMemoryStore(state);
  return { store, reopen: async () => new OciMemoryStore(state), dispose: () => store.close() };
});
