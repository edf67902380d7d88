import { RegistryError } from '@waybill/protocol';
import { conflictError } from './conflict-text.ts';
import { PartialSolution, type Assignment } from './partial-solution.ts';
import { firstOf, onePlace } from './place-set.ts';
import { PROJECT_SLOT, type Incompatibility, type SlotTerm } from './slot.ts';
import type { Candidate, SlotTable, Unknown } from './slot-table.ts';
import { both, inverse, judge, type Term } from './term.ts';

/** Decisions and conflicts of one resolution. */
export const RESOLUTION_STEPS_MAX = 200_000;

/** What is looked at between two looks at the clock: steps grow long where much was learned. */
const LOOKS_PER_CLOCK = 1_024;

/**
 * The PubGrub algorithm: decide, derive what follows, and from each conflict learn what can never hold together. It stops where
 * it has to know more, and goes on when {@link SlotTable} does. The same packages give the same choice.
 */
export class Solver {
  readonly #table: SlotTable;
  readonly #solution = new PartialSolution();
  readonly #bySlot: Incompatibility[][] = [];
  readonly #requireTime: () => void;
  #steps = 0;
  #looks = 0;

  /** `requireTime` throws when it is up: graphs that are no larger than others can take any time (threats P10). */
  constructor(table: SlotTable, requireTime: () => void) {
    this.#table = table;
    this.#requireTime = requireTime;
  }

  /**
   * Gives what has to be read first, and in the end the place of what is chosen in each slot. Throws `resolution/conflict`,
   * `resolution/limit`.
   */
  *run(): Generator<Unknown, ReadonlyMap<number, number>, void> {
    this.#add({
      terms: [{ slot: PROJECT_SLOT, term: { isPositive: false, set: onePlace(0) } }],
      cause: { type: 'start' },
    });
    for (let changed = PROJECT_SLOT; ;) {
      this.#propagate(changed);
      const next = this.#solution.firstOpen();
      if (next === null) return this.#solution.decisions;
      changed = next;
      yield* this.#learn(changed);
      this.#decide(changed);
    }
  }

  /** Until enough is known of a slot. What the other open ones prefer is asked for with it: this makes reading parallel. */
  *#learn(slot: number): Generator<Unknown, void, void> {
    while (!this.#table.isReady(this.#candidate(slot))) {
      yield this.#table.unknownOf([...this.#solution.open].map((each) => this.#candidate(each)));
    }
  }

  #candidate(slot: number): Candidate {
    return { slot, place: this.#preferred(slot) };
  }

  #preferred(slot: number): number {
    return firstOf(this.#solution.knownOf(slot).set);
  }

  #decide(slot: number): void {
    this.#countStep();
    const place = this.#preferred(slot);
    for (const incompatibility of this.#table.needsOf(slot, place)) this.#add(incompatibility);
    this.#solution.decide(slot, place);
  }

  #countStep(): void {
    this.#requireTime();
    if (++this.#steps <= RESOLUTION_STEPS_MAX) return;
    const message = `no choice of releases was found in ${RESOLUTION_STEPS_MAX} steps: narrow the ranges in waybill.toml`;
    throw new RegistryError('resolution/limit', message, { steps: RESOLUTION_STEPS_MAX });
  }

  #add(incompatibility: Incompatibility): void {
    for (const { slot } of incompatibility.terms) (this.#bySlot[slot] ??= []).push(incompatibility);
  }

  #propagate(first: number): void {
    const changed = [first];
    for (let slot = changed.pop(); slot !== undefined; slot = changed.pop()) {
      const list = this.#bySlot[slot] ?? [];
      for (let i = list.length - 1; i >= 0; i--) {
        const incompatibility = list[i];
        const derived = incompatibility === undefined ? null : this.#derive(incompatibility);
        if (derived === 'conflict' && incompatibility !== undefined) {
          const learned = this.#derive(this.#resolveConflict(incompatibility));
          if (typeof learned !== 'number') throw new TypeError('what was learned derives nothing');
          changed.splice(0, changed.length, learned);
          break;
        }
        if (typeof derived === 'number') changed.push(derived);
      }
    }
  }

  /** Where all terms but one are true, that one is false. Gives its slot, `null` where nothing follows. */
  #derive(incompatibility: Incompatibility): number | 'conflict' | null {
    if (++this.#looks % LOOKS_PER_CLOCK === 0) this.#requireTime();
    let open: SlotTerm | null = null;
    for (const each of incompatibility.terms) {
      const verdict = judge(this.#solution.knownOf(each.slot), each.term);
      if (verdict === 'false') return null;
      if (verdict === 'true') continue;
      if (open !== null) return null;
      open = each;
    }
    if (open === null) return 'conflict';
    this.#solution.derive(open.slot, inverse(open.term), incompatibility);
    return open.slot;
  }

  /** Learns why: goes back to where what was learned leaves one way. Throws `resolution/conflict` where no decision is to blame. */
  #resolveConflict(conflict: Incompatibility): Incompatibility {
    for (let current = conflict; ;) {
      this.#countStep();
      if (isFailure(current)) throw conflictError(current, this.#table);
      const { step, term, level } = this.#blame(current);
      if (step.cause === null || level < step.level) {
        this.#solution.backtrack(level);
        if (current !== conflict) this.#add(current);
        return current;
      }
      current = resolvent(current, step.cause, { step, term });
    }
  }

  /** The step that made an incompatibility true, and the level at which all but it was true. */
  #blame({ terms }: Incompatibility): Blame {
    const steps = terms.map(({ slot, term }) => ({ term, step: this.#solution.satisfier(slot, term) }));
    const last = steps.reduce((a, b) => (a.step.index > b.step.index ? a : b));
    const levels = steps.filter((each) => each !== last).map(({ step }) => step.level);
    const rest = restOf(last.step, last.term);
    if (rest !== null) levels.push(this.#solution.satisfier(last.step.slot, inverse(rest)).level);
    return { ...last, level: Math.max(1, ...levels) };
  }
}

interface Blame {
  readonly step: Assignment;
  readonly term: Term;
  readonly level: number;
}

/** What a step leaves open of the term that it made true together with earlier ones. */
function restOf(step: Assignment, term: Term): Term | null {
  return judge(step.term, term) === 'true' ? null : both(step.term, inverse(term));
}

function isFailure({ terms }: Incompatibility): boolean {
  return terms.every(({ slot }) => slot === PROJECT_SLOT);
}

/** What can never hold together either, as the step followed from its cause. */
function resolvent(
  current: Incompatibility,
  cause: Incompatibility,
  { step, term }: Pick<Blame, 'step' | 'term'>,
): Incompatibility {
  const terms = new Map<number, Term>();
  const add = (added: SlotTerm): void => {
    const known = terms.get(added.slot);
    terms.set(added.slot, known === undefined ? added.term : both(known, added.term));
  };
  for (const each of current.terms) if (each.slot !== step.slot) add(each);
  for (const each of cause.terms) if (each.slot !== step.slot) add(each);
  const rest = restOf(step, term);
  if (rest !== null) add({ slot: step.slot, term: inverse(rest) });
  if (terms.size > 1) terms.delete(PROJECT_SLOT);
  const list = [...terms].map(([slot, each]) => ({ slot, term: each }));
  return { terms: list, cause: { type: 'derived', of: [current, cause] } };
}
