import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** What a call of the file system does in place of its work, or after it. */
export type Interruption = 'freeze' | 'ENOSPC' | 'EIO';

export interface InterruptedCall {
  /** From 1. */
  readonly call: number;
  /** Whether the call has done its work. */
  readonly done: boolean;
  readonly how: Interruption;
}

/** Thrown as the system does it. */
class SystemError extends Error {
  readonly code: string;
  readonly syscall: string;

  constructor(code: string, syscall: string) {
    super(`${code}: made up, ${syscall}`);
    this.code = code;
    this.syscall = syscall;
  }
}

/**
 * The calls by which a store changes files, and makes them durable, counted; one of them may be interrupted. After a freeze
 * no call begins or ends any more, as when the process is gone.
 */
export class FileCalls {
  /** `sync /a/file`, `rename /a/file`, in the order in which they ended. */
  readonly log: string[] = [];
  readonly #interrupted: InterruptedCall | null;
  readonly #opened: fs.FileHandle[] = [];
  readonly #originals = { open: fs.open, rename: fs.rename, rm: fs.rm, utimes: fs.utimes };
  #calls = 0;
  #frozen: (() => void) | null = null;
  /** Resolves when the process is as good as gone. */
  readonly frozen: Promise<void>;

  constructor(interrupted: InterruptedCall | null) {
    this.#interrupted = interrupted;
    let freeze = (): void => undefined;
    this.frozen = new Promise((resolve) => (freeze = resolve));
    this.#frozen = freeze;
    this.#install();
  }

  get hasCome(): boolean {
    return this.#interrupted !== null && this.#calls >= this.#interrupted.call;
  }

  /** From here on calls are the system's own. */
  async dispose(): Promise<void> {
    Object.assign(fs, this.#originals);
    syncBuiltinESMExports();
    for (const handle of this.#opened) await handle.close().catch(() => undefined);
  }

  #install(): void {
    const { open, rename, rm, utimes } = this.#originals;
    fs.open = (file, ...rest) =>
      this.#pass(`open ${String(file)}`, async () => this.#watched(String(file), await open(file, ...rest)));
    fs.rename = (from, to) => this.#pass(`rename ${String(to)}`, () => rename(from, to));
    fs.rm = (file, options) => this.#pass(`rm ${String(file)}`, () => rm(file, options));
    fs.utimes = (file, atime, mtime) => this.#pass(`utimes ${String(file)}`, () => utimes(file, atime, mtime));
    syncBuiltinESMExports();
  }

  #watched(file: string, handle: fs.FileHandle): fs.FileHandle {
    this.#opened.push(handle);
    const sync = handle.sync.bind(handle);
    handle.sync = () => this.#pass(`sync ${file}`, sync);
    return handle;
  }

  async #pass<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#frozen === null) return never();
    const interrupted = ++this.#calls === this.#interrupted?.call ? this.#interrupted : null;
    if (interrupted === null || interrupted.done) {
      const result = await work();
      this.log.push(name);
      if (interrupted === null) return result;
    }
    if (interrupted.how !== 'freeze') throw new SystemError(interrupted.how, name.split(' ')[0] ?? '');
    this.#frozen();
    this.#frozen = null;
    return never();
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}
