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

/** Runs a component in Node.js: what it exports, by name. `map` says where its imports are; those of WASI are known. */
export async function running<T>(
  bytes: Uint8Array,
  map: Readonly<Record<string, string>>,
  use: (exports: Exports) => Promise<T> | T,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-compose-'));
  try {
    await symlink(MODULES, path.join(folder, 'node_modules'));
    await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
    for (const [name, source] of Object.entries(map)) await writeFile(path.join(folder, `${name}.js`), source);
    const places = Object.keys(map).map((name) => [`${name.replace('_', ':')}/*`, `./${name}.js#*`]);
    const { files } = await transpile(bytes, { name: 'composed', map: Object.fromEntries(places) });
    for (const [name, content] of Object.entries(files)) {
      const file = path.join(folder, name);
      if (!name.includes('/')) await writeFile(file, content);
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
