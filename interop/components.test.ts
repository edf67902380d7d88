import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { ContentSplitter, encodePartsList, type ContentPart } from '@waybill/protocol/content';
import { peerPath, peerTest } from './peers.ts';

/** Of the second component: parts and list, and both as they travel. */
const MOVED_SHARE_MAX = 0.065;
const COMPRESSED_SHARE_MAX = 0.03;
const BROTLI_LEVEL = 4;

peerTest('the second of two components moves what is new in it', ['components'], async (t) => {
  const folder = peerPath('components');
  const [first, second] = ['hello', 'add'].map((name) => readFileSync(path.join(folder, `${name}.wasm`)));
  assert.ok(first && second && first.length > 10_000_000);
  const known = new Set(partsOf(first).map(({ digest }) => digest));
  const parts = partsOf(second);
  let at = 0;
  const missing = parts.flatMap(({ digest, length }) => {
    const bytes = second.subarray(at, (at += length));
    return known.has(digest) ? [] : [bytes];
  });
  assert.equal(at, second.length);
  const list = encodePartsList(parts);
  const raw = Buffer.concat(missing);
  const packed = brotliCompressSync(raw, { params: { [constants.BROTLI_PARAM_QUALITY]: BROTLI_LEVEL } });
  const share = (raw.length + list.length) / second.length;
  const packedShare = (packed.length + list.length) / second.length;
  t.diagnostic(
    `${parts.length} parts, ${missing.length} new; ${share.toFixed(4)} raw, ${packedShare.toFixed(4)} packed`,
  );
  assert.ok(share <= MOVED_SHARE_MAX, `${share}`);
  assert.ok(packedShare <= COMPRESSED_SHARE_MAX, `${packedShare}`);
});

function partsOf(content: Uint8Array): readonly ContentPart[] {
  const splitter = new ContentSplitter();
  splitter.update(content);
  return splitter.finish();
}
