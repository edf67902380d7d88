import { notAnalysed } from '../binary/cursor.ts';
import { sectionEnd } from '../binary/section.ts';
import { readWasm } from '../binary/wasm-binary.ts';
import { formatPackageId } from './decode-world.ts';
import { decodeWit } from './decode.ts';
import type { WitDocument, WitPackage, WitPackageId, WitWorld } from './model.ts';
import { orderPackages } from './package-order.ts';

const SECTION_PREFIX = 'component-type';
/** Tools show the world of such a module as this one's. */
const EMBEDDED_PACKAGE: WitPackageId = { namespace: 'root', name: 'root', version: null };
const EMBEDDED_WORLD = 'root';

/**
 * The world that a core module was made for, which tools leave in it for the step that makes a component of it: adapters and
 * language runtimes have one. `null` for a binary without. Throws as {@link decodeWit} does, and `content/not-analysed` where
 * several are to be merged.
 */
export function decodeEmbeddedWit(bytes: Uint8Array): WitDocument | null {
  const outline = readWasm(bytes);
  const found = outline.sections.filter(({ name }) => name?.startsWith(SECTION_PREFIX) === true);
  const [section] = found;
  if (outline.kind !== 'module' || section === undefined) return null;
  if (found.length > 1) throw notAnalysed(`more than one section of the kind ${SECTION_PREFIX}`, section.offset);
  const document = decodeWit(bytes.subarray(section.contentOffset, sectionEnd(section)));
  const [world, ...others] = document.main.worlds.values();
  if (world === undefined || others.length > 0)
    throw notAnalysed(`a section ${SECTION_PREFIX} of not one world`, section.offset);
  const shown = { ...world, name: EMBEDDED_WORLD, packageId: EMBEDDED_PACKAGE, docs: null, stability: null };
  const main = {
    id: EMBEDDED_PACKAGE,
    interfaces: new Map(),
    worlds: new Map([[EMBEDDED_WORLD, shown]]),
    docs: null,
    stability: null,
  };
  return { main, dependencies: orderPackages(packagesOf(document, world)) };
}

/** In the order in which the world speaks of them; its own last, if it does not. */
function packagesOf({ main, dependencies }: WitDocument, { imports, exports }: WitWorld): readonly WitPackage[] {
  const byId = new Map([...dependencies, main].map((one) => [formatPackageId(one.id), one]));
  const mentioned = [...imports, ...exports].flatMap((item) => {
    const id = item.type === 'interface' ? item.interface.packageId : null;
    return (id === null ? undefined : byId.get(formatPackageId(id))) ?? [];
  });
  return [...new Set([...mentioned, ...dependencies, main])];
}
