import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import assert from 'node:assert/strict';
import { parseConfig, type ServerOptions } from '../src/config.ts';
import type { WebBounds } from '../src/http/web-server.ts';
import { startServer, type RunningServer } from '../src/main.ts';

/** One answer, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** What is sent besides method and path; `json` brings its content type along. */
export interface Sent {
  readonly json?: unknown;
  /** A body as it is, with no content type but the one in `headers`. */
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

const OPTIONS: Omit<ServerOptions, 'data'> = {
  listen: '127.0.0.1:0',
  namespaces: ['test'],
  publishers: null,
  open: false,
  anyContent: false,
  publicUrl: null,
  logLevel: 'silent',
};

/** A real server on a folder of its own and a free port, for one test file. */
export class RunningRegistry {
  readonly folder: string;
  readonly #options: ServerOptions;
  readonly #bounds: WebBounds;
  #server: RunningServer;

  private constructor(
    folder: string,
    { options, bounds }: { options: ServerOptions; bounds: WebBounds },
    server: RunningServer,
  ) {
    this.folder = folder;
    this.#options = options;
    this.#bounds = bounds;
    this.#server = server;
  }

  static async start(options: Partial<ServerOptions> = {}, bounds: WebBounds = {}): Promise<RunningRegistry> {
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-server-'));
    const all = { ...OPTIONS, data: path.join(folder, 'data'), ...options };
    return new RunningRegistry(folder, { options: all, bounds }, await serve(all, bounds));
  }

  get url(): URL {
    return this.#server.url;
  }

  /** The value of one time series, such as `waybill_refusals_total{code="wire/json"}`; 0 while it is not there. */
  async metric(series: string): Promise<number> {
    return metricOf(await this.metrics(), series);
  }

  /** Resolves once a time series has come to `value`. */
  async untilMetric(series: string, value: number): Promise<void> {
    while ((await this.metric(series)) < value) await sleep(5);
  }

  /** The whole exposition. Start with `metrics: '127.0.0.1:0'`. */
  async metrics(): Promise<string> {
    return (await fetch(new URL('metrics', this.metricsUrl))).text();
  }

  get metricsUrl(): URL {
    return this.#server.metricsUrl ?? assert.fail('metrics are not served');
  }

  get operatorKeyFile(): string {
    return this.#server.operatorKeyFile;
  }

  get operatorKeyId(): string {
    return this.#server.operatorKeyId;
  }

  /** The data folder, or a path below it. */
  data(...below: readonly string[]): string {
    return path.join(this.#options.data, ...below);
  }

  /** Ends the server gracefully and starts another one on the same folder; the port changes. */
  async restart(): Promise<void> {
    await this.#server.stop();
    this.#server = await serve(this.#options, this.#bounds);
  }

  /** A second server on the same folder. */
  async startTwin(): Promise<RunningServer> {
    return serve(this.#options, this.#bounds);
  }

  async dispose(): Promise<void> {
    await this.stopKeepingFiles();
    await this.removeFiles();
  }

  async stopKeepingFiles(): Promise<void> {
    await this.#server.stop();
  }

  async removeFiles(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }

  get(target: string, sent: Sent = {}): Promise<Answer> {
    return this.send('GET', target, sent);
  }

  post(target: string, sent: Sent = {}): Promise<Answer> {
    return this.send('POST', target, sent);
  }

  /** `target` goes through URL parsing; what must reach the server untouched is sent over a raw socket instead. */
  async send(method: string, target: string, { json, body, headers = {} }: Sent = {}): Promise<Answer> {
    const jsonHeaders: Record<string, string> = json === undefined ? {} : { 'content-type': 'application/json' };
    const content = json === undefined ? body : JSON.stringify(json);
    const response = await fetch(new URL(target, this.url), {
      method,
      headers: { ...jsonHeaders, ...headers },
      redirect: 'manual',
      body: content === undefined ? null : new Blob([typeof content === 'string' ? content : new Uint8Array(content)]),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }
}

async function serve(options: ServerOptions, bounds: WebBounds): Promise<RunningServer> {
  const onFatal = (failure: unknown): void => {
    throw failure;
  };
  return startServer(await parseConfig(options), onFatal, bounds);
}

/** The value of a time series in an exposition; 0 when it is not there. */
export function metricOf(exposition: string, series: string): number {
  const line = exposition.split('\n').find((text) => text.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}

/** The body as plain objects. */
export function bodyOf({ bytes }: Answer): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** Status, body and content type at once: with another content type the Rust client gives up (warg.md trap 1). */
export function assertJson(answer: Answer, status: number, body: unknown): void {
  assert.deepEqual({ status: answer.status, body: bodyOf(answer) }, { status, body });
  assert.equal(answer.headers.get('content-type'), 'application/json');
}

/** A generic error: its status and some text for a person. */
export function assertProblem(answer: Answer, status: number): void {
  const body = bodyOf(answer);
  assert.ok(typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string');
  assert.notEqual(body.message, '');
  assertJson(answer, status, { status, message: body.message });
}

/** No body and no content type to mistake it for one. */
export function assertEmpty(answer: Answer, status: number): void {
  assert.deepEqual({ status: answer.status, length: answer.bytes.length }, { status, length: 0 });
}
