import { equalBytes } from '../../bytes/byte-array.ts';
import type { Extern, ShapeNode, ShapePart, TypeNode, ValueType } from './type-node.ts';

/** Names that lead to names, and shapes in shapes, followed before the answer is taken for yes. */
const STEPS_DEEP_MAX = 300;
/** What one comparison looks at, so that a type written to be slow is not. */
const STEPS_MAX = 200_000;

/**
 * Why what is given does not do for what is asked for; `null` where it does, as far as can be told. A resource does for any
 * resource, and what cannot be told for everything.
 */
export function mismatchOf(asked: Extern, given: Extern): string | null {
  return new Comparison().extern(asked, given, '', 0);
}

class Comparison {
  readonly #equal = new Map<TypeNode, Set<TypeNode>>();
  #steps = 0;

  extern(asked: Extern, given: Extern, path: string, depth: number): string | null {
    if (asked.sort !== given.sort) return `${where(path)}is a ${given.sort}, not a ${asked.sort}`;
    if (this.#tooFar(depth)) return null;
    if (asked.sort === 'instance' && given.sort === 'instance')
      return this.#exports(asked.instance.exports(), given.instance.exports(), path, depth);
    if (asked.sort === 'function' && given.sort === 'function') {
      const [left, right] = [asked.functionType(), given.functionType()];
      if (left === null || right === null || this.#types(left, right, depth)) return null;
      return `${where(path)}has other parameters or another result`;
    }
    if (asked.sort === 'type' && given.sort === 'type')
      return this.#types(asked.node, given.node, depth) ? null : `${where(path)}is another type`;
    return null;
  }

  #exports(
    asked: ReadonlyMap<string, Extern> | null,
    given: ReadonlyMap<string, Extern> | null,
    path: string,
    depth: number,
  ): string | null {
    if (asked === null || given === null) return null;
    for (const [name, extern] of asked) {
      const found = given.get(name);
      const inside = path === '' ? name : `${path}.${name}`;
      if (found === undefined) return `${where(inside)}is missing`;
      const problem = this.extern(extern, found, inside, depth + 1);
      if (problem !== null) return problem;
    }
    return null;
  }

  #tooFar(depth: number): boolean {
    this.#steps += 1;
    return depth > STEPS_DEEP_MAX || this.#steps > STEPS_MAX;
  }

  #types(left: TypeNode, right: TypeNode, depth: number): boolean {
    const [asked, given] = [resolved(left), resolved(right)];
    if (asked === given || asked === null || given === null) return true;
    if (asked === 'resource' || given === 'resource') return asked === given;
    const known = this.#equal.get(asked) ?? new Set();
    if (known.has(given) || this.#tooFar(depth)) return true;
    known.add(given);
    this.#equal.set(asked, known);
    return this.#shapes(asked, given, depth);
  }

  #shapes(asked: ShapeNode, given: ShapeNode, depth: number): boolean {
    if (asked.parts.length !== given.parts.length) return false;
    return asked.parts.every((part, index) => {
      const other = given.parts[index];
      return other !== undefined && this.#parts(part, other, depth);
    });
  }

  #parts(asked: ShapePart, given: ShapePart, depth: number): boolean {
    if (asked instanceof Uint8Array || given instanceof Uint8Array)
      return asked instanceof Uint8Array && given instanceof Uint8Array && equalBytes(asked, given);
    return this.#values(asked.value, given.value, depth + 1);
  }

  #values(asked: ValueType, given: ValueType, depth: number): boolean {
    const [left, right] = [primitiveOf(asked), primitiveOf(given)];
    if (left !== null || right !== null) return left === right || isUnknown(asked) || isUnknown(given);
    return typeof asked === 'number' || typeof given === 'number' || this.#types(asked, given, depth);
  }
}

function isUnknown(value: ValueType): boolean {
  return typeof value !== 'number' && resolved(value) === null;
}

/** The byte of a primitive, also of one that has a name; `null` for others. */
function primitiveOf(value: ValueType): number | null {
  if (typeof value === 'number') return value;
  const node = resolved(value);
  if (node === null || node === 'resource') return null;
  const [only] = node.parts;
  return node.parts.length === 1 && only instanceof Uint8Array && only.length === 1 ? (only[0] ?? null) : null;
}

/** What a type is behind its names. */
function resolved(node: TypeNode): ShapeNode | 'resource' | null {
  let found: TypeNode | null = node;
  for (let steps = 0; steps < STEPS_DEEP_MAX && found !== null; steps++) {
    if (found.kind === 'shape') return found;
    if (found.kind === 'resource' || (found.kind === 'declared' && found.bound === null)) return 'resource';
    found = behind(found);
  }
  return null;
}

function behind(node: TypeNode): TypeNode | null {
  if (node.kind === 'declared') return node.bound;
  if (node.kind !== 'member') return null;
  const extern = node.instance.exports()?.get(node.name);
  return extern?.sort === 'type' ? extern.node : null;
}

/** True where a type says something of a resource, or it cannot be told. */
export function involvesResource(node: TypeNode): boolean {
  const seen = new Set<TypeNode>();
  const open = [node];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const found = resolved(next);
    if (found === null || found === 'resource') return true;
    for (const part of found.parts) {
      if (!(part instanceof Uint8Array) && typeof part.value !== 'number') open.push(part.value);
    }
  }
  return false;
}

function where(path: string): string {
  return path === '' ? 'it ' : `${path} `;
}
