import { contentStoreSuite } from '../../src/blobs/conformance.ts';
import { openContentMemory } from '../../src/blobs/memory/content-memory.ts';

contentStoreSuite('memory', async () => {
  const kept = new Map();
  const open = () => openContentMemory(kept, Date.now);
  return { store: open(), reopen: async () => open(), dispose: async () => kept.clear() };
});
