import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SEED } from '@waybill/tools/test-scale';
import { isRegistryError } from '../../src/errors.ts';
import { digestOf } from '../../src/names/digest.ts';
import { utf8 } from '../../src/bytes/byte-array.ts';
import {
  decodeTreeIndex,
  encodeTreeIndex,
  TREE_FILES_MAX,
  TREE_INDEX_BYTES_MAX,
} from '../../src/content/tree/tree-index.ts';

/** A valid case has `files` and `digest`; `expect` is `ok` or the code. */
interface IndexVector {
  readonly name: string;
  readonly files?: readonly { readonly path: string; readonly text: string }[];
  readonly index: string;
  readonly digest?: string;
  readonly expect: string;
}

const VECTORS: readonly IndexVector[] = JSON.parse(
  readFileSync(new URL('../../../../../vectors/tree/index.json', import.meta.url), 'utf8'),
);

/** The index as the proposal says it, by nothing that the package has. */
function plainIndex(files: readonly { readonly path: string; readonly text: string }[]): Buffer {
  const entries = files.map(({ path, text }) => ({ path: Buffer.from(path), text }));
  entries.sort((a, b) => Buffer.compare(a.path, b.path));
  return Buffer.concat(
    entries.flatMap(({ path, text }) => {
      const length = Buffer.alloc(2);
      length.writeUInt16LE(path.length);
      return [createHash('sha256').update(text).digest(), length, path];
    }),
  );
}

function outcome(work: () => unknown): string {
  try {
    work();
    return 'ok';
  } catch (thrown) {
    if (isRegistryError(thrown)) return thrown.code;
    throw thrown;
  }
}

test('vectors of content indexes: W3: nothing but files below the folder, each once', () => {
  for (const { name, files, index, digest, expect } of VECTORS) {
    const bytes = Buffer.from(index, 'hex');
    assert.equal(
      outcome(() => decodeTreeIndex(bytes)),
      expect,
      name,
    );
    if (files === undefined) continue;
    assert.equal(plainIndex(files).toString('hex'), index, name);
    assert.equal(`sha256:${createHash('sha256').update(bytes).digest('hex')}`, digest, name);
    const tree = files.map(({ path, text }) => ({ path, digest: digestOf(utf8(text)) }));
    assert.equal(Buffer.from(encodeTreeIndex(tree)).toString('hex'), index, name);
    assert.equal(Buffer.from(encodeTreeIndex(tree.toReversed())).toString('hex'), index, name);
    const decoded = new Map(decodeTreeIndex(bytes).map((file) => [file.path, file.digest]));
    assert.deepEqual(decoded, new Map(tree.map((file) => [file.path, file.digest])), name);
  }
});

test('an index that is read is the one that would be written: no change of a byte leads to the same tree', () => {
  const index = plainIndex(['a', 'b/c', 'b/d', 'e.txt'].map((path) => ({ path, text: path })));
  const tree = JSON.stringify(decodeTreeIndex(index));
  for (let at = 0; at < index.length; at++) {
    for (let value = 0; value < 256; value++) {
      if (value === index[at]) continue;
      const changed = Buffer.from(index);
      changed[at] = value;
      if (outcome(() => decodeTreeIndex(changed)) !== 'ok') continue;
      const files = decodeTreeIndex(changed);
      assert.notEqual(JSON.stringify(files), tree);
      assert.deepEqual(Buffer.from(encodeTreeIndex(files)), changed);
    }
  }
});

test('W3: an index has a limit of entries and of bytes, checked before the work', () => {
  const files = Array.from({ length: TREE_FILES_MAX + 1 }, (_, i) => ({ path: `f${i}`, text: '' }));
  assert.equal(
    outcome(() => decodeTreeIndex(plainIndex(files))),
    'content/tree',
  );
  assert.equal(
    outcome(() => decodeTreeIndex(plainIndex(files.slice(1)))),
    'ok',
  );
  assert.equal(
    outcome(() => decodeTreeIndex(new Uint8Array(TREE_INDEX_BYTES_MAX + 1))),
    'content/tree',
  );
});

/** Clause 4.5 word by word: every folder of every path by its folded text. */
function areApart(paths: readonly string[]): boolean {
  const written = new Map<string, string>();
  for (const path of paths) {
    const segments = path.split('/');
    for (let count = 1; count <= segments.length; count++) {
      const name = segments.slice(0, count).join('/');
      const kind = count === segments.length ? 'file' : 'folder';
      const folded = name.normalize('NFC').toUpperCase().toLowerCase();
      const before = written.get(folded);
      if (before !== undefined && (before !== `folder ${name}` || kind === 'file')) return false;
      written.set(folded, `${kind} ${name}`);
    }
  }
  return true;
}

test('W3: paths that a file system could take for one are found wherever they stand', () => {
  const segments = ['a', 'A', 'b', 'a!', 'a.', 'ß', 'SS', '\u00e9', 'e\u0301', '\u0301', 'ﬁ', 'FI'];
  const draw = (at: number): number => createHash('sha256').update(`${SEED}:${at}`).digest().readUInt32LE();
  let counts = { apart: 0, alike: 0 };
  for (let round = 0, at = 0; round < 5_000; round++) {
    const paths = Array.from({ length: 1 + (draw(at++) % 4) }, () =>
      Array.from({ length: 1 + (draw(at++) % 3) }, () => segments[draw(at++) % segments.length]).join('/'),
    );
    const index = plainIndex(paths.map((path) => ({ path, text: '' })));
    const isApart = areApart(paths);
    assert.equal(
      outcome(() => decodeTreeIndex(index)),
      isApart ? 'ok' : 'content/tree',
      paths.join(' '),
    );
    counts = isApart ? { ...counts, apart: counts.apart + 1 } : { ...counts, alike: counts.alike + 1 };
  }
  assert.ok(counts.apart > 500 && counts.alike > 500);
});

test('W3: an index of deep folders costs no more than its bytes', () => {
  const deep = '/a'.repeat(509);
  const files = Array.from({ length: 3_900 }, (_, i) => ({ path: `${String(i).padStart(5, '0')}${deep}`, text: '' }));
  const index = plainIndex(files);
  assert.ok(index.length > TREE_INDEX_BYTES_MAX * 0.95);
  const heap = process.memoryUsage().heapUsed;
  const start = process.cpuUsage();
  assert.equal(decodeTreeIndex(index).length, files.length);
  const { user } = process.cpuUsage(start);
  assert.ok(user < 3_000_000, `it took ${user / 1_000} ms`);
  assert.ok(process.memoryUsage().heapUsed - heap < 300_000_000);
});
