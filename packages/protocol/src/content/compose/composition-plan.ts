import { sha256 } from '../../crypto/hash.ts';
import { isRegistryError, RegistryError } from '../../errors.ts';
import type { VersionText } from '../../names/version.ts';
import { meetsIntegrity } from '../binary/integrity.ts';
import { readPreamble } from '../binary/section.ts';
import { readComponent, type ReadComponent } from './component-reader.ts';
import { trackOf } from '../version-track.ts';
import { byVersionDown, isAskedFor, parseSourceName, type SourceName } from './source-name.ts';
import { mismatch, tooLarge } from './refusal.ts';
import { mismatchOf } from './type-match.ts';
import type { Extern } from './type-node.ts';

const DEPENDENCIES_MAX = 1_000;

/**
 * Interfaces that a dependency may supply: any; any, where the interface's own package does not; those of its own package alone.
 * Content exports whatever names it likes, and what nobody chose, but is there for the sake of another, takes nobody's place.
 */
export type SupplyReach = 'any' | 'own before others' | 'own';

/** A component or core module by the name of its package. */
export interface Dependency {
  readonly name: string;
  /** `null` where nobody says. */
  readonly version: VersionText | null;
  readonly supplies: SupplyReach;
  readonly bytes: Uint8Array;
}

/** One of the things that are put together. */
export interface Unit {
  /** For messages. */
  readonly title: string;
  /** `null` for the root. */
  readonly dependency: Dependency | null;
  readonly bytes: Uint8Array;
  /** `null` for a core module. */
  readonly component: ReadComponent | null;
}

/** Where an import comes from. */
export type Supply =
  | { readonly type: 'export'; readonly unit: Unit; readonly name: string }
  /** The component or core module itself, or its one instance. */
  | { readonly type: 'whole'; readonly unit: Unit }
  | { readonly type: 'import'; readonly group: ImportGroup };

/** Imports of several components that are one import of the composed one. */
export interface ImportGroup {
  /** Not empty; the highest version first. */
  members: readonly GroupMember[];
}

export interface GroupMember {
  readonly unit: Unit;
  readonly name: string;
  readonly extern: Extern;
}

export interface CompositionPlan {
  readonly root: Unit;
  /** In order: none needs a later one. The root is not among them. */
  readonly used: readonly Unit[];
  /** Those of which an instance is made, the root last. */
  readonly instantiated: readonly Unit[];
  readonly unused: readonly Unit[];
  readonly supplies: ReadonlyMap<Unit, ReadonlyMap<string, Supply>>;
  /** By {@link importKey}. */
  readonly groups: ReadonlyMap<string, ImportGroup>;
}

/** Decides where each import comes from. Throws `compose/cycle`, `compose/mismatch`, `content/digest`, and what a reader throws. */
export function planComposition(root: Uint8Array, dependencies: readonly Dependency[]): CompositionPlan {
  if (dependencies.length > DEPENDENCIES_MAX) throw tooLarge(`it has more than ${DEPENDENCIES_MAX} dependencies`);
  const units = dependencies.map((dependency) => unitOf(dependency, dependency.bytes));
  const planner = new Planner(units);
  return planner.plan(unitOf(null, root));
}

function unitOf(dependency: Dependency | null, bytes: Uint8Array): Unit {
  const title = dependency === null ? 'the root' : titleOf(dependency);
  try {
    const isModule = dependency !== null && readPreamble(bytes, 0, bytes.length).layer === 'module';
    return { title, dependency, bytes, component: isModule ? null : readComponent(bytes) };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    throw new RegistryError(failure.code, `${title}: ${failure.message}`, failure.detail, { cause: failure });
  }
}

function titleOf({ name, version }: Dependency): string {
  return version === null ? name : `${name}@${version}`;
}

class Planner {
  readonly #units: readonly Unit[];
  readonly #used: Unit[] = [];
  readonly #instantiated: Unit[] = [];
  readonly #open: Unit[] = [];
  readonly #supplies = new Map<Unit, Map<string, Supply>>();
  readonly #groups = new Map<string, ImportGroup>();

  constructor(units: readonly Unit[]) {
    this.#units = units;
  }

