import { messageOf, openCheckpoint, type Digest, type OperatorState } from '@waybill/protocol';
import type { StoredHead } from '../ports.ts';
import type { CheckQueue } from './check-queue.ts';
import type { Findings } from './findings.ts';

/** What the records lead to at the length of a head. */
export interface ReplayedRoots {
  readonly logRoot: Digest;
  /** `null` where it cannot be known. */
  readonly mapRoot: Digest | null;
  /** The operator log up to there. */
  readonly operator: OperatorState;
}

/** Compares heads, in order, with what the records lead to. */
export class HeadCheck {
  readonly #findings: Findings;
  readonly #queue: CheckQueue;
  #ordinal = 0;
  #timestamp = 0;
  #newest: { readonly head: StoredHead; readonly roots: ReplayedRoots; isSigned: boolean } | null = null;

  constructor(findings: Findings, queue: CheckQueue) {
    this.#findings = findings;
    this.#queue = queue;
  }

  /** The newest head that could be read. */
  get newest(): StoredHead | null {
    return this.#newest?.head ?? null;
  }

  /** The newest head is signed, and so are the roots of what the records lead to; known once the queue has drained. */
  get standing(): { readonly log: boolean; readonly map: boolean } {
    if (this.#newest === null || !this.#newest.isSigned) return { log: false, map: false };
    const { logRoot, mapRoot } = this.#newest.head.checkpoint.contents;
    const { roots } = this.#newest;
    return { log: roots.logRoot === logRoot, map: roots.logRoot === logRoot && roots.mapRoot === mapRoot };
  }

  /** A row that could not be read. */
  passOver(logLength: number, problem: string): void {
    this.#ordinal++;
    this.#newest = null;
    this.#findings.add('head', `head ${logLength}`, problem);
  }

  async check(head: StoredHead, roots: ReplayedRoots): Promise<void> {
    const ordinal = ++this.#ordinal;
    const { contents } = head.checkpoint;
    for (const problem of this.#problemsOf(head, roots)) this.#name(contents.logLength, problem);
    this.#timestamp = contents.timestamp;
    const newest = { head, roots, isSigned: true };
    this.#newest = newest;
    // Called now, while the operator's state is that of this length: it looks the key up at once.
    await this.#queue.add(openCheckpoint(head.checkpoint, roots.operator), (failure) => {
      newest.isSigned = false;
      this.#findings.addToRun('head', 'head', { key: contents.logLength, ordinal }, messageOf(failure));
    });
  }

  #problemsOf({ checkpoint: { contents }, ...head }: StoredHead, { logRoot, mapRoot }: ReplayedRoots): string[] {
    const problems: string[] = [];
    if (head.headsLength !== this.#ordinal) problems.push('its place in the log of heads is another one');
    if (head.mapVersion !== contents.logLength) problems.push('the version of its map is another one');
    if (contents.timestamp < this.#timestamp) problems.push('it is signed before the head before it');
    if (contents.logRoot !== logRoot) problems.push('its log root is not that of the records');
    if (mapRoot !== null && contents.mapRoot !== mapRoot) problems.push('its map root is not that of the records');
    return problems;
  }

  #name(logLength: number, problem: string): void {
    this.#findings.addToRun('head', 'head', { key: logLength, ordinal: this.#ordinal }, problem);
  }
}
