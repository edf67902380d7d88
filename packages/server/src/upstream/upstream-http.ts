import type { LookupAddress } from 'node:dns';
import { lookup as lookupName } from 'node:dns/promises';
import { request as requestHttp, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { isRegistryError, messageOf, RegistryError } from '@waybill/protocol';
import type { UpstreamPlace } from '../core/upstream-ports.ts';
import { AddressRules } from './address-rules.ts';
import {
  UPSTREAM_BYTES_PER_MS,
  UPSTREAM_IDLE_MS,
  UPSTREAM_REDIRECTS_MAX,
  UPSTREAM_REQUEST_MS,
} from './upstream-limits.ts';

/** All addresses of a name. */
export type Resolver = (hostname: string) => Promise<readonly LookupAddress[]>;

export const systemResolver: Resolver = (hostname) => lookupName(hostname, { all: true, verbatim: true });

export interface UpstreamRequest {
  readonly method: 'GET' | 'HEAD';
  readonly headers: Readonly<Record<string, string>>;
  /** A longer answer is cut off. */
  readonly bytesMax: number;
}

export interface UpstreamAnswer {
  /** Who answers, after the redirects. */
  readonly host: string;
  readonly status: number;
  header(name: string): string | null;
  /** At most `bytesMax` bytes, or it throws. Whoever does not read it to its end discards it. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

/**
 * Requests to one registry and the hosts that the operator has named with it (SECURITY.md W1). A name is resolved once for each
 * connection, its addresses are looked at, and it is those that are connected to.
 */
export class UpstreamHttp {
  readonly #hosts: ReadonlySet<string>;
  readonly #isPlain: boolean;
  readonly #rules: AddressRules;
  readonly #resolve: Resolver;

  constructor({ registry, hosts, isPlainHttp, networks }: UpstreamPlace, resolve: Resolver) {
    this.#hosts = new Set([registry, ...hosts]);
    this.#isPlain = isPlainHttp;
    this.#rules = new AddressRules(networks);
    this.#resolve = resolve;
  }

  /** Throws `upstream/refused` for a place that is not named, `upstream/failed` for one that fails. */
  async send(first: URL, { method, headers, bytesMax }: UpstreamRequest): Promise<UpstreamAnswer> {
    const signal = AbortSignal.timeout(UPSTREAM_REQUEST_MS + Math.ceil(bytesMax / UPSTREAM_BYTES_PER_MS));
    let [url, sent] = [first, headers];
    for (let redirects = 0; ; redirects++) {
      this.#require(url);
      const response = await this.#sendOnce(url, { method, headers: sent, signal });
      const location = isRedirect(response) ? response.headers.location : undefined;
      if (location === undefined) return answerOf(url, response, bytesMax);
      response.destroy();
      if (redirects === UPSTREAM_REDIRECTS_MAX) throw failed(url, `it redirects over ${UPSTREAM_REDIRECTS_MAX} times`);
      const next = URL.canParse(location, url.href) ? new URL(location, url) : null;
      if (next === null) throw failed(url, 'it redirects to no address');
      if (next.host !== url.host) sent = withoutCredentials(sent);
      url = next;
    }
  }

  #require(url: URL): void {
    const { protocol, host, hostname, username, password } = url;
    const isScheme = protocol === 'https:' || (protocol === 'http:' && this.#isPlain);
    if (!isScheme) throw refused(url, `${protocol} is not taken`);
    if (username !== '' || password !== '') throw refused(url, 'it has a user name');
    if (!this.#hosts.has(host)) throw refused(url, 'no such host is named in --upstreams');
    // Of these no name is resolved.
    const literal = hostname.replace(/^\[|\]$/g, '');
    if (isIP(literal) !== 0 && !this.#rules.allows(literal))
      throw refused(url, 'its network is not named in --upstreams');
  }

  #sendOnce(
    url: URL,
    options: Pick<RequestOptions, 'method' | 'signal'> & { readonly headers: Readonly<Record<string, string>> },
  ): Promise<IncomingMessage> {
    const send = url.protocol === 'https:' ? requestHttps : requestHttp;
    // Encoded answers could be small here and without end when they are decoded (SECURITY.md W3).
    const headers = { ...options.headers, 'accept-encoding': 'identity' };
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void =>
        reject(isRegistryError(cause) ? cause : failed(url, messageOf(cause), cause));
      const sending = send(url, { ...options, headers, agent: false, lookup: this.#lookup(url) }, resolve);
      sending.setTimeout(UPSTREAM_IDLE_MS, () => sending.destroy(new Error('it says nothing any more')));
      sending.on('error', fail);
      sending.end();
    });
  }

  #lookup(url: URL): LookupFunction {
    return (hostname, { all }, callback) => {
      const answer = async (): Promise<void> => {
        const found = await this.#addressesOf(url, hostname);
        if (found instanceof Error) callback(found, '');
        else if (all === true) callback(null, found);
        else callback(null, found[0]?.address ?? '', found[0]?.family);
      };
      void answer();
    };
  }

  /** At least one, or what is wrong with the name. */
  async #addressesOf(url: URL, hostname: string): Promise<LookupAddress[] | Error> {
    try {
      const addresses = (await this.#resolve(hostname)).filter(({ address }) => this.#rules.allows(address));
      if (addresses.length > 0) return addresses;
      return refused(url, 'it has no address in a network that is public or named in --upstreams');
    } catch (cause) {
      return failed(url, messageOf(cause), cause);
    }
  }
}

function answerOf(url: URL, response: IncomingMessage, bytesMax: number): UpstreamAnswer {
  const { headers, statusCode = 0 } = response;
  const header = (name: string): string | null => {
    const value = headers[name];
    return typeof value === 'string' ? value : null;
  };
  const encoding = header('content-encoding');
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    response.destroy();
    throw failed(url, 'its answer is encoded, which was not asked for');
  }
  return {
    host: url.host,
    status: statusCode,
    header,
    body: boundedBody(url, response, bytesMax),
    discard: () => response.destroy(),
  };
}

async function* boundedBody(url: URL, response: IncomingMessage, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  try {
    for await (const chunk of response) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('bodies are bytes');
      bytes += chunk.length;
      if (bytes > bytesMax) throw failed(url, `its answer has over ${bytesMax} bytes`);
      yield chunk;
    }
  } catch (cause) {
    throw isRegistryError(cause) ? cause : failed(url, messageOf(cause), cause);
  } finally {
    response.destroy();
  }
}

function isRedirect({ statusCode }: IncomingMessage): boolean {
  return statusCode !== undefined && [301, 302, 303, 307, 308].includes(statusCode);
}

function withoutCredentials({ authorization: _secret, ...others }: Readonly<Record<string, string>>) {
  return others;
}

/** A query may hold a signature that lets its holder read. */
export function failed({ host, pathname }: URL, why: string, cause?: unknown): RegistryError {
  return new RegistryError('upstream/failed', `${host}${pathname}: ${why}`, {}, { cause });
}

function refused({ protocol, host, pathname }: URL, why: string): RegistryError {
  return new RegistryError('upstream/refused', `${protocol}//${host}${pathname}: ${why}`);
}
