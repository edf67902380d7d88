import assert from 'node:assert/strict';
import { readWasm } from '@waybill/protocol/content';
import { corpusFiles, corpusPath, readCorpusFile, type CorpusFile } from './corpus.ts';
import { peerTest } from './peers.ts';
import { ourReading, ourWit } from './wasm-reading.ts';
import { peerReading, peerWit } from './wasm-tools.ts';

for (const file of corpusFiles()) peerTest(`corpus: ${file.title}`, ['corpus', 'wasm-tools'], () => checkReading(file));

async function checkReading(file: CorpusFile): Promise<void> {
  const bytes = readCorpusFile(file);
  const kept = corpusPath(file);
  const ours = ourReading(bytes);
  const theirs = peerReading(kept);
  assert.deepEqual(ours, theirs);
  const outline = readWasm(bytes);
  assert.deepEqual(outline.notAnalysed, []);
  if (outline.kind === 'module') return;
  const wit = peerWit(kept);
  assert.equal(outline.kind, wit.startsWith('package root:component;') ? 'component' : 'wit-package');
  assert.equal(ourWit(bytes), wit);
}
