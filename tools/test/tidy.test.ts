import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { figuresOf, findingsIn } from './fixture.ts';

/** A tree, and the file and line of the one finding it must cause; `null` if it is in order. */
interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly expect: string | null;
}

const PROTOCOL = 'packages/protocol/src';
const SERVER = 'packages/server/src';
const MANIFEST = JSON.stringify({ dependencies: { hono: '1.0.0' } });
const EMPTY = 'export {};\n';

/** Words that tidy refuses are put together here, so that it accepts this file. */
const comment = (...parts: readonly string[]): string => `// ${parts.join('-')}\n`;
const functionOf = (lines: number): string => `function long() {\n${'  step();\n'.repeat(lines - 2)}}\n`;
const lines = (count: number): string => 'step();\n'.repeat(count);

const DIRECTION: readonly Case[] = [
  {
    name: 'a folder imports one below it',
    files: {
      [`${PROTOCOL}/names/digest.ts`]: "import '../bytes/hex.ts';\n",
      [`${PROTOCOL}/bytes/hex.ts`]: EMPTY,
    },
    expect: null,
  },
  {
    name: 'a folder imports one above it',
    files: {
      [`${PROTOCOL}/names/digest.ts`]: EMPTY,
      [`${PROTOCOL}/bytes/hex.ts`]: "\nimport '../names/digest.ts';\n",
    },
    expect: `${PROTOCOL}/bytes/hex.ts:2`,
  },
  {
    name: 'a type is imported against the direction',
    files: {
      [`${PROTOCOL}/names/digest.ts`]: EMPTY,
      [`${PROTOCOL}/bytes/hex.ts`]: "export type Name = import('../names/digest.ts').Digest;\n",
    },
    expect: `${PROTOCOL}/bytes/hex.ts:1`,
  },
  {
    name: 'a folder without a row',
    files: { [`${PROTOCOL}/extras/a.ts`]: EMPTY },
    expect: `${PROTOCOL}/extras/a.ts:1`,
  },
  { name: 'a package without rows', files: { 'packages/new/src/a.ts': EMPTY }, expect: 'packages/new/src/a.ts:1' },
  {
    name: 'protocol names a Node.js module',
    files: { [`${PROTOCOL}/bytes/hex.ts`]: "import 'node:buffer';\n" },
    expect: `${PROTOCOL}/bytes/hex.ts:1`,
  },
  {
    name: 'the one platform file of protocol names node:crypto',
    files: { [`${PROTOCOL}/crypto/platform-node.ts`]: "import 'node:crypto';\n" },
    expect: null,
  },
  {
    name: 'the one platform file of protocol names another module',
    files: { [`${PROTOCOL}/crypto/platform-node.ts`]: "import 'node:fs';\n" },
    expect: `${PROTOCOL}/crypto/platform-node.ts:1`,
  },
  {
    name: 'a storage driver imports its own files and the ports',
    files: {
      [`${SERVER}/storage/sqlite/a.ts`]: "import './b.ts';\nimport '../../core/ports.ts';\n",
      [`${SERVER}/storage/sqlite/b.ts`]: EMPTY,
      [`${SERVER}/core/ports.ts`]: EMPTY,
    },
    expect: null,
  },
  {
    name: 'a storage driver imports its sibling',
    files: {
      [`${SERVER}/storage/sqlite/a.ts`]: "import '../memory/b.ts';\n",
      [`${SERVER}/storage/memory/b.ts`]: EMPTY,
    },
    expect: `${SERVER}/storage/sqlite/a.ts:1`,
  },
  {
    name: 'a storage driver imports a rule',
    files: {
      [`${SERVER}/storage/sqlite/a.ts`]: "import '../../core/submit.ts';\n",
      [`${SERVER}/core/submit.ts`]: EMPTY,
    },
    expect: `${SERVER}/storage/sqlite/a.ts:1`,
  },
  {
    name: 'one HTTP API imports another',
    files: { [`${SERVER}/http/warg/a.ts`]: "import '../api/b.ts';\n", [`${SERVER}/http/api/b.ts`]: EMPTY },
    expect: `${SERVER}/http/warg/a.ts:1`,
  },
  {
    name: 'HTTP imports storage',
    files: {
      [`${SERVER}/http/warg/a.ts`]: "import '../../storage/sqlite/b.ts';\n",
      [`${SERVER}/storage/sqlite/b.ts`]: EMPTY,
    },
    expect: `${SERVER}/http/warg/a.ts:1`,
  },
  {
    name: 'the witness imports the server',
    files: { 'packages/witness/src/follow.ts': "import '@waybill/server';\n" },
    expect: 'packages/witness/src/follow.ts:1',
  },
  {
    name: 'a declared dependency',
    files: { 'packages/server/package.json': MANIFEST, [`${SERVER}/http/app.ts`]: "import 'hono/router';\n" },
    expect: null,
  },
  {
    name: 'an undeclared dependency',
    files: { 'packages/server/package.json': MANIFEST, [`${SERVER}/http/app.ts`]: "import 'zod';\n" },
    expect: `${SERVER}/http/app.ts:1`,
  },
  {
    name: 'interop reaches into a package by path',
    files: { 'interop/a.ts': "import '../packages/client/src/b.ts';\n" },
    expect: 'interop/a.ts:1',
  },
];

