/** What can be wrong with a registry at rest. */
export type FlawKind =
  | 'store'
  | 'record'
  | 'name'
  | 'holding'
  | 'head'
  | 'tile'
  | 'map'
  | 'note'
  | 'pending'
  | 'token'
  | 'last-signed'
  | 'key'
  | 'content'
  | 'oci';

export interface Flaw {
  readonly kind: FlawKind;
  /** What it is about: `record 17`, a tile, a digest. */
  readonly at: string;
  readonly problem: string;
  /** What is right can be derived from the records; else it has to come from elsewhere. */
  readonly derivable: boolean;
}

/** What is said, by whoever checks or copies it, of what should be there. */
export const MISSING = 'it is missing';
/** And of bytes that a digest names. */
export const OTHER_BYTES = 'its bytes have another digest';

/** Flaws of one kind that are named; beyond it they are counted. */
const FLAWS_NAMED_MAX = 1_000;

/** Flaws and remarks in the order they were found. Several in a row that say the same of neighbours are one. */
export class Findings {
  readonly #flaws: Flaw[] = [];
  readonly #counts = new Map<FlawKind, number>();
  readonly #remarks: string[] = [];
  #run: {
    readonly kind: FlawKind;
    readonly problem: string;
    readonly first: string;
    last: number;
    index: number;
  } | null = null;

  add(kind: FlawKind, at: string, problem: string, derivable = false): void {
    this.#run = null;
    this.#push({ kind, at, problem, derivable });
  }

  /** As {@link add} for the thing `noun key`, which is number `ordinal` of its kind. */
  addToRun(
    kind: FlawKind,
    noun: string,
    thing: { readonly key: number; readonly ordinal: number },
    problem: string,
  ): void {
    const { key, ordinal } = thing;
    const run = this.#run;
    if (run?.kind === kind && run.problem === problem && run.last === ordinal - 1) {
      run.last = ordinal;
      const flaw = this.#flaws[run.index];
      if (flaw !== undefined) this.#flaws[run.index] = { ...flaw, at: `${noun}s ${run.first} to ${key}` };
      return;
    }
    this.#push({ kind, at: `${noun} ${key}`, problem, derivable: false });
    this.#run = { kind, problem, first: String(key), last: ordinal, index: this.#flaws.length - 1 };
  }

  /** Something to know that is no flaw. */
  remark(text: string): void {
    this.#remarks.push(text);
  }

  count(...kinds: readonly FlawKind[]): number {
    return kinds.reduce((sum, kind) => sum + (this.#counts.get(kind) ?? 0), 0);
  }

  get flaws(): readonly Flaw[] {
    const unnamed = [...this.#counts].flatMap(([kind, count]): Flaw[] =>
      count > FLAWS_NAMED_MAX
        ? [{ kind, at: 'others', problem: `${count - FLAWS_NAMED_MAX} more of this kind`, derivable: false }]
        : [],
    );
    return [...this.#flaws, ...unnamed];
  }

  get remarks(): readonly string[] {
    return this.#remarks;
  }

  #push(flaw: Flaw): void {
    const count = (this.#counts.get(flaw.kind) ?? 0) + 1;
    this.#counts.set(flaw.kind, count);
    if (count <= FLAWS_NAMED_MAX) this.#flaws.push(flaw);
  }
}
