import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { brotliCompressSync, constants } from 'node:zlib';
import { digestHex, digestOf } from '@waybill/protocol';
import { ContentSplitter, encodePartsList, type ContentPart } from '@waybill/protocol/content';
import { succeeds } from './command.ts';
import { peerPath, peerTest } from './peers.ts';
import { newWaybillPerson } from './person.ts';
import { startRecordingProxy } from './recording-proxy.ts';
import { startWaybill, type Registry } from './registry.ts';
import { assertSameBytes, newHome, openScene } from './scene.ts';

/** Of the second component: parts and list, and both as they travel. */
const MOVED_SHARE_MAX = 0.065;
const COMPRESSED_SHARE_MAX = 0.03;
const BROTLI_LEVEL = 4;
/** Of the second component, by which everything that the server keeps grows. */
const STORED_SHARE_MAX = 0.07;
/** Until the server has packed it, on a busy machine. */
const PACK_MS_MAX = 300_000;

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

peerTest('`get` of the second moves, and the server stores, what is new in it', ['components'], async (t) => {
  const [first, second] = ['hello', 'add'].map((name) => path.join(peerPath('components'), `${name}.wasm`));
  assert.ok(first && second);
  const { folder, registry } = await openScene(t, { start: startWaybill, newcomer: newWaybillPerson });
  const data = path.join(folder, 'registry');
  const owner = await newWaybillPerson(registry.url, newHome(folder));
  await succeeds(owner.release('test:hello', '1.0.0', first));
  // The list of the first is none of what the second costs.
  await fetchList(registry, first);
  const before = bytesBelow(data);
  await succeeds(owner.release('test:add', '1.0.0', second));
  const { size } = statSync(second);
  const movedShares: number[] = [];
  for (const dropped of [['accept-encoding'], []]) {
    const proxy = await startRecordingProxy(registry.url, dropped);
    t.after(() => proxy.stop());
    const reader = await newWaybillPerson(proxy.url, newHome(folder));
    await succeeds(reader.download('test:hello', null, path.join(reader.home, 'hello.wasm')));
    const earlier = proxy.bytesMoved();
    const received = path.join(reader.home, 'add.wasm');
    await succeeds(reader.download('test:add', null, received));
    movedShares.push((proxy.bytesMoved() - earlier) / size);
    assertSameBytes(received, second);
  }
  await untilPacked(data, [first, second]);
  const stored = (bytesBelow(data) - before) / size;
  const [raw = 1, packed = 1] = movedShares;
  t.diagnostic(`moved ${raw.toFixed(4)} raw, ${packed.toFixed(4)} packed; stored ${stored.toFixed(4)}`);
  assert.ok(raw <= MOVED_SHARE_MAX, `${raw}`);
  assert.ok(packed <= COMPRESSED_SHARE_MAX, `${packed}`);
  assert.ok(stored <= STORED_SHARE_MAX, `${stored}`);
});

async function fetchList({ url }: Registry, file: string): Promise<void> {
  const answer = await fetch(new URL(`api/v1/content/${digestOf(readFileSync(file))}/parts`, url));
  assert.equal(answer.status, 200);
  await answer.arrayBuffer();
}

/** Until one of them is slices of the other, and no longer stands alone beside that. */
async function untilPacked(data: string, files: readonly string[]): Promise<void> {
  const names = files.map((file) => digestHex(digestOf(readFileSync(file))));
  const isKept = (kind: string, name: string): boolean =>
    existsSync(path.join(data, 'content', kind, name.slice(0, 2), name));
  const giveUpAtMs = Date.now() + PACK_MS_MAX;
  while (!names.some((name) => isKept('shared', name) && !isKept('sha256', name))) {
    assert.ok(Date.now() < giveUpAtMs, 'nothing is stored as slices');
    await pause(100);
  }
}

/** Of all files: content, lists, rows, and whatever else the server keeps. */
function bytesBelow(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}
