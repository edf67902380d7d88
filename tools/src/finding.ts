/** One place that breaks a house rule. */
export interface Finding {
  /** Path below the repository, with `/`. */
  readonly file: string;
  /** Line number, from 1. */
  readonly line: number;
  /** One sentence: what is wrong, and what would be right if that is not obvious. */
  readonly message: string;
}

/** What one rule says about a tree. */
export interface Verdict {
  readonly findings: readonly Finding[];
  /** Measurements for the summary line, such as `p99 31 lines`; may be empty. */
  readonly figures: readonly string[];
}
