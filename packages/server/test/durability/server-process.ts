import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const SERVE = fileURLToPath(new URL('serve.js', import.meta.url));
/** A start or an end that takes longer than this hangs. */
const PATIENCE_MS = 60_000;

/** None outlives the tests, however these end. */
const living = new Set<ServerProcess>();
process.on('exit', () => {
  for (const server of living) server.signal('SIGKILL');
});

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Everything it wrote to stderr. */
  readonly stderr: string;
}

/** A real server in a process of its own, with everything that can happen to one. */
export class ServerProcess {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  /** Its address; `null` when it ended before it served. */
  readonly ready: Promise<URL | null>;
  readonly ended: Promise<Ending>;
  #hasEnded = false;
  /** Of the server itself, which a tracer may have started. */
  #serverPid: number | null = null;

  /** `before` are words of a command line that runs the server, such as a tracer; with none it runs by itself. */
  constructor(data: string, before: readonly string[] = []) {
    const [command, ...args] = [...before, process.execPath, SERVE, data];
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    living.add(this);
    let stderr = '';
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    this.ready = this.#firstLine();
    this.ended = once(this.#child, 'close').then(() => {
      this.#hasEnded = true;
      living.delete(this);
      return { code: this.#child.exitCode, signal: this.#child.signalCode, stderr };
    });
  }

  /** Starts a server on `data` that has to come up. */
  static async start(data: string, before: readonly string[] = []): Promise<{ server: ServerProcess; url: URL }> {
    const server = new ServerProcess(data, before);
    const url = await server.ready;
    if (url === null) assert.fail(`the server did not start: ${(await server.ended).stderr}`);
    return { server, url };
  }

  async #firstLine(): Promise<URL | null> {
    for await (const line of createInterface({ input: this.#child.stdout })) {
      const [url = '', pid] = line.split(' ');
      this.#serverPid = Number(pid);
      return new URL(url);
    }
    return null;
  }

  get pid(): number {
    return this.#serverPid ?? this.#child.pid ?? assert.fail('the process was not started');
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** SIGKILL: no handler runs, nothing is tidied up. */
  async kill(): Promise<Ending> {
    this.signal('SIGKILL');
    return this.ended;
  }

  /** Does nothing once it has ended. */
  signal(signal: NodeJS.Signals): void {
    if (this.#hasEnded) return;
    try {
      process.kill(this.pid, signal);
    } catch {
      // It has just ended by itself.
    }
  }

  /** Ends it gracefully. */
  async stop(): Promise<Ending> {
    this.signal('SIGTERM');
    return this.end();
  }

  /** Waits for it to end; one that does not is killed, and that is a failure. */
  async end(patienceMs = PATIENCE_MS): Promise<Ending> {
    const late = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    const ending = await this.ended;
    clearTimeout(late);
    assert.notEqual(ending.signal, 'SIGKILL', 'the server did not end');
    return ending;
  }
}
