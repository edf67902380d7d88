import { registryStoreSuite } from '../../src/storage/conformance.ts';
import { emptyMemoryState, MemoryStore } from '../../src/storage/memory/memory-store.ts';

registryStoreSuite('memory', async () => {
  const state = emptyMemoryState();
  const store = new MemoryStore(state);
  return { store, reopen: async () => new MemoryStore(state), dispose: async () => store.close() };
});
