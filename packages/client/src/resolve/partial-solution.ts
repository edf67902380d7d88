import type { Incompatibility } from './slot.ts';
import { onePlace } from './place-set.ts';
import { ANYTHING, both, judge, type Term } from './term.ts';

/** One step: what it says of a slot, and what is known of the slot after it. */
export interface Assignment {
  readonly index: number;
  readonly slot: number;
  readonly term: Term;
  readonly known: Term;
  /** How many decisions came before, itself included. */
  readonly level: number;
  /** `null` for a decision. */
  readonly cause: Incompatibility | null;
}

/** What was decided and derived so far, in order. */
export class PartialSolution {
  readonly #steps: Assignment[] = [];
  /** By slot, as everything here: slots are numbered from 0 on without gaps. */
  readonly #bySlot: Assignment[][] = [];
  readonly #decided = new Map<number, number>();
  /** Slots of which something is chosen, and not yet what. */
  readonly #open = new Set<number>();
  /** No open slot is below. */
  #lowest = 0;
  #level = 0;

  get decisions(): ReadonlyMap<number, number> {
    return this.#decided;
  }

  get open(): ReadonlySet<number> {
    return this.#open;
  }

  /** The slot that was found first: near the project, and the same each time. `null` where all is decided. */
  firstOpen(): number | null {
    if (this.#open.size === 0) return null;
    while (!this.#open.has(this.#lowest)) this.#lowest++;
    return this.#lowest;
  }

  knownOf(slot: number): Term {
    return this.#bySlot[slot]?.at(-1)?.known ?? ANYTHING;
  }

  decide(slot: number, place: number): void {
    this.#level++;
    this.#decided.set(slot, place);
    this.#assign(slot, { isPositive: true, set: onePlace(place) }, null);
    this.#open.delete(slot);
  }

  derive(slot: number, term: Term, cause: Incompatibility): void {
    this.#assign(slot, term, cause);
    if (this.knownOf(slot).isPositive && !this.#decided.has(slot)) this.#openSlot(slot);
  }

  #openSlot(slot: number): void {
    this.#open.add(slot);
    if (slot < this.#lowest) this.#lowest = slot;
  }

  #assign(slot: number, term: Term, cause: Incompatibility | null): void {
    const known = both(this.knownOf(slot), term);
    const step = { index: this.#steps.length, slot, term, known, level: this.#level, cause };
    this.#steps.push(step);
    (this.#bySlot[slot] ??= []).push(step);
  }

  /** The first step after which a term is true. */
  satisfier(slot: number, term: Term): Assignment {
    const step = this.#bySlot[slot]?.find(({ known }) => judge(known, term) === 'true');
    if (step === undefined) throw new TypeError('no step makes the term true');
    return step;
  }

  /** Takes back every step after a level. */
  backtrack(level: number): void {
    this.#level = level;
    for (let last = this.#steps.at(-1); last !== undefined && last.level > level; last = this.#steps.at(-1)) {
      this.#steps.pop();
      this.#bySlot[last.slot]?.pop();
      if (last.cause === null) this.#decided.delete(last.slot);
      if (this.knownOf(last.slot).isPositive && !this.#decided.has(last.slot)) this.#openSlot(last.slot);
      else this.#open.delete(last.slot);
    }
  }
}
