import { parseJson } from '@waybill/protocol';
import * as z from 'zod/mini';
import type { UpstreamPlace } from '../core/upstream-ports.ts';
import { failed, type UpstreamHttp } from './upstream-http.ts';
import { readWhole } from './whole-body.ts';
import {
  UPSTREAM_TOKEN_BYTES_MAX,
  UPSTREAM_TOKEN_MS,
  UPSTREAM_TOKEN_MS_DEFAULT,
  UPSTREAM_TOKENS_MAX,
} from './upstream-limits.ts';

const tokenSchema = z.object({
  token: z.optional(z.string()),
  access_token: z.optional(z.string()),
  expires_in: z.optional(z.number()),
});

/** What a registry asks for before it lets anybody read, also where anybody may. */
export class UpstreamLogin {
  readonly #http: UpstreamHttp;
  readonly #credentials: UpstreamPlace['credentials'];
  readonly #clock: () => number;
  /** By repository; oldest first. */
  readonly #kept = new Map<string, { readonly header: string; readonly untilMs: number }>();

  constructor(http: UpstreamHttp, credentials: UpstreamPlace['credentials'], clock: () => number) {
    this.#http = http;
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** For the next request about a repository; `null` for none that is known to be asked for. */
  header(repository: string): string | null {
    const kept = this.#kept.get(repository);
    return kept !== undefined && kept.untilMs > this.#clock() ? kept.header : null;
  }

  /** Answers a challenge. Throws `upstream/…`. */
  async answer(url: URL, repository: string, challenge: string): Promise<string> {
    const [scheme = '', ...rest] = challenge.split(' ');
    const basic = basicHeader(this.#credentials);
    if (scheme.toLowerCase() === 'basic' && basic !== null) return this.#keep(repository, basic, UPSTREAM_TOKEN_MS);
    const parameters = parametersOf(rest.join(' '));
    const realm = parameters.get('realm');
    if (scheme.toLowerCase() !== 'bearer' || realm === undefined || !URL.canParse(realm)) {
      throw failed(url, 'it asks for credentials, and none are named in --upstreams');
    }
    const asked = new URL(realm);
    const service = parameters.get('service');
    if (service !== undefined) asked.searchParams.set('service', service);
    // Never what the challenge says: it could ask for more.
    asked.searchParams.set('scope', `repository:${repository}:pull`);
    const answer = await this.#http.send(asked, {
      method: 'GET',
      headers: basic === null ? {} : { authorization: basic },
      bytesMax: UPSTREAM_TOKEN_BYTES_MAX,
    });
    const body = await readWhole(answer);
    if (answer.status !== 200) throw failed(asked, `it gives no token (${answer.status})`);
    const { token, access_token: access, expires_in: seconds } = readToken(asked, body);
    const text = token ?? access;
    if (text === undefined || !/^[\x21-\x7e]+$/.test(text)) throw failed(asked, 'it gives no token');
    const lifeMs = seconds === undefined ? UPSTREAM_TOKEN_MS_DEFAULT : seconds * 1_000;
    return this.#keep(repository, `Bearer ${text}`, Math.min(lifeMs, UPSTREAM_TOKEN_MS));
  }

  #keep(repository: string, header: string, lifeMs: number): string {
    this.#kept.delete(repository);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size >= UPSTREAM_TOKENS_MAX) this.#kept.delete(oldest);
    this.#kept.set(repository, { header, untilMs: this.#clock() + lifeMs });
    return header;
  }
}

function basicHeader(credentials: UpstreamPlace['credentials']): string | null {
  if (credentials === null) return null;
  return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;
}

function parametersOf(text: string): ReadonlyMap<string, string> {
  const matches = text.matchAll(/\b([a-z]+)="([^"]*)"/gi);
  return new Map([...matches].map(([, name = '', value = '']) => [name.toLowerCase(), value]));
}

function readToken(url: URL, body: Uint8Array): z.infer<typeof tokenSchema> {
  try {
    return z.parse(tokenSchema, parseJson(body));
  } catch (cause) {
    throw failed(url, 'it gives no token', cause);
  }
}
