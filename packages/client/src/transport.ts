import { concatBytes, encodeBase64, messageOf, RegistryError, type JsonValue } from '@waybill/protocol';

/** What an answer may cost (SECURITY.md T5). */
export interface TransportLimits {
  /** Bytes of a JSON answer. */
  readonly answerBytesMax: number;
  /** Until an answer starts, and between two chunks of it. */
  readonly startMsMax: number;
  readonly chunkMsMax: number;
  /** After the first `graceMs` an answer must have come at this speed on average. */
  readonly graceMs: number;
  readonly bytesPerSecondMin: number;
}

export const TRANSPORT_LIMITS: TransportLimits = {
  answerBytesMax: 64 * 1024 * 1024,
  startMsMax: 60_000,
  chunkMsMax: 30_000,
  graceMs: 30_000,
  bytesPerSecondMin: 1024,
};

/** A longer timer would end at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Exchanges kept as evidence, and bytes of each body. */
const EXCHANGES_KEPT = 16;
const EXCHANGE_BYTES_KEPT = 256 * 1024;

/** One request and what came back, for evidence. Headers are not kept: they may hold a token. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly request: string | null;
  readonly status: number;
  readonly response: string;
}

/** A whole answer. */
export interface Answer {
  readonly status: number;
  /** What the registry says it wants to know of who asks. */
  readonly challenge: string | null;
  readonly body: Uint8Array;
}

/** The fetch function of the platform, or a test's. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** A body on its way. */
export interface IncomingBody {
  /** `null` at the end. */
  readonly read: () => Promise<Uint8Array | null>;
  readonly cancel: () => void;
}

/**
 * What a platform has for many bytes beside {@link Fetch}: the body of a plain GET that is answered with 200. `null` for any other
 * answer, and for none within the time: then it is asked by `fetch`, which says what is wrong.
 */
export type BodySource = (url: URL, startMsMax: number) => Promise<IncomingBody | null>;

/** HTTP to one registry: bounded in size and time, and with a memory of what was said. */
export class Transport {
  readonly baseUrl: URL;
  readonly limits: TransportLimits;
  readonly #fetch: Fetch;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #bodies: BodySource | null;
  /** Origins that have once answered otherwise, as with a redirect: nothing of theirs is asked for twice again. */
  readonly #forFetch = new Set<string>();
  #exchanges: Exchange[] = [];

  constructor(
    baseUrl: URL,
    fetch: Fetch,
    headers: Readonly<Record<string, string>>,
    limits: TransportLimits,
    bodies: BodySource | null = null,
  ) {
    this.baseUrl = baseUrl;
    this.#fetch = fetch;
    this.#headers = headers;
    this.limits = limits;
    this.#bodies = bodies;
  }

  /** The last exchanges, oldest first. */
  get exchanges(): readonly Exchange[] {
    return this.#exchanges;
  }

  /** The place that a registry names, from its own address on. Throws `registry/protocol` for one that is none. */
  placeOf(text: string): URL {
    const place = URL.canParse(text, this.baseUrl) ? new URL(text, this.baseUrl) : null;
    if (place === null || !/^https?:$/.test(place.protocol)) {
      throw new RegistryError('registry/protocol', `the registry names a place that is none: ${text}`);
    }
    return place;
  }