const CODE: readonly Case[] = [
  {
    name: 'two files that import each other',
    files: { 'interop/a.ts': "import './b.ts';\n", 'interop/b.ts': "import type { A } from './a.ts';\n" },
    expect: 'interop/a.ts:1',
  },
  { name: 'a function at the limit', files: { 'interop/a.ts': functionOf(42) }, expect: null },
  {
    name: 'a function above the limit for one in a hundred',
    files: { 'interop/a.ts': functionOf(43) },
    expect: 'interop/a.ts:1',
  },
  {
    name: 'one long function among many',
    files: { 'interop/a.ts': functionOf(60) + 'const short = () => 1;\n'.repeat(100) },
    expect: null,
  },
  {
    name: 'one function above every limit among many',
    files: { 'interop/a.ts': functionOf(61) + 'const short = () => 1;\n'.repeat(100) },
    expect: 'interop/a.ts:1',
  },
  {
    name: 'comments and blank lines do not make a function long',
    files: { 'interop/a.ts': `function documented() {\n${'  // why\n\n'.repeat(50)}  step();\n}\n` },
    expect: null,
  },
  { name: 'one cast in 1,000 lines', files: { 'interop/a.ts': `const a = b as C;\n${lines(999)}` }, expect: null },
  { name: 'too many casts', files: { 'interop/a.ts': `\nconst a = b as C;\n${lines(400)}` }, expect: 'interop/a.ts:2' },
  {
    name: 'too many non-null assertions',
    files: { 'interop/a.ts': `const a = b!;\n${lines(400)}` },
    expect: 'interop/a.ts:1',
  },
  {
    name: 'as const and import as are no casts',
    files: { 'interop/a.ts': "import { a as b } from 'c';\nconst d = [b] as const;\n" },
    expect: null,
  },
  { name: 'any, however rare', files: { 'interop/a.ts': `let a: any;\n${lines(5_000)}` }, expect: 'interop/a.ts:1' },
  { name: 'a file named for nothing', files: { 'interop/utils.ts': EMPTY }, expect: 'interop/utils.ts:1' },
  { name: 'a folder named for nothing', files: { 'interop/common/a.ts': EMPTY }, expect: 'interop/common/a.ts:1' },
  {
    name: 'export * in an index',
    files: { 'interop/index.ts': "export * from './a.ts';\n" },
    expect: 'interop/index.ts:1',
  },
  { name: 'a re-export in an index', files: { 'interop/index.ts': "export { a } from './a.ts';\n" }, expect: null },
  {
    name: 'a re-export elsewhere',
    files: { 'interop/b.ts': "export { a } from './a.ts';\n" },
    expect: 'interop/b.ts:1',
  },
  { name: 'a re-exported type', files: { 'interop/b.ts': "export type { A } from './a.ts';\n" }, expect: null },
];

