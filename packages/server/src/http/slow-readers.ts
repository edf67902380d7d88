import type { ServerResponse } from 'node:http';
import type { HttpLimits } from './http-limits.ts';
import type { HttpObserver } from './http-observer.ts';

interface Progress {
  readonly unsent: number;
  readonly written: number;
  /** When either of the two last changed. */
  readonly changedAtMs: number;
}

/** Shared by all answers that are still to come. */
const NOTHING_SENT: Progress = { unsent: 0, written: 0, changedAtMs: 0 };

/** Cuts answers that their readers do not take: each holds memory and a file for as long as its reader likes. */
export class SlowReaders {
  readonly #limits: HttpLimits;
  readonly #observer: HttpObserver;
  /** Oldest first. */
  readonly #answers = new Map<ServerResponse, Progress>();
  readonly #timer: NodeJS.Timeout;
  /** One for all answers: thousands may be to come. */
  readonly #forget: (this: ServerResponse) => void;

  constructor(limits: HttpLimits, observer: HttpObserver) {
    this.#limits = limits;
    this.#observer = observer;
    this.#timer = setInterval(() => this.#check(performance.now()), limits.answerCheckMs);
    this.#timer.unref();
    const answers = this.#answers;
    this.#forget = function (this: ServerResponse) {
      answers.delete(this);
    };
  }

  watch(answer: ServerResponse): void {
    this.#answers.set(answer, NOTHING_SENT);
    answer.on('close', this.#forget);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(nowMs: number): void {
    let unsent = 0;
    for (const [answer, progress] of this.#answers) {
      if (this.#isStalled(answer, progress, nowMs)) this.#cut(answer);
      else unsent += answer.writableLength;
    }
    for (const answer of this.#answers.keys()) {
      if (unsent <= this.#limits.answerBytesMax) return;
      unsent -= answer.writableLength;
      if (answer.writableLength > 0) this.#cut(answer);
    }
  }

  #isStalled(answer: ServerResponse, progress: Progress, nowMs: number): boolean {
    const { answerStallMs, answerBytesPerSecondMin } = this.#limits;
    const unsent = answer.writableLength;
    if (unsent === 0) return false;
    const written = answer.socket?.bytesWritten ?? 0;
    if (unsent !== progress.unsent || written !== progress.written) {
      this.#answers.set(answer, { unsent, written, changedAtMs: nowMs });
      return false;
    }
    // One write may be megabytes, and its progress is not seen before its end.
    return nowMs - progress.changedAtMs > answerStallMs + (unsent / answerBytesPerSecondMin) * 1_000;
  }

  #cut(answer: ServerResponse): void {
    this.#answers.delete(answer);
    this.#observer.connectionCut('slow-reader');
    answer.destroy();
  }
}
