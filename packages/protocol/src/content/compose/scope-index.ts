import { malformed, notAnalysed, tooLarge } from './refusal.ts';
import type { InstanceNode, Scope, TypeNode } from './type-node.ts';

/** The type at an index of a scope. Throws `content/policy`. */
export function typeAt(scope: Scope, index: number): TypeNode {
  const node = scope.types[index];
  if (node === undefined) throw malformed(`there is no type ${index}`);
  return node;
}

export function instanceAt(scope: Scope, index: number): InstanceNode {
  const instance = scope.instances[index];
  if (instance === undefined) throw malformed(`there is no instance ${index}`);
  return instance;
}

export function outerScope(scope: Scope, count: number): Scope {
  let outer: Scope | null = scope;
  for (let left = count; left > 0 && outer !== null; left--) outer = outer.parent;
  if (outer === null) throw malformed('an alias leads out of the component');
  return outer;
}

export function coreTypeAt(scope: Scope, index: number): Scope['coreTypes'][number] {
  const node = scope.coreTypesKnown ? scope.coreTypes[index] : undefined;
  if (node === undefined) throw notAnalysed(`a core type ${index}`);
  return node;
}

/** Answers that need other answers, which may need others. */
const EVALUATION_DEPTH_MAX = 100;
/** Types and the like of one component, those of everything inside it among them. */
const DEFINITIONS_MAX = 300_000;

/** An answer that asks what instances export: `null` where that is too far to go, or cannot be told. */
export function evaluated<T>({ evaluation }: Scope, answer: () => T | null): T | null {
  if (evaluation.depth >= EVALUATION_DEPTH_MAX) return null;
  evaluation.depth += 1;
  try {
    return answer();
  } finally {
    evaluation.depth -= 1;
  }
}

/** One more definition. Throws `content/policy`. */
export function countDefinition({ evaluation }: Scope): void {
  evaluation.definitions += 1;
  if (evaluation.definitions > DEFINITIONS_MAX) throw tooLarge(`it has more than ${DEFINITIONS_MAX} definitions`);
}

/** An instance that another instance exports. */
export function instanceMember(scope: Scope, instance: InstanceNode, name: string): InstanceNode {
  const found = (): InstanceNode | null =>
    evaluated(scope, () => {
      const member = instance.exports()?.get(name);
      return member?.sort === 'instance' ? member.instance : null;
    });
  return {
    home: scope,
    origin: { type: 'member', instance, name },
    instanceType: instance.instanceType === null ? null : (found()?.instanceType ?? null),
    exports: () => evaluated(scope, () => found()?.exports() ?? null),
    members: new Map(),
  };
}
