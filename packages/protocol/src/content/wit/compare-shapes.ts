import { RegistryError } from '../../errors.ts';
import { versionTrack } from './compare-versions.ts';
import { isInterface, witPackageName } from './identity.ts';
import type {
  WitDefinition,
  WitFunction,
  WitInterface,
  WitLabel,
  WitNamedType,
  WitPackageId,
  WitType,
  WitWorld,
} from './model.ts';
import { WIT_COMPARISON_DEPTH_MAX, WIT_COMPARISON_STEPS_MAX } from './parse-source.ts';

/**
 * Whether types of two readings are the same. Two names are where they are declared alike: the same name in the same place,
 * of versions that can stand for each other; what such a name stands for is compared where it is declared. Others are the
 * same where their structure is, but resources never. Whatever is asked throws `content/policy` once all answers together
 * have taken too many steps, or one goes too deep: what a few bytes of a binary say may take hours to compare.
 */
export class TypeComparison {
  readonly #own: readonly WitPackageId[];
  readonly #verdicts = new PairTable<WitType>();
  readonly #namedVerdicts = new PairTable<WitNamedType>();
  readonly #origins = new Map<WitNamedType, WitNamedType>();
  readonly #places = new Map<WitInterface, number>();
  readonly #placeNumbers = new Map<string, number>();
  #steps = 0;
  #depth = 0;

  /** The packages of `own`, one on each side, are two versions of one: their names count as the same. */
  constructor(own: readonly WitPackageId[]) {
    this.#own = own;
  }

  /** True also for two that lack it. */
  sameType(a: WitType | null, b: WitType | null): boolean {
    if (a === null || b === null) return a === b;
    this.spend(1);
    // Neither is kept: each use of a primitive or a name is an object of its own.
    if (a.type === 'primitive' && b.type === 'primitive') return a.primitive === b.primitive;
    if (a.type === 'named' && b.type === 'named') return this.#sameNamed(a.named, b.named);
    return this.#verdicts.of(a, b, () => this.#descend(() => this.#compare(a, b)));
  }

  sameDefinition(a: WitDefinition, b: WitDefinition): boolean {
    if (a.type === 'alias' && b.type === 'alias') return this.sameType(a.target, b.target);
    if (a.type === 'record' && b.type === 'record') {
      return this.#sameParts(a.fields, b.fields, (left, right) => this.sameType(left.value, right.value));
    }
    if (a.type === 'variant' && b.type === 'variant') {
      return this.#sameParts(a.cases, b.cases, (left, right) => this.sameType(left.payload, right.payload));
    }
    if (a.type === 'enum' && b.type === 'enum') return this.#sameParts(a.cases, b.cases, () => true);
    if (a.type === 'flags' && b.type === 'flags') return this.#sameParts(a.flags, b.flags, () => true);
    return a.type === 'resource' && b.type === 'resource';
  }

  /** What differs, for a person; `null` for nothing. Names of parameters count: they are in the type. */
  functionChange(a: WitFunction, b: WitFunction): string | null {
    if (a.isAsync !== b.isAsync) return b.isAsync ? 'is async now' : 'is no longer async';
    if (!this.#sameParts(a.parameters, b.parameters, (left, right) => this.sameType(left.value, right.value))) {
      return 'takes other parameters';
    }
    return this.sameType(a.result, b.result) ? null : 'returns something else';
  }

