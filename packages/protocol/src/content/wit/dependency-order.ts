/** Either all nodes, those without edges first, or two nodes of a cycle. */
export type DependencyOrder =
  | { readonly type: 'order'; readonly nodes: readonly number[] }
  | { readonly type: 'cycle'; readonly from: number; readonly to: number };

/**
 * The nodes in an order in which each comes after all that its edges name; of those that could come next, the one with the
 * least number does, so that an order in which all was written well stays.
 */
export function dependencyOrder(edges: readonly (readonly number[])[]): DependencyOrder {
  const remaining = edges.map((targets) => targets.length);
  const dependents: number[][] = edges.map(() => []);
  for (const [node, targets] of edges.entries()) for (const target of targets) dependents[target]?.push(node);
  const ready = new LeastFirst();
  for (const [node, count] of remaining.entries()) if (count === 0) ready.push(node);
  const nodes: number[] = [];
  for (let node = ready.pop(); node !== null; node = ready.pop()) {
    nodes.push(node);
    for (const dependent of dependents[node] ?? []) {
      const left = (remaining[dependent] ?? 0) - 1;
      remaining[dependent] = left;
      if (left === 0) ready.push(dependent);
    }
  }
  if (nodes.length === edges.length) return { type: 'order', nodes };
  const from = remaining.findIndex((count) => count > 0);
  const to = edges[from]?.find((target) => (remaining[target] ?? 0) > 0) ?? from;
  return { type: 'cycle', from, to };
}

/** A binary heap. */
class LeastFirst {
  readonly #heap: number[] = [];

  push(value: number): void {
    let child = this.#heap.push(value) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (this.#at(parent) <= this.#at(child)) return;
      this.#swap(parent, child);
      child = parent;
    }
  }

  pop(): number | null {
    const least = this.#heap[0];
    const last = this.#heap.pop();
    if (least === undefined || last === undefined) return null;
    if (this.#heap.length === 0) return least;
    this.#heap[0] = last;
    let parent = 0;
    for (;;) {
      const left = 2 * parent + 1;
      const child = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(parent) <= this.#at(child)) return least;
      this.#swap(parent, child);
      parent = child;
    }
  }

  #at(index: number): number {
    return this.#heap[index] ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const value = this.#at(a);
    this.#heap[a] = this.#at(b);
    this.#heap[b] = value;
  }
}
