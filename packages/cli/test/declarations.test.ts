import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { BINDING_LIMITS, makeBindings, requireTool, type BindingRequest } from '../src/bindings.ts';
import {
  codeOf,
  COMPONENT,
  CORE_MODULE,
  openRegistry,
  openUser,
  type TestRegistry,
  type TestUser,
} from './registry.ts';
import { FACES, GREEDY, LOGGING, SUMS, wasmOf } from './wat.ts';

/* Declarations and modules of what a registry has. */

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

let registry: TestRegistry;
let user: TestUser;

before(async () => {
  registry = await openRegistry();
  user = await openUser({ WAYBILL_REGISTRY: registry.url.href });
  await user.ok('key', 'new');
  await writeFile(user.file('sums.wasm'), await wasmOf(SUMS));
  await writeFile(user.file('greedy.wasm'), await wasmOf(GREEDY));
  await writeFile(user.file('faces.wasm'), await wasmOf(FACES));
  for (const [name, file] of [
    ['sums', user.file('sums.wasm')],
    ['greedy', user.file('greedy.wasm')],
    ['faces', user.file('faces.wasm')],
    ['tools', COMPONENT],
    ['core', CORE_MODULE],
  ] as const) {
    await user.ok('publish', file, '--package', `test:${name}`, '--version', '1.0.0');
  }
});

after(async () => {
  await registry.dispose();
  await user.dispose();
});

/** Type-checks a program that imports what is beside it. Gives what the compiler says. */
async function typeCheck(file: string): Promise<string> {
  const tsc = path.join(REPOSITORY, 'node_modules/.bin/tsc');
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', ''];
  // Files named on the command line and a tsconfig.json in a folder above do not go together.
  const run = promisify(execFile)(process.execPath, [tsc, ...options, file], { cwd: path.dirname(file) });
  return run.then(
    () => '',
    (failure: { readonly stdout: string }) => failure.stdout,
  );
}

test('the typed import of a component: type-checked, and run', async () => {
  const result = JSON.parse(await user.ok('types', 'test:sums', '--transpile', '--output', 'app/sums', '--json'));
  assert.deepEqual(
    { kind: result.kind, imports: result.imports, files: result.files },
    {
      kind: 'component',
      imports: [],
      files: ['interfaces/test-sums-sums.d.ts', 'sums.core.wasm', 'sums.d.ts', 'sums.js'],
    },
  );
  assert.equal(
    result.digest,
    `sha256:${createHash('sha256')
      .update(await readFile(user.file('sums.wasm')))
      .digest('hex')}`,
  );
  await writeFile(user.file('app/package.json'), '{"type":"module"}');
  const right = user.file('app/right.ts');
  await writeFile(
    right,
    "import { sums } from './sums/sums.js';\nexport const sum: number = sums.add(2, sums.size('four'));\n",
  );
  assert.equal(await typeCheck(right), '');
  const wrong = user.file('app/wrong.ts');
  await writeFile(wrong, "import { sums } from './sums/sums.js';\nexport const sum: string = sums.add('2', 3);\n");
  assert.match(await typeCheck(wrong), /TS2345|TS2322/);
  const { sums } = await import(pathToFileURL(user.file('app/sums/sums.js')).href);
  assert.equal(sums.add(2, sums.size('four')), 6);
});

test('a component that needs WASI: its module imports the shim, and its declarations type-check', async () => {
  const result = JSON.parse(await user.ok('types', 'test:tools', '--transpile', '--output', 'wasi/tools', '--json'));
  assert.ok(result.imports.length > 0);
  assert.ok(result.imports.every((name: string) => name.startsWith('@bytecodealliance/preview2-shim/')));
  await writeFile(user.file('wasi/package.json'), '{"type":"module"}');
  await writeFile(
    user.file('wasi/use.ts'),
    "import { tools } from './tools/tools.js';\nexport const bytes: Uint8Array = tools.parse('(module)');\n",
  );
  assert.equal(await typeCheck(user.file('wasi/use.ts')), '');
  await mkdir(user.file('wasi/node_modules/@bytecodealliance'), { recursive: true });
  const shim = path.join(REPOSITORY, 'node_modules/@bytecodealliance/preview2-shim');
  await symlink(shim, user.file('wasi/node_modules/@bytecodealliance/preview2-shim'));
  const { tools } = await import(pathToFileURL(user.file('wasi/tools/tools.js')).href);
  assert.deepEqual([...tools.parse('(module)')], [0, 97, 115, 109, 1, 0, 0, 0]);
});