  plan(root: Unit): CompositionPlan {
    this.#instantiate(root);
    const used = new Set(this.#used);
    return {
      root,
      used: this.#used.filter((unit) => unit !== root),
      instantiated: this.#instantiated,
      unused: this.#units.filter((unit) => !used.has(unit)),
      supplies: this.#supplies,
      groups: this.#groups,
    };
  }

  #instantiate(unit: Unit): void {
    const { component } = unit;
    if (component === null || this.#supplies.has(unit)) return this.#requireDone(unit);
    const supplies = new Map<string, Supply>();
    this.#supplies.set(unit, supplies);
    this.#open.push(unit);
    for (const [name, extern] of component.imports) supplies.set(name, this.#supply(unit, name, extern));
    this.#open.pop();
    this.#instantiated.push(unit);
    this.#use(unit);
  }

  #requireDone(unit: Unit): void {
    const from = this.#open.indexOf(unit);
    if (from < 0) return;
    const chain = [...this.#open.slice(from), unit].map(({ title }) => title).join(' → ');
    throw new RegistryError(
      'compose/cycle',
      `the dependencies need each other in a circle, and none can be first: ${chain}`,
    );
  }

  #use(unit: Unit): void {
    if (!this.#used.includes(unit)) this.#used.push(unit);
  }

  #supply(unit: Unit, name: string, extern: Extern): Supply {
    const said = parseSourceName(name, extern.attributes);
    const found =
      extern.sort === 'instance' && said.type === 'interface'
        ? this.#exportFor(unit, name, extern, said)
        : this.#wholeFor(unit, name, extern, said);
    return found ?? { type: 'import', group: this.#group({ unit, name, extern }, said) };
  }

  #exportFor(unit: Unit, name: string, extern: Extern, asked: InterfaceName): Supply | null {
    const found = exportsFor(asked, this.#candidates(unit, asked))[0];
    if (found === undefined) return null;
    const problem = mismatchOf(extern, found.extern);
    if (problem !== null)
      throw mismatch(`${unit.title} imports ${name}, and ${found.unit.title} exports ${found.name}, but ${problem}`);
    this.#instantiate(found.unit);
    return { type: 'export', unit: found.unit, name: found.name };
  }

  /** One that exports what it imports stands before others of its kind: it takes from those that come after it. */
  #candidates(unit: Unit, asked: InterfaceName): readonly Unit[] {
    const isBetween = exportsFor(asked, [unit]).length > 0;
    return isBetween && unit.dependency !== null
      ? this.#units.slice(this.#units.indexOf(unit) + 1)
      : this.#units.filter((candidate) => candidate !== unit);
  }

  #wholeFor(unit: Unit, name: string, extern: Extern, said: SourceName): Supply | null {
    if (said.type === 'none') return null;
    const found = this.#units.find((candidate) => candidate !== unit && isWholeFor(said, candidate));
    if (found === undefined) return null;
    const given = found.component === null ? 'module' : 'component';
    if (extern.sort === 'instance' && given === 'component') this.#instantiate(found);
    else if (extern.sort !== given)
      throw mismatch(`${unit.title} imports ${name} as a ${extern.sort}, and ${found.title} is a ${given}`);
    if (said.type === 'package') requireIntegrity(found, said.integrity);
    this.#use(found);
    return { type: 'whole', unit: found };
  }

  #group(member: GroupMember, said: SourceName): ImportGroup {
    const key = keyOf(member.name, said);
    const group = this.#groups.get(key) ?? { members: [] };
    for (const other of group.members) requireEqual(other, member);
    group.members = [...group.members, member].toSorted((a, b) => byVersionDown(versionOf(a), versionOf(b)));
    this.#groups.set(key, group);
    return group;
  }
}

function isWholeFor(said: Exclude<SourceName, { type: 'none' }>, { dependency }: Unit): boolean {
  if (dependency === null || dependency.name !== said.packageName) return false;
  return said.type === 'interface' || isAskedFor(said, dependency.version);
}

type InterfaceName = Extract<SourceName, { type: 'interface' }>;

interface FoundExport {
  readonly unit: Unit;
  readonly name: string;
  readonly extern: Extern;
  /** Of another package, and given way to. */
  readonly isForeign: boolean;
  readonly isSame: boolean;
  readonly version: InterfaceName['version'];
}

/**
 * Exports of an interface, best first: by who may supply it, the very version, then the highest that can stand for it; the order
 * of the units decides the rest.
 */
function exportsFor(asked: InterfaceName, units: readonly Unit[]): readonly FoundExport[] {
  const found = units.flatMap((unit) => {
    const isForeign = unit.dependency?.supplies !== 'any' && unit.dependency?.name !== asked.packageName;
    if (isForeign && unit.dependency?.supplies === 'own') return [];
    return [...(unit.component?.exports ?? [])].flatMap(([name, extern]): FoundExport[] => {
      if (extern.sort !== 'instance') return [];
      const given = parseSourceName(name, extern.attributes);
      if (given.type !== 'interface' || keyOf(name, given) !== keyOf('', asked)) return [];
      return [{ unit, name, extern, isForeign, isSame: given.version === asked.version, version: given.version }];
    });
  });
  return found.toSorted(
    (a, b) =>
      Number(a.isForeign) - Number(b.isForeign) ||
      Number(b.isSame) - Number(a.isSame) ||
      byVersionDown(a.version, b.version),
  );
}

/** Equal for what can stand for each other: one interface in one track. */
function keyOf(name: string, said: SourceName): string {
  if (said.type !== 'interface') return name;
  return said.version === null ? said.interfaceName : `${said.interfaceName}@${trackOf(said.version)}`;
}

/** Equal for imports that are one import of the composed component. */
export function importKey(name: string, { attributes }: Extern): string {
  return keyOf(name, parseSourceName(name, attributes));
}

function versionOf({ name, extern }: GroupMember): InterfaceName['version'] {
  const said = parseSourceName(name, extern.attributes);
  return said.type === 'interface' ? said.version : null;
}

function requireEqual(first: GroupMember, other: GroupMember): void {
  const problem = mergeProblem(first.extern, other.extern);
  if (problem === null) return;
  throw mismatch(
    `${first.unit.title} imports ${first.name} and ${other.unit.title} imports ${other.name}, which cannot be one import: ${problem}`,
  );
}

/** What two imports have in common must be the same; what one has alone the other does not need. */
function mergeProblem(a: Extern, b: Extern): string | null {
  if (a.sort !== 'instance' || b.sort !== 'instance') return mismatchOf(a, b) ?? mismatchOf(b, a);
  const [left, right] = [a.instance.exports(), b.instance.exports()];
  for (const [name, extern] of left ?? []) {
    const other = right?.get(name);
    const problem = other === undefined ? null : mergeProblem(extern, other);
    if (problem !== null) return `${name}: ${problem}`;
  }
  return null;
}

function requireIntegrity({ title, bytes }: Unit, integrity: string | null): void {
  if (integrity === null || meetsIntegrity(integrity, sha256(bytes))) return;
  throw new RegistryError('content/digest', `${title} is not what the import says by its integrity, ${integrity}`);
}