  /**
   * Throws `registry/unreachable`, `registry/protocol` for an answer that is too large; with a token among `headers` also
   * `registry/unreachable` for a redirect and `usage/invalid` for plain http, where the token would reach others.
   */
  async request(
    method: 'GET' | 'POST',
    path: string,
    json?: JsonValue,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const hasToken = 'authorization' in headers;
    if (hasToken) requirePrivate(this.baseUrl);
    const body = json === undefined ? null : JSON.stringify(json);
    const jsonHeaders: Record<string, string> = body === null ? {} : { 'content-type': 'application/json' };
    const redirect = hasToken ? 'manual' : 'follow';
    const init = { method, body, headers: { ...this.#headers, ...jsonHeaders, ...headers }, redirect } as const;
    const answer = await this.send(new URL(path, this.baseUrl), init);
    if (hasToken && isRedirect(answer)) throw redirected(this.baseUrl);
    this.#remember({ method, path, request: body, status: answer.status, response: evidenceText(answer.body) });
    return answer;
  }

  /** Sends to any URL and reads the whole answer; `sentBytes` is the size of a large body. Throws as {@link request}. */
  async send(url: URL, init: RequestInit, sentBytes = 0): Promise<Answer> {
    return this.read(await this.open(url, init, sentBytes));
  }

  /** Reads the whole answer. Throws as {@link request}. */
  async read(response: Response, limits: TransportLimits = this.limits): Promise<Answer> {
    const body = await readWhole(response, limits);
    return { status: response.status, challenge: response.headers.get('www-authenticate'), body };
  }

  /** Opens any URL; the caller reads the body, with {@link chunksOf}. Throws `registry/unreachable`. */
  async open(url: URL, init: RequestInit, sentBytes = 0): Promise<Response> {
    const abort = new AbortController();
    // An answer starts when the body has been sent, which may take its time.
    const { startMsMax, bytesPerSecondMin } = this.limits;
    const waitMs = Math.min(startMsMax + (sentBytes * 1000) / bytesPerSecondMin, TIMER_MS_MAX);
    const timer = setTimeout(() => abort.abort(new Error('no answer in time')), waitMs);
    try {
      const response = await this.#fetch(url.href, { ...init, signal: abort.signal });
      return response;
    } catch (cause) {
      throw unreachable(url, cause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The body of what any URL answers with 200, as {@link chunksOf} gives it; `null` where {@link open} has to say what it is. */
  async body(url: URL): Promise<AsyncIterable<Uint8Array> | null> {
    if (this.#bodies === null || this.#forFetch.has(url.origin)) return null;
    const body = await this.#bodies(url, this.limits.startMsMax);
    if (body !== null) return paced(body, this.limits);
    this.#forFetch.add(url.origin);
    return null;
  }

  #remember(exchange: Exchange): void {
    this.#exchanges = [...this.#exchanges.slice(1 - EXCHANGES_KEPT), exchange];
  }
}

/** Nobody on the way can read what is sent. */
export function isPrivateLine({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' || isLoopbackHost(hostname);
}

/** Throws `usage/invalid` where others on the way could read what is sent. */
function requirePrivate(url: URL): void {
  if (isPrivateLine(url)) return;
  throw new RegistryError('usage/invalid', 'a token is sent over https only: use the https address of the registry');
}

/** Status 0 is what a browser shows of one. */
function isRedirect({ status }: Answer): boolean {
  return status === 0 || (status >= 300 && status < 400);
}

function redirected({ origin }: URL): RegistryError {
  const message = `${origin} sends this request elsewhere, and a token is not sent on: give the registry's real address`;
  return new RegistryError('registry/unreachable', message);
}

function unreachable(url: URL, cause: unknown): RegistryError {
  const inner = cause instanceof Error && cause.cause !== undefined ? `: ${messageOf(cause.cause)}` : '';
  return new RegistryError(
    'registry/unreachable',
    `cannot reach ${url.origin}: ${messageOf(cause)}${inner}`,
    {},
    { cause },
  );
}

function evidenceText(body: Uint8Array): string {
  const kept = body.subarray(0, EXCHANGE_BYTES_KEPT);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(kept);
  } catch {
    return `base64:${encodeBase64(kept)}`;
  }
}

async function readWhole(response: Response, limits: TransportLimits): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response, limits)) {
    length += chunk.length;
    if (length > limits.answerBytesMax) {
      throw new RegistryError('registry/protocol', `an answer is larger than ${limits.answerBytesMax} bytes`);
    }
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

/** The body of a response, within the limits of time and speed. Throws `registry/unreachable`. */
export async function* chunksOf(
  response: Response,
  limits: TransportLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const body: IncomingBody = {
    async read() {
      const { done, value } = await reader.read();
      return done ? null : value;
    },
    // Not awaited: a body that never comes must not hold up the error about it.
    cancel: () => void reader.cancel().catch(() => undefined),
  };
  yield* paced(body, limits);
}

async function* paced(body: IncomingBody, limits: TransportLimits): AsyncGenerator<Uint8Array, void, undefined> {
  const watch = new StallWatch(body, limits.chunkMsMax);
  const startedMs = performance.now();
  let received = 0;
  try {
    for (;;) {
      const chunk = await watch.read();
      if (chunk === null) return;
      received += chunk.length;
      const lateMs = performance.now() - startedMs - limits.graceMs;
      if (lateMs > (received * 1000) / limits.bytesPerSecondMin) throw new Error('it comes too slowly');
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError('registry/unreachable', `the answer broke off: ${messageOf(cause)}`, {}, { cause });
  } finally {
    watch.end();
    body.cancel();
  }
}

/** How often a wait is looked at in the longest that is allowed. */
const LOOKS = 8;

/** Ends a body of which nothing comes for too long. One timer for all of it: one for each chunk costs as much as to hash that. */
class StallWatch {
  readonly #body: IncomingBody;
  readonly #timer: ReturnType<typeof setInterval>;
  #waitingSinceMs: number | null = null;
  #isStalled = false;

  constructor(body: IncomingBody, waitMsMax: number) {
    this.#body = body;
    this.#timer = setInterval(() => {
      if (this.#waitingSinceMs === null || performance.now() - this.#waitingSinceMs < waitMsMax) return;
      this.#isStalled = true;
      // Whoever waits for it is answered by that.
      body.cancel();
    }, waitMsMax / LOOKS);
  }

  async read(): Promise<Uint8Array | null> {
    this.#waitingSinceMs = performance.now();
    try {
      const chunk = await this.#body.read();
      if (!this.#isStalled) return chunk;
    } catch (failure) {
      if (!this.#isStalled) throw failure;
    } finally {
      this.#waitingSinceMs = null;
    }
    throw new Error('it stopped in the middle');
  }

  end(): void {
    clearInterval(this.#timer);
  }
}

/** Reads the text of a base URL: `https` unless it says otherwise, plain `http` for loopback only. Throws `usage/invalid`. */
export function parseRegistryUrl(text: string): URL {
  const withScheme = /^[a-z]+:\/\//.test(text) ? text : `https://${text}`;
  if (!URL.canParse(withScheme)) throw new RegistryError('usage/invalid', `${text} is not an address of a registry`);
  const url = new URL(withScheme);
  // Not repeated here: the text holds a secret, and would stand in the configuration and in evidence.
  if (url.username !== '' || url.password !== '') {
    throw new RegistryError('usage/invalid', 'the address of a registry holds no user name and no password');
  }
  const plain = url.protocol === 'http:';
  if ((!plain && url.protocol !== 'https:') || (plain && !isLoopbackHost(url.hostname))) {
    throw new RegistryError(
      'usage/invalid',
      `${text}: use https; plain http is for this machine's own registries only`,
    );
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  url.search = '';
  url.hash = '';
  return url;
}

/** True for `localhost` and the loopback addresses. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}
