import { RegistryError, type ErrorCode } from '@waybill/protocol';
import type { ContentStore, ContentUpload, LastSigned, RegistryStore } from '../../src/core/ports.ts';

/** The durable steps of publishing. */
export const STEPS = ['commit', 'note what was signed', 'put pending', 'keep content'] as const;
export type Step = (typeof STEPS)[number];

export interface FailpointOptions {
  readonly step: Step;
  /** At which call of that step, from 1. */
  readonly call: number;
  /** Whether the step has done its work when it fails. */
  readonly stored: boolean;
  readonly code: ErrorCode;
}

/** One durable step that fails once. */
export class Failpoint {
  readonly #options: FailpointOptions;
  #calls = 0;
  #frozen = false;
  readonly #uploads = new Set<ContentUpload>();

  constructor(options: FailpointOptions) {
    this.#options = options;
  }

  /** Whether the failure has come. */
  get hasFailed(): boolean {
    return this.#calls >= this.#options.call;
  }

  /** As when the process is gone: no durable step begins any more, or ends. */
  freeze(): void {
    this.#frozen = true;
  }

  /** The operating system closes the files of a process that is gone. */
  async closeFiles(): Promise<void> {
    for (const upload of this.#uploads) await upload.discard();
  }

  store(store: RegistryStore): RegistryStore {
    return {
      ...store,
      commit: (previous, commit) => this.#pass('commit', () => store.commit(previous, commit)),
      putPending: (pending) => this.#pass('put pending', () => store.putPending(pending)),
    };
  }

  lastSigned(lastSigned: LastSigned): LastSigned {
    return {
      read: () => lastSigned.read(),
      write: (mark) => this.#pass('note what was signed', () => lastSigned.write(mark)),
    };
  }

  content(content: ContentStore): ContentStore {
    return {
      ...content,
      startUpload: async () => {
        const upload = await content.startUpload();
        if (this.#frozen) await upload.discard();
        this.#uploads.add(upload);
        return {
          write: (chunk) => upload.write(chunk),
          keep: (digest) => this.#pass('keep content', () => upload.keep(digest)),
          discard: () => upload.discard(),
        };
      },
      keepBytes: (digest, bytes) => this.#pass('keep content', () => content.keepBytes(digest, bytes)),
    };
  }

  async #pass(step: Step, work: () => Promise<void>): Promise<void> {
    if (this.#frozen) return never();
    const { code, stored, ...failing } = this.#options;
    const fails = step === failing.step && ++this.#calls === failing.call;
    if (!fails || stored) await work();
    if (fails) throw new RegistryError(code, `${step} fails here`);
    if (this.#frozen) return never();
  }
}

function never(): Promise<void> {
  return new Promise(() => undefined);
}
