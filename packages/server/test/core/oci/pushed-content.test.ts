import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes, parsePackageName, parseVersion } from '@waybill/protocol';
import { examineContent, type PushedBytes } from '../../../src/core/oci/pushed-content.ts';

const PREAMBLE = Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
const IMPORT_SECTION = 2;
const CODE_SECTION = 10;
const MIB = 1024 * 1024;
const PLACE = {
  releases: [{ name: parsePackageName('demo:large'), version: parseVersion('1.0.0') }],
  policy: 'wasm',
} as const;

function section(id: number, contents: Uint8Array): Uint8Array {
  const size = [0, 7, 14, 21, 28].map((shift, i) => ((contents.length >>> shift) & 0x7f) | (i < 4 ? 0x80 : 0));
  return concatBytes(Uint8Array.of(id, ...size), contents);
}

/** Bytes in chunks, and how many were asked for. */
function counted(bytes: Uint8Array): { readonly pushed: PushedBytes; readonly read: () => number } {
  let count = 0;
  const read: PushedBytes['read'] = async function* ({ start, end }) {
    for (let at = start; at < end; at += 50_000) {
      const chunk = bytes.slice(at, Math.min(end, at + 50_000));
      count += chunk.length;
      yield chunk;
    }
  };
  return { pushed: { size: bytes.length, read }, read: () => count };
}

test('of a large module nobody reads the code', async () => {
  const { pushed, read } = counted(
    concatBytes(PREAMBLE, section(CODE_SECTION, new Uint8Array(20 * MIB)), section(11, new Uint8Array(3 * MIB))),
  );
  assert.equal((await examineContent(pushed, PLACE)).mediaTypes.at(-1), 'application/wasm');
  assert.ok(read() < MIB, `${read()} bytes were read`);
});

test('of a module of many sections each byte is read once at most', async () => {
  const sections = Array.from({ length: 2_000 }, () => section(CODE_SECTION, new Uint8Array(1_000)));
  const { pushed, read } = counted(concatBytes(PREAMBLE, ...sections));
  await examineContent(pushed, PLACE);
  assert.ok(read() <= pushed.size, `${read()} of ${pushed.size} bytes were read`);
});

test('what cannot be decoded is WebAssembly where its sections end as they should', async () => {
  const { pushed } = counted(concatBytes(PREAMBLE, section(IMPORT_SECTION, Uint8Array.of(0xff))));
  assert.deepEqual((await examineContent(pushed, PLACE)).mediaTypes, ['application/wasm']);
});

for (const [title, bytes] of [
  ['no preamble', new Uint8Array(1_000)],
  [
    'a section that goes on after the end',
    concatBytes(PREAMBLE, section(CODE_SECTION, new Uint8Array(5 * MIB))).slice(0, -1),
  ],
] as const) {
  test(`bytes with ${title} are refused`, async () => {
    await assert.rejects(examineContent(counted(bytes).pushed, PLACE), /no WebAssembly/);
  });
}
