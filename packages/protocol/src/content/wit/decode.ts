import { RegistryError } from '../../errors.ts';
import { layoutOfComponent } from '../binary/component-layout.ts';
import { ComponentScope, Evaluation } from '../binary/component-scope.ts';
import type { ExternName } from '../binary/component-type.ts';
import { malformed } from '../binary/cursor.ts';
import { sectionCursor } from '../binary/section.ts';
import { readWasm } from '../binary/wasm-binary.ts';
import { WitDocs } from './decode-docs.ts';
import { WorldDecoder, formatPackageId, packageName } from './decode-world.ts';
import type { WitDocument, WitPackageId } from './model.ts';

/** A component has no package; tools print its world as this one's. */
const COMPONENT_PACKAGE: WitPackageId = { namespace: 'root', name: 'component', version: null };
const COMPONENT_WORLD = 'root';

/**
 * What a component imports and exports, as the world `root`, or a WIT package; with what is copied of other packages. Throws
 * `content/malformed`, `content/policy` over a limit, and `content/not-analysed` for a core module and for a WIT package in
 * which something is unknown here; what is unknown in a component's world is told by its name.
 */
export function decodeWit(bytes: Uint8Array): WitDocument {
  const outline = readWasm(bytes);
  if (outline.kind === 'module') throw new RegistryError('content/not-analysed', 'a core module says nothing in WIT');
  const evaluation = new Evaluation(bytes);
  const layout = layoutOfComponent(outline.sections, (section) => sectionCursor(bytes, section));
  const root = new ComponentScope(evaluation, { layout, parent: null }, null);
  const docs = new WitDocs(outline.metadata.packageDocs?.contents ?? null);
  const decoder = outline.kind === 'component' ? component(evaluation, root, docs) : packageOf(evaluation, root, docs);
  return { main: decoder.main, dependencies: decoder.dependencies };
}

/** Whether a WIT package is there for a world: a profile. */
export function isProfile({ main }: WitDocument): boolean {
  return main.worlds.size > 0;
}

function component(evaluation: Evaluation, root: ComponentScope, docs: WitDocs): WorldDecoder {
  const decoder = new WorldDecoder(evaluation, COMPONENT_PACKAGE, docs);
  decoder.addRootWorld(COMPONENT_WORLD, root);
  return decoder;
}

/** Both forms: an export for each interface and world, or a single one, `wit`, for the whole package. */
function packageOf(evaluation: Evaluation, root: ComponentScope, docs: WitDocs): WorldDecoder {
  const [first] = root.exports;
  if (first === undefined) throw malformed('a WIT package is empty', 0);
  const isWhole = first.name.includes('/');
  const parts = root.exports.map((declaration) => {
    const item = root.declared(declaration);
    if (item?.sort !== 'type') throw malformed('a WIT package exports something else than types', 0);
    return new ComponentScope(evaluation, root.componentOf(item.node), null);
  });
  const mainId = packageName(isWhole ? first : onlyExport(parts[0])).id;
  const decoder = new WorldDecoder(evaluation, mainId, docs);
  for (const part of parts) {
    if (!isWhole) onlyExport(part);
    decodePart(decoder, mainId, part);
  }
  return decoder;
}

function onlyExport(part: ComponentScope | undefined): ExternName {
  const [only, ...others] = part?.exports ?? [];
  if (only === undefined || others.length > 0) throw malformed('part of a WIT package has not one export', 0);
  return only;
}

function decodePart(decoder: WorldDecoder, mainId: WitPackageId, part: ComponentScope): void {
  for (const declaration of part.imports) {
    const item = part.declared(declaration);
    if (item?.sort === 'instance') decoder.addInterface(declaration, item.instance);
  }
  for (const declaration of part.exports) {
    const name = qualified(declaration, mainId);
    const item = part.declared(declaration);
    if (item?.sort === 'instance') decoder.addInterface(name, item.instance);
    else if (item?.sort === 'component') decoder.addWorld(name, decoder.open(item));
    else throw malformed(`${JSON.stringify(declaration.name)} is neither an interface nor a world`, 0);
  }
}

/** A name with a package, which must be the package's own. */
function qualified(name: ExternName, mainId: WitPackageId): ExternName {
  const isLabel = !name.name.includes('/');
  const { namespace, name: packageLabel, version } = mainId;
  const full = `${namespace}:${packageLabel}/${name.name}${version === null ? '' : `@${version}`}`;
  const found = isLabel ? { ...name, name: full } : name;
  const id = formatPackageId(packageName(found).id);
  const own = formatPackageId(mainId);
  if (id !== own) throw malformed(`a WIT package of ${own} has something of ${id}`, 0);
  return found;
}