  /** Counts work. Throws `content/policy`. */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps <= WIT_COMPARISON_STEPS_MAX) return;
    throw tooLarge(`that takes more than ${WIT_COMPARISON_STEPS_MAX} steps`, WIT_COMPARISON_STEPS_MAX);
  }

  #descend(compare: () => boolean): boolean {
    this.spend(PAIR_STEPS);
    if (this.#depth > WIT_COMPARISON_DEPTH_MAX) {
      throw tooLarge(`types are nested more than ${WIT_COMPARISON_DEPTH_MAX} deep`, WIT_COMPARISON_DEPTH_MAX);
    }
    this.#depth++;
    const verdict = compare();
    this.#depth--;
    return verdict;
  }

  #sameParts<T extends Pick<WitLabel, 'name'>>(
    a: readonly T[],
    b: readonly T[],
    same: (left: T, right: T) => boolean,
  ): boolean {
    if (a.length !== b.length) return false;
    for (const [position, left] of a.entries()) {
      const right = b[position];
      this.spend(nameSteps(left));
      if (right === undefined || left.name !== right.name || !same(left, right)) return false;
    }
    return true;
  }

  #compare(first: WitType, second: WitType): boolean {
    const a = this.#expanded(first);
    const b = this.#expanded(second);
    if (a === first && b === second) return this.#sameShape(a, b);
    return this.sameType(a, b);
  }

  #sameNamed(first: WitNamedType, second: WitNamedType): boolean {
    const [a, b] = [this.#declared(first), this.#declared(second)];
    return this.#namedVerdicts.of(a, b, () => this.#descend(() => this.#isSamePlace(a, b) || this.#sameExpanded(a, b)));
  }

  /** Of names that are declared in different places. */
  #sameExpanded(a: WitNamedType, b: WitNamedType): boolean {
    if (a.definition.type === 'resource' || b.definition.type === 'resource') return false;
    if (a.definition.type === 'alias') return this.sameType(a.definition.target, { type: 'named', named: b });
    if (b.definition.type === 'alias') return this.sameType({ type: 'named', named: a }, b.definition.target);
    return this.sameDefinition(a.definition, b.definition);
  }

  #sameShape(a: WitType, b: WitType): boolean {
    if ((a.type === 'own' && b.type === 'own') || (a.type === 'borrow' && b.type === 'borrow')) {
      return this.#isSamePlace(this.#declared(a.resource), this.#declared(b.resource));
    }
    if ((a.type === 'list' && b.type === 'list') || (a.type === 'option' && b.type === 'option')) {
      return this.sameType(a.element, b.element);
    }
    if (a.type === 'fixed-list' && b.type === 'fixed-list') {
      return a.length === b.length && this.sameType(a.element, b.element);
    }
    if (a.type === 'map' && b.type === 'map') return this.sameType(a.key, b.key) && this.sameType(a.value, b.value);
    if (a.type === 'result' && b.type === 'result') return this.sameType(a.ok, b.ok) && this.sameType(a.error, b.error);
    if (a.type === 'tuple' && b.type === 'tuple') {
      const { elements } = b;
      return (
        a.elements.length === elements.length &&
        a.elements.every((element, position) => this.sameType(element, elements[position] ?? null))
      );
    }
    const isStreamed = (a.type === 'future' && b.type === 'future') || (a.type === 'stream' && b.type === 'stream');
    return isStreamed && this.sameType(a.element, b.element);
  }

  #isSamePlace(a: WitNamedType, b: WitNamedType): boolean {
    this.spend(nameSteps(a));
    return a.name === b.name && this.#place(a.owner) === this.#place(b.owner);
  }

  /** A number, as names may be long and are many times the same. */
  #place(owner: WitInterface | WitWorld): number {
    // A world is compared with one world, and an interface without a name with one interface.
    if (!isInterface(owner) || owner.name === null || owner.packageId === null) return UNNAMED_PLACE;
    const known = this.#places.get(owner);
    if (known !== undefined) return known;
    const key = `${this.packageKey(owner.packageId)}/${owner.name}`;
    const place = this.#placeNumbers.get(key) ?? this.#placeNumbers.size + UNNAMED_PLACE + 1;
    this.#placeNumbers.set(key, place);
    this.#places.set(owner, place);
    return place;
  }

  /** Where a name comes from: what `use`, or another name of a resource, leads to at last. */
  #declared(named: WitNamedType): WitNamedType {
    const passed: WitNamedType[] = [];
    let found = this.#origins.get(named) ?? named;
    while (found.definition.type === 'alias' && found.definition.target.type === 'named') {
      this.spend(1);
      passed.push(found);
      const { named: target } = found.definition.target;
      found = this.#origins.get(target) ?? target;
    }
    for (const one of passed) this.#origins.set(one, found);
    return found;
  }

  /** What a name stands for, as far as that is written without a name of its own. */
  #expanded(type: WitType): WitType {
    if (type.type !== 'named') return type;
    const { definition } = this.#declared(type.named);
    return definition.type === 'alias' ? definition.target : type;
  }

  /** Whether an interface belongs to one of the two packages that are compared. */
  isOwn({ packageId }: WitInterface): boolean {
    return packageId !== null && this.packageKey(packageId) === '';
  }

  /** The same for packages that can stand for each other. */
  packageKey(id: WitPackageId): string {
    if (this.#own.some((own) => witPackageName(own) === witPackageName(id))) return '';
    return `${id.namespace}:${id.name}@${versionTrack(id.version)}`;
  }
}

/** What two types that are kept as compared cost in memory, in steps. */
const PAIR_STEPS = 4;
const NAME_LENGTH_A_STEP = 64;
const UNNAMED_PLACE = 0;

function tooLarge(why: string, limit: number): RegistryError {
  return new RegistryError('content/policy', `these interfaces are too large to be compared: ${why}`, { limit });
}

function nameSteps({ name }: Pick<WitLabel, 'name'>): number {
  return 1 + Math.floor(name.length / NAME_LENGTH_A_STEP);
}

/** What was found out about two objects: types are built of types that come many times, so each pair is looked at once. */
class PairTable<T extends object> {
  readonly #rows = new Map<T, Map<T, boolean>>();

  of(a: T, b: T, find: () => boolean): boolean {
    const known = this.#rows.get(a)?.get(b);
    if (known !== undefined) return known;
    const found = find();
    const row = this.#rows.get(a) ?? new Map<T, boolean>();
    this.#rows.set(a, row.set(b, found));
    return found;
  }
}
