import { execFileSync, spawnSync } from 'node:child_process';
import { peerPath } from './peers.ts';
import { headOf, isList, isString, parseWat, watText, type WatTree } from './wat-tree.ts';

const OUTPUT_BYTES_MAX = 2 ** 30;

/** What `wasm-tools` says of a file: imports and exports as lines of one spelling. */
export interface PeerReading {
  readonly kind: 'module' | 'component';
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  readonly metadata: PeerMetadata;
  /** The whole first, then what it holds, depth first. */
  readonly nodes: readonly PeerNode[];
}

export interface PeerNode {
  readonly layer: 'module' | 'component';
  readonly start: number;
  readonly end: number;
}

export interface PeerMetadata {
  readonly name: string | null;
  readonly producers: readonly (readonly [string, Readonly<Record<string, string>>])[] | null;
  readonly authors: string | null;
  readonly description: string | null;
  readonly licenses: string | null;
  readonly source: string | null;
  readonly homepage: string | null;
  readonly revision: string | null;
  readonly version: string | null;
  readonly range: { readonly start: number; readonly end: number };
  /** Whether the dependencies of the build are listed, which we do not read. */
  readonly isAuditable: boolean;
}

/** As `metadata show --json` has it. */
type ShownNode = Omit<PeerMetadata, 'isAuditable'> & { readonly dependencies: unknown };

type ShownMetadata =
  | { readonly module: ShownNode }
  | { readonly component: { readonly metadata: ShownNode; readonly children: readonly ShownMetadata[] } };

export function peerReading(file: string): PeerReading {
  const tree = parseWat(wasmTools(['print', '--skeleton', file]));
  const shown: ShownMetadata = JSON.parse(wasmTools(['metadata', 'show', '--json', file]));
  const { dependencies, ...rest } = 'module' in shown ? shown.module : shown.component.metadata;
  const metadata = { ...rest, isAuditable: dependencies !== null };
  const externs = 'module' in shown ? moduleExterns(tree) : componentExterns(tree);
  return { kind: 'module' in shown ? 'module' : 'component', ...externs, metadata, nodes: nodesOf(shown) };
}

/** The WIT text of a component or a WIT package, or the WIT that a core module was made for; `null` for one without. */
export function peerWit(file: string): string | null {
  const { status, stdout, stderr } = spawnSync(peerPath('wasm-tools'), ['component', 'wit', file], {
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (status === 0) return stdout;
  if (stderr.includes('core wasm module with no `component-type*`')) return null;
  throw new Error(stderr);
}

/** The binary that a source makes: a WIT package, or a component as text. `null` for a source that is refused. */
export function peerBinary(source: string): Uint8Array | null {
  const args = source.endsWith('.wat') ? ['parse', source] : ['component', 'wit', '--all-features', '--wasm', source];
  const { status, stdout } = spawnSync(peerPath('wasm-tools'), args, { maxBuffer: OUTPUT_BYTES_MAX });
  return status === 0 ? stdout : null;
}

function wasmTools(args: readonly string[]): string {
  return execFileSync(peerPath('wasm-tools'), args, {
    encoding: 'utf8',
    maxBuffer: OUTPUT_BYTES_MAX,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function nodesOf(shown: ShownMetadata): readonly PeerNode[] {
  if ('module' in shown) return [{ layer: 'module', ...shown.module.range }];
  const { metadata, children } = shown.component;
  return [{ layer: 'component', ...metadata.range }, ...children.flatMap(nodesOf)];
}

type Externs = Pick<PeerReading, 'imports' | 'exports'>;

const CORE_SORTS: ReadonlySet<string> = new Set(['func', 'table', 'memory', 'global', 'tag']);

interface CoreItem {
  readonly id: string | null;
  readonly type: string;
}

/** Exports stand before what they name, by its place or its identifier; the line says its type. */
function moduleExterns(module: readonly WatTree[]): Externs {
  const spaces = new Map([...CORE_SORTS].map((sort): [string, CoreItem[]] => [sort, []]));
  const imports: string[] = [];
  for (const item of module.filter(isList)) {
    const [head, from, name, imported] = item;
    const defined = head === 'import' && isList(imported) ? imported : item;
    const space = spaces.get(headOf(defined) ?? '');
    if (space === undefined) continue;
    const type = coreType(defined);
    space.push({ id: identifierOf(defined), type });
    if (head === 'import') imports.push(`${quoted(from)} ${quoted(name)} ${type}`);
  }
  const exports = module.filter(isList).flatMap(([head, name, exported]) => {
    if (head !== 'export' || !isList(exported)) return [];
    const [sort, reference] = exported.map(watText);
    const space = spaces.get(sort ?? '') ?? [];
    const found = space.find(({ id }) => id === reference) ?? space[Number(reference)];
    return [`${quoted(name)} ${found?.type ?? 'nothing'}`];
  });
  return { imports, exports };
}

/** Without its name, its number and its contents. */
function coreType(item: readonly WatTree[]): string {
  const [sort = '', ...rest] = item.filter((part) => !isIdentifier(part));
  const head = watText(sort);
  if (head === 'global') return `(global ${rest.slice(0, 1).map(watText).join('')})`;
  if (head === 'memory') return `(memory ${rest.map(watText).join(' ')})`;
  if (head === 'table') {
    const end = rest.findIndex((part) => !/^(?:[0-9]+|i64|shared)$/.test(watText(part)));
    return `(table ${rest
      .slice(0, end + 1)
      .map(watText)
      .join(' ')})`;
  }
  return watText([head, ...signaturePart('param', rest), ...signaturePart('result', rest)]);
}

/** Parameters with names stand each in a list of its own. */
function signaturePart(head: 'param' | 'result', parts: readonly WatTree[]): readonly WatTree[] {
  const types = parts.flatMap((part) => (isList(part) && headOf(part) === head ? part.slice(1) : []));
  const unnamed = types.filter((type) => !isIdentifier(type));
  return unnamed.length === 0 ? [] : [[head, ...unnamed]];
}

const COMPONENT_SORTS: ReadonlySet<string> = new Set(['core', 'func', 'value', 'type', 'component', 'instance']);

/** A component's imports and exports have types of their own, which its WIT text shows: the line says the sort alone. */
function componentExterns(component: readonly WatTree[]): Externs {
  const lines = (direction: string) =>
    component.filter(isList).flatMap((item) => {
      if (headOf(item) !== direction) return [];
      const name = item.find(isString);
      const sort = item.filter(isList).find((part) => COMPONENT_SORTS.has(headOf(part) ?? ''));
      return [`${quoted(name)} ${sortOf(sort)}`];
    });
  return { imports: lines('import'), exports: lines('export') };
}

function sortOf(item: readonly WatTree[] | undefined): string {
  const [head, second] = item ?? [];
  return head === 'core' ? `core ${watText(second ?? '')}` : watText(head ?? '');
}

function identifierOf(item: readonly WatTree[]): string | null {
  const found = item.find(isIdentifier);
  return typeof found === 'string' ? found : null;
}

function isIdentifier(tree: WatTree): boolean {
  return typeof tree === 'string' && tree.startsWith('$');
}

function quoted(tree: WatTree | undefined): string {
  return isString(tree) ? JSON.stringify(tree.text) : 'nothing';
}
