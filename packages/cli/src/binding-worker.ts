import { parentPort } from 'node:worker_threads';
import type * as Bindgen from '@bytecodealliance/jco-transpile/component';
import { messageOf } from '@waybill/protocol';
import type { BindingRefusal, BindingRequest, Bindings } from './bindings.ts';

/* The thread that makes the bindings of one content, and ends. */

type ModuleMap = [from: string, to: string][];

/** What the shims of WASI give, by the release of WASI; the more exact pattern counts. */
const WASI_MODULES: readonly (readonly [suffix: string, module: string, interfaces: readonly string[]])[] = [
  ['', '@bytecodealliance/preview2-shim', ['cli', 'clocks', 'filesystem', 'http', 'io', 'random', 'sockets']],
  ['@0.3.0', '@bytecodealliance/preview3-shim', ['cli', 'clocks', 'filesystem', 'http', 'random', 'sockets']],
];

const WASI_MAP: ModuleMap = WASI_MODULES.flatMap(([suffix, module, names]) =>
  names.map((name): [string, string] => [`wasi:${name}/*${suffix}`, `${module}/${name}#*`]),
);

/** An inlined core module would be larger, and a page that forbids `data:` could not load it. */
const NOTHING_INLINED = 0;

async function answer(request: BindingRequest): Promise<Bindings | BindingRefusal> {
  const tool = await import('@bytecodealliance/jco-transpile/component');
  await tool.$init;
  try {
    const texts = witTexts(tool, request.content);
    return texts === null ? bindComponent(tool, request) : bindInterface(tool, request, texts);
  } catch (failure) {
    return { refused: 'content/malformed', message: `its bindings cannot be made: ${reasonOf(failure)}` };
  }
}

/** The texts of a WIT package by path; `null` for what is none. */
function witTexts(tool: typeof Bindgen, content: Uint8Array): ReadonlyMap<string, string> | null {
  try {
    return new Map(tool.unpackWit(undefined, content));
  } catch (failure) {
    // A trap has poisoned the instance: nothing that it says after that counts.
    if (isTrap(failure)) throw failure;
    return null;
  }
}

function bindComponent(
  tool: typeof Bindgen,
  { content, name, map, transpile }: BindingRequest,
): Bindings | BindingRefusal {
  const given: ModuleMap = [...WASI_MAP, ...map.map(([from, to]): [string, string] => [from, to])];
  const { files, imports } = tool.generate(content, { name, map: given, base64Cutoff: NOTHING_INLINED });
  if (!transpile) return { kind: 'component', files: declarationsOf(files), imports: [] };
  const unknown = imports.filter((specifier) => !given.some(([, to]) => isGiven(specifier, moduleOf(to))));
  // The name of an import is the component's choice, and `vm` or `fs` would get it what no component has.
  if (unknown.length > 0) {
    const message = `it imports ${unknown.join(', ')}, which nothing gives: say which module does, --map '${unknown[0]}=./module.js'`;
    return { refused: 'usage/invalid', message };
  }
  return { kind: 'component', files: new Map(files), imports };
}

function moduleOf(target: string): string {
  const at = target.indexOf('#');
  return at < 0 ? target : target.slice(0, at);
}

/** A star in a module stands for what one stood for in the import; alone it would let every name through. */
function isGiven(specifier: string, module: string): boolean {
  const [before = '', after] = module.split('*');
  if (after === undefined) return module === specifier;
  return before !== '' && specifier.startsWith(before) && specifier.endsWith(after);
}

function declarationsOf(files: readonly [string, Uint8Array][]): ReadonlyMap<string, Uint8Array> {
  return new Map(files.filter(([file]) => file.endsWith('.d.ts')));
}

function bindInterface(
  tool: typeof Bindgen,
  { content, name, world }: BindingRequest,
  texts: ReadonlyMap<string, string>,
): Bindings | BindingRefusal {
  const main = texts.get('package.wit') ?? '';
  const worlds = namesOf(main, 'world');
  if (world !== null && !worlds.includes(world)) {
    const message = `it has no world ${world}: ${worlds.length === 0 ? 'it has none' : `its worlds are ${worlds.join(', ')}`}`;
    return { refused: 'usage/invalid', message };
  }
  const chosen = world ?? (worlds.length === 1 ? worlds[0] : undefined);
  const files =
    chosen === undefined
      ? tool.generateTypes(name, { wit: { tag: 'source', val: allInterfacesOf(texts, main) } })
      : tool.generateTypes(name, { wit: { tag: 'binary', val: content }, world: chosen });
  return { kind: 'interface', files: declarationsOf(files), imports: [] };
}

/**
 * Where a line of WIT begins. JavaScript knows more line ends than WIT does, and a comment may have them in it: what comes after
 * one would be read as an item of the package.
 */
const LINE_START = String.raw`(?<![^\n])`;

/** What stands unindented in the text that the tool prints is an item of the package. */
function namesOf(text: string, item: 'world' | 'interface'): string[] {
  const lines = new RegExp(String.raw`${LINE_START}${item} %?([a-z0-9-]+) \{`, 'gi');
  return [...text.matchAll(lines)].map(([, name = '']) => name);
}

const PACKAGE_LINE = new RegExp(String.raw`${LINE_START}package ([^@;\s]+)(@[^;\s]+)?;`);

/** One text of all packages, with a world that imports every interface of the main one. */
function allInterfacesOf(texts: ReadonlyMap<string, string>, main: string): string {
  const [, id = '', version = ''] = PACKAGE_LINE.exec(main) ?? [];
  const imports = namesOf(main, 'interface').map((name) => `  import ${id}/%${name}${version};`);
  const packages = [...texts.values()].map((text) => `${text.replace(PACKAGE_LINE, 'package $1$2 {')}\n}`);
  return ['package waybill:interfaces;', 'world all {', ...imports, '}', ...packages].join('\n');
}

function reasonOf(failure: unknown): string {
  if (isTrap(failure)) return `they make the tool trap (${messageOf(failure)})`;
  const payload = failure instanceof Error && 'payload' in failure ? failure.payload : null;
  return typeof payload === 'string' ? payload : messageOf(failure);
}

function isTrap(failure: unknown): boolean {
  return failure instanceof Error && failure.name === 'RuntimeError';
}

parentPort?.once('message', (request: BindingRequest) => {
  // What fails here ends the thread, and whoever waits for it hears of that.
  void answer(request).then((outcome) => parentPort?.postMessage(outcome));
});
