import { registryStoreSuite } from '../../src/storage/conformance.ts';
import { emptyMemoryState } from '../../src/storage/memory/memory-store.ts';
import { SimulatedStore } from './simulated-store.ts';

registryStoreSuite('simulated', async () => {
  const state = emptyMemoryState();
  const store = new SimulatedStore(state);
  return { store, reopen: async () => new SimulatedStore(state), dispose: async () => store.close() };
});
