import { existsSync, realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { componentEmbed, componentNew, parse, print, transpile } from '@bytecodealliance/jco';

const MODULES = fileURLToPath(new URL('../../../../../../node_modules/', import.meta.url));

/** A component of core module text and the WIT of what it is bound to: its world is called `unit`. */
export async function componentOf(wit: string, core: string, uses: readonly string[] = []): Promise<Uint8Array> {
  const binary = await parse(core);
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-wit-'));
  try {
    await writeFile(path.join(folder, 'unit.wit'), wit);
    await mkdir(path.join(folder, 'deps'));
    for (const [index, text] of uses.entries()) await writeFile(path.join(folder, 'deps', `${index}.wit`), text);
    return await componentNew(await componentEmbed({ binary, witPath: folder, world: 'unit' }), []);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A component or core module of its text. */
export async function wasmOf(text: string): Promise<Uint8Array> {
  return parse(text);
}

/** The text of a component; fails where the binary cannot be read. */
export async function textOf(bytes: Uint8Array): Promise<string> {
  return print(bytes);
}

type Exports = Readonly<Record<string, (...args: unknown[]) => unknown>>;
type Transpile = (bytes: Uint8Array, options: object) => Promise<{ readonly files: object }>;

interface Transpiler {
  readonly transpile: Transpile;
  /** The package of what stands for WASI in Node.js. */
  readonly shim: string;
}

/** The newer of the two that are installed: the older one loses resources that go from component to component. */
const NEWER = await newerTranspiler();
export const PASSES_RESOURCES = NEWER !== null;

async function newerTranspiler(): Promise<Transpiler | null> {
  const name = '@bytecodealliance/jco-transpile';
  try {
    const module: { readonly transpileBytes: Transpile } = await import(name);
    return { transpile: (bytes, options) => module.transpileBytes(bytes, options), shim: shimBeside(name) };
  } catch (failure) {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw failure;
  }
}

/** The one that this package would find. */
function shimBeside(name: string): string {
  let folder = realpathSync(path.join(MODULES, name));
  for (;;) {
    const found = path.join(folder, 'node_modules/@bytecodealliance/preview2-shim');
    if (existsSync(found)) return found;
    folder = path.dirname(folder);
  }
}

/** Runs a component in Node.js: what it exports, by name. `hosts` are modules by the package whose interfaces they have. */
export async function running<T>(
  bytes: Uint8Array,
  hosts: Readonly<Record<string, string>>,
  use: (exports: Exports) => Promise<T> | T,
): Promise<T> {
  const { transpile: transpiled, shim } = NEWER ?? { transpile, shim: shimBeside('@bytecodealliance/jco') };
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-compose-'));
  try {
    await mkdir(path.join(folder, 'node_modules/@bytecodealliance'), { recursive: true });
    await symlink(shim, path.join(folder, 'node_modules/@bytecodealliance/preview2-shim'));
    await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
    const map = Object.keys(hosts).map((name, index) => [`${name}/*`, `./host-${index}.js#*`]);
    for (const [index, source] of Object.values(hosts).entries())
      await writeFile(path.join(folder, `host-${index}.js`), source);
    const { files } = await transpiled(bytes, { name: 'composed', map: Object.fromEntries(map) });
    for (const [name, content] of Object.entries(files)) {
      if (!name.includes('/')) await writeFile(path.join(folder, name), content);
    }
    const module: unknown = await import(pathToFileURL(path.join(folder, 'composed.js')).href);
    return await use(exportsOf(module));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function exportsOf(module: unknown): Exports {
  const found: Record<string, (...args: unknown[]) => unknown> = {};
  if (typeof module !== 'object' || module === null) return found;
  for (const [name, value] of Object.entries(module)) {
    if (typeof value === 'function') found[name] = (...args) => Reflect.apply(value, null, args);
  }
  return found;
}