test('an interface: all of its interfaces, type-checked', async () => {
  const result = JSON.parse(await user.ok('types', 'test:faces', '-o', 'faces', '--json'));
  assert.equal(result.kind, 'interface');
  assert.deepEqual(result.files, [
    'faces.d.ts',
    'interfaces/test-faces-drawing.d.ts',
    'interfaces/test-faces-shapes.d.ts',
  ]);
  const use =
    "import type { draw } from './faces/interfaces/test-faces-drawing.js';\nexport const draws: typeof draw = (points) => String(points[0]?.x);\n";
  await writeFile(user.file('package.json'), '{"type":"module"}');
  await writeFile(user.file('use.ts'), use);
  assert.equal(await typeCheck(user.file('use.ts')), '');
  assert.equal(codeOf(await user.run('types', 'test:faces', '--world', 'none', '-o', 'x', '--json')), 'usage/invalid');
  assert.equal(codeOf(await user.run('types', 'test:faces', '--transpile', '-o', 'x', '--json')), 'usage/invalid');
});

test('of a tree the declarations are those of its component', async () => {
  await mkdir(user.file('tree'));
  await cp(user.file('sums.wasm'), user.file('tree/component.wasm'));
  await writeFile(user.file('tree/page.html'), '<p>');
  await user.ok('publish', 'tree', '--package', 'test:tree', '--version', '1.0.0');
  const { files } = JSON.parse(await user.ok('types', 'test:tree', '--name', 'sums', '-o', 'of-tree', '--json'));
  assert.deepEqual(files, ['interfaces/test-sums-sums.d.ts', 'sums.d.ts']);
});

test('what is not made leaves nothing', async () => {
  for (const [code, ...args] of [
    ['content/malformed', 'test:core', '-o', 'none'],
    ['usage/invalid', 'test:sums', '-o', 'none', '--name', '../up'],
    ['usage/invalid', 'test:sums', '-o', 'none', '--map', 'nothing'],
    ['release/not-found', 'test:sums@^2', '-o', 'none'],
  ] as const) {
    assert.equal(codeOf(await user.run('types', ...args, '--json')), code, args.join(' '));
  }
  assert.ok((await readdir(user.home)).every((name) => name !== 'none' && !name.endsWith('.tmp')));
});