const TEXT: readonly Case[] = [
  { name: 'a silenced lint rule', files: { 'interop/a.ts': comment('oxlint', 'disable') }, expect: 'interop/a.ts:1' },
  { name: 'a silenced compiler', files: { 'interop/a.ts': comment('@ts', 'ignore') }, expect: 'interop/a.ts:1' },
  {
    name: 'a test that runs alone',
    files: { 'interop/a.test.ts': `${['test', 'only'].join('.')}('a');\n` },
    expect: 'interop/a.test.ts:1',
  },
  {
    name: 'a test that never runs',
    files: { 'interop/a.test.ts': `\n${['test', 'skip'].join('.')}('a');\n` },
    expect: 'interop/a.test.ts:2',
  },
  {
    name: 'a path of a machine',
    files: { 'README.md': `See ${['', 'work', 'main'].join('/')}.\n` },
    expect: 'README.md:1',
  },
  {
    name: 'a path of a site',
    files: { 'README.md': `See https://example.org${['', 'work', 'main'].join('/')}.\n` },
    expect: null,
  },
  {
    name: 'a package registry',
    files: { 'README.md': `\nSee ${['registry', 'npmjs', 'org'].join('.')}.\n` },
    expect: 'README.md:2',
  },
  { name: 'a huge file', files: { 'a.txt': 'a'.repeat(1024 * 1024 + 1) }, expect: 'a.txt:1' },
  { name: 'a link that leads nowhere', files: { 'README.md': 'See [this](docs/a.md).\n' }, expect: 'README.md:1' },
  { name: 'a link to a file', files: { 'README.md': 'See [this](docs/a.md#top).\n', 'docs/a.md': '' }, expect: null },
  {
    name: 'a promise kept by a test',
    files: { 'SECURITY.md': '| T1 | x | `a.test.ts › refuses` |\n', 'a.test.ts': "test('refuses');\n" },
    expect: null,
  },
  { name: 'a promise without a test', files: { 'SECURITY.md': '| T1 | x | |\n' }, expect: 'SECURITY.md:1' },
  {
    name: 'a promise with a missing test file',
    files: { 'SECURITY.md': '| T1 | x | `a.test.ts` |\n' },
    expect: 'SECURITY.md:1',
  },
  {
    name: 'a promise with a missing test',
    files: { 'SECURITY.md': '| T1 | x | `a.test.ts › refuses` |\n', 'a.test.ts': "test('accepts');\n" },
    expect: 'SECURITY.md:1',
  },
];

const vectorFile = (value: unknown): Readonly<Record<string, string>> => ({ 'vectors/a.json': JSON.stringify(value) });
const valid = { name: 'v', clause: '1', expect: 'ok' };
const invalid = { name: 'i', clause: '1', expect: 'text/digest' };

const VECTORS: readonly Case[] = [
  { name: 'as many invalid as valid cases', files: vectorFile([valid, invalid]), expect: null },
  {
    name: 'more valid than invalid cases',
    files: vectorFile({ cases: [valid, valid, invalid] }),
    expect: 'vectors/a.json:1',
  },
  { name: 'lists of valid and invalid cases', files: vectorFile({ valid: [valid], invalid: [invalid] }), expect: null },
  {
    name: 'a case without a clause',
    files: vectorFile([{ name: 'i', expect: 'text/digest' }]),
    expect: 'vectors/a.json:1',
  },
  {
    name: 'a case that expects nothing',
    files: vectorFile([invalid, { name: 'v', clause: '1' }]),
    expect: 'vectors/a.json:1',
  },
  { name: 'known values with a clause', files: vectorFile({ clause: '1', root: '00' }), expect: null },
  { name: 'known values without a clause', files: vectorFile({ root: '00' }), expect: 'vectors/a.json:1' },
  {
    name: 'a pair of files',
    files: { 'vectors/a-valid.json': JSON.stringify([valid]), 'vectors/a-invalid.json': JSON.stringify([invalid]) },
    expect: null,
  },
];

const GROUPS = { DIRECTION, CODE, TEXT, VECTORS };

for (const [group, cases] of Object.entries(GROUPS)) {
  describe(`tidy: ${group.toLowerCase()}`, () => {
    for (const { name, files, expect } of cases) {
      test(name, () => {
        const places = findingsIn(files).map((finding) => finding.split(' ')[0]);
        assert.deepEqual(places, expect === null ? [] : [expect]);
      });
    }
  });
}

test('the summary counts functions, casts, cycles and vectors', () => {
  const files = { ...vectorFile([valid, invalid, invalid]), 'interop/a.ts': functionOf(10) + functionOf(20) };
  assert.equal(
    figuresOf(files),
    '2 functions, p99 20 lines, max 20; 1 files of 30 lines, 0.00 casts in 1,000 lines, 0 any; 0 cycles; vectors: 1 valid, 2 invalid',
  );
});
