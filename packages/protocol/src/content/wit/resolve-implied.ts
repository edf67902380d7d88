import { interfaceName, usedInterface, usedInterfaces, worldItemName } from './identity.ts';
import type { WitInterface, WitStability, WitWorldItem } from './model.ts';

type InterfaceItem = Extract<WitWorldItem, { readonly type: 'interface' }>;

/** The items of a world by the name they are imported or exported under. */
export type WorldItems = ReadonlyMap<string, WitWorldItem>;

/** The exports of a world contradict each other: this one needs an interface both as an import and as an export. */
export interface ExportConflict {
  readonly conflict: string;
}

/**
 * A world with all that its items need (WIT.md "Transitive imports and worlds"): interfaces come after those that they use
 * types from. An interface that an export uses is an import, unless the world exports it too.
 */
export function impliedItems(
  imports: WorldItems,
  exports: WorldItems,
): { readonly imports: readonly WitWorldItem[]; readonly exports: readonly WitWorldItem[] } | ExportConflict {
  const allImports = new Map<string, WitWorldItem>();
  for (const item of [...imports.values()].toSorted(byClass)) addImport(allImports, item);
  const closure = new ExportClosure(exports, allImports);
  for (const item of exports.values()) {
    if (item.type === 'interface' && !closure.addExport(item)) return { conflict: worldItemName(item) };
  }
  return { imports: [...allImports.values()].toSorted(byClass), exports: [...closure.exports.values()] };
}

function byClass(a: WitWorldItem, b: WitWorldItem): number {
  return classOf(a) - classOf(b);
}

/** In the order of WIT text, where types name interfaces and functions name types. */
function classOf(item: WitWorldItem): number {
  if (item.type === 'interface') return 0;
  if (item.type === 'type') return usedInterface(item.named) === null ? 2 : 1;
  return item.type === 'function' && item.function.resource !== null ? 4 : 3;
}

function addImport(imports: Map<string, WitWorldItem>, item: WitWorldItem): void {
  if (item.type === 'interface') {
    addInterface(imports, item);
    return;
  }
  const used = item.type === 'type' ? usedInterface(item.named) : null;
  if (used !== null && item.type === 'type') addInterface(imports, impliedItem(used, item.named.stability));
  imports.set(worldItemName(item), item);
}

function addInterface(imports: Map<string, WitWorldItem>, item: InterfaceItem): void {
  const name = worldItemName(item);
  if (imports.has(name)) return;
  for (const used of usedInterfaces(item.interface)) addInterface(imports, impliedItem(used, item.stability));
  imports.set(name, item);
}

/** What nobody wrote has no words of its own; it is as stable as what needs it. */
function impliedItem(used: WitInterface, stability: WitStability | null): InterfaceItem {
  return { type: 'interface', name: null, interface: used, docs: null, stability };
}

class ExportClosure {
  readonly exports = new Map<string, WitWorldItem>();
  readonly #wanted: ReadonlySet<string>;
  readonly #imports: Map<string, WitWorldItem>;
  readonly #imported = new Set<WitInterface>();

  constructor(exports: WorldItems, imports: Map<string, WitWorldItem>) {
    this.#imports = imports;
    this.#wanted = new Set([...exports].filter(([, item]) => item.type === 'interface').map(([name]) => name));
    for (const [name, item] of exports) if (item.type !== 'interface') this.exports.set(name, item);
  }

  /** False where an interface would have to come from both sides. */
  addExport(item: InterfaceItem): boolean {
    const name = worldItemName(item);
    if (this.exports.has(name)) return true;
    const isFine = usedInterfaces(item.interface).every((used) => {
      const needed = impliedItem(used, item.stability);
      return this.#wanted.has(interfaceName(used) ?? '') ? this.addExport(needed) : this.#addImport(needed);
    });
    if (!isFine || this.#imported.has(item.interface)) return false;
    this.exports.set(name, item);
    return true;
  }

  #addImport(item: InterfaceItem): boolean {
    const name = worldItemName(item);
    if (this.exports.has(name)) return false;
    if (this.#imported.has(item.interface)) return true;
    const isFine = usedInterfaces(item.interface).every((used) => this.#addImport(impliedItem(used, item.stability)));
    if (!isFine) return false;
    this.#imported.add(item.interface);
    if (!this.#imports.has(name)) this.#imports.set(name, item);
    return true;
  }
}