test('P12: an import that nothing gives is refused: a name alone must not reach a module of the platform', async () => {
  const refused = await user.run('types', 'test:greedy', '--transpile', '-o', 'greedy', '--json');
  assert.equal(codeOf(refused), 'usage/invalid');
  assert.match(refused.stderr, /--map 'vm=/);
  await user.ok('types', 'test:greedy', '-o', 'greedy');
  const given = await user.ok('types', 'test:greedy', '--transpile', '-o', 'greedy', '--map', 'vm=./mine.js', '--json');
  assert.deepEqual(JSON.parse(given).imports, ['./mine.js']);
});

test('what is said to give an import gives it, also to many names at once', async () => {
  const request = { content: await wasmOf(LOGGING), name: 'x', world: null, transpile: true } as const;
  for (const [from, to, imported] of [
    ['test:log/log', './mine.js', './mine.js'],
    ['test:log/log@1.0.0', './mine.js#log', './mine.js'],
    ['test:log/*', './*.js', './log.js'],
  ] as const) {
    const { imports } = await makeBindings({ ...request, map: [[from, to]] }, BINDING_LIMITS);
    assert.deepEqual(imports, [imported]);
  }
  for (const map of [[], [['test:log/other', './log.js']], [['test:log/*', '*']]] as const) {
    await assert.rejects(makeBindings({ ...request, map }, BINDING_LIMITS), failsWith('usage/invalid', /--map/));
  }
});

test('a folder is replaced whole, and only where nothing is lost that waybill did not write', async () => {
  await user.ok('types', 'test:sums', '--transpile', '-o', 'again');
  await user.ok('types', 'test:sums', '-o', 'again', '--name', 'other');
  assert.deepEqual((await readdir(user.file('again'))).toSorted(), ['interfaces', 'other.d.ts', 'waybill-types.json']);
  await writeFile(user.file('again/interfaces/mine.ts'), 'mine');
  assert.equal(codeOf(await user.run('types', 'test:sums', '-o', 'again', '--json')), 'usage/invalid');
  assert.equal(await readFile(user.file('again/interfaces/mine.ts'), 'utf8'), 'mine');
  assert.equal(codeOf(await user.run('types', 'test:sums', '-o', 'sums.wasm', '--json')), 'usage/invalid');
});

test('T1: bytes that are not those of the log reach no tool', async () => {
  const digest = JSON.parse(await user.ok('types', 'test:sums', '-o', 'cached', '--json')).digest.replace(
    'sha256:',
    '',
  );
  const cached = path.join(user.home, '.cache/waybill/content/sha256', digest);
  const bytes = await readFile(cached);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(cached, bytes);
  await user.ok('types', 'test:sums', '-o', 'cached');
  assert.notDeepEqual(await readFile(cached), bytes);
});

function failsWith(code: ErrorCode, pattern: RegExp) {
  return (thrown: unknown): boolean => isRegistryError(thrown, code) && pattern.test(thrown.message);
}

test('the tool is named, with the command that installs it, where it is missing', () => {
  const missing = (): string => {
    throw new Error('Cannot find package');
  };
  assert.throws(
    () => requireTool(missing),
    failsWith('usage/invalid', /npm install @bytecodealliance\/jco-transpile@0\.15\.0/),
  );
  requireTool((specifier) => import.meta.resolve(specifier));
});

test('P12: bytes that cost too much time or memory, or are damaged, end the thread and nothing else', async () => {
  const content = await readFile(COMPONENT);
  const request: BindingRequest = { content, name: 'x', world: null, map: [], transpile: true };
  await assert.rejects(
    makeBindings(request, { ...BINDING_LIMITS, msMax: 1 }),
    failsWith('content/not-analysed', /1 ms/),
  );
  await assert.rejects(
    makeBindings(request, { ...BINDING_LIMITS, memoryBytesMax: -Infinity }),
    failsWith('content/not-analysed', /memory/),
  );
  await assert.rejects(
    makeBindings(request, { ...BINDING_LIMITS, files: 3 }),
    failsWith('content/not-analysed', /files/),
  );
  for (const damaged of [content.subarray(0, 100_000), content.subarray(8), new Uint8Array()]) {
    await assert.rejects(
      makeBindings({ ...request, content: damaged }, BINDING_LIMITS),
      failsWith('content/malformed', /cannot be made|damaged/),
    );
  }
});

test('P12: docs say nothing but what they are: no declaration, and no item of the package', async () => {
  const text =
    'package a:b@1.0.0;\n\n/// all *.{ts} files\ninterface i {\n  /// DOCS\n  f: func();\n}\n\ninterface j { }\n';
  const declarationsWith = async (docs: string): Promise<string> => {
    const plain = encodeWit(parseWit({ main: [{ path: 'b.wit', text }], dependencies: [] }));
    assert.equal(Buffer.byteLength(docs), 4);
    const content = Buffer.from(plain);
    content.write(docs, content.indexOf('DOCS'));
    const request = { content, name: 'b', world: null, map: [], transpile: false };
    const { files } = await makeBindings(request, BINDING_LIMITS);
    return new TextDecoder().decode(files.get('interfaces/a-b-i.d.ts'));
  };
  assert.match(await declarationsWith('abcd'), /abcd/);
  assert.doesNotMatch(await declarationsWith('*/x;'), /x;/);
  // The same in the words of JSON.
  assert.doesNotMatch(await declarationsWith(String.raw`*\/x`), /\*\/x/);
});

test('P12: a line end that WIT does not have begins no item', async () => {
  const docs = 'a\u2028package evil:x;\u2028world q {';
  const content = encodeWit(
    parseWit({
      main: [{ path: 'b.wit', text: `package a:b@1.0.0;\n\n/// ${docs}\ninterface i { }\n` }],
      dependencies: [],
    }),
  );
  const request = { content, name: 'b', world: null, map: [], transpile: false };
  const { files } = await makeBindings(request, BINDING_LIMITS);
  assert.ok(files.has('interfaces/a-b-i.d.ts'));
});
