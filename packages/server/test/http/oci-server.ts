import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { parseTokenScope, type TokenPolicy } from '../../src/core/access.ts';
import type { OciRegistry } from '../../src/core/oci/oci-registry.ts';
import { OciTokens } from '../../src/core/oci/oci-tokens.ts';
import { issueToken, TokenDesk } from '../../src/core/token-desk.ts';
import { HTTP_LIMITS, type HttpLimits } from '../../src/http/http-limits.ts';
import { silentHttpObserver, type HttpObserver } from '../../src/http/http-observer.ts';
import { serviceOf } from '../../src/http/oci/oci-challenge.ts';
import { OciListener } from '../../src/http/oci/oci-listener.ts';
import { startWebServer, type WebServer } from '../../src/http/web-server.ts';
import { openOciTokenSeal } from '../../src/oci-token-key.ts';
import { MemoryTokens } from '../../src/storage/memory/memory-tokens.ts';
import { IMAGE, digestOf, imageOf, memoryDrivers, openWorld, TestClock } from '../core/oci/oci-world.ts';

export interface OciAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface OciSent {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Without a length: in chunks. */
  readonly chunked?: boolean;
}

export interface OciServerOptions {
  readonly tokenPolicy?: TokenPolicy;
  readonly login?: 'bearer' | 'basic';
  readonly publicUrl?: string;
  readonly limits?: Partial<HttpLimits>;
  readonly observer?: Partial<HttpObserver>;
  /** Stands before the real view, to answer what that one never does. */
  readonly change?: (registry: OciRegistry) => OciRegistry;
}

/**
 * The OCI view over HTTP: a real listener and the real view over stores in memory, with plain repositories below `plain` and
 * `other`, and packages in `test`.
 */
export class OciServer {
  readonly clock: TestClock;
  readonly #web: WebServer;
  readonly #folder: string;
  readonly #tokens: MemoryTokens;

  private constructor(clock: TestClock, parts: { web: WebServer; folder: string; tokens: MemoryTokens }) {
    this.clock = clock;
    this.#web = parts.web;
    this.#folder = parts.folder;
    this.#tokens = parts.tokens;
  }

  static async start(options: OciServerOptions = {}): Promise<OciServer> {
    const { tokenPolicy = 'off', login = 'bearer', publicUrl, change = (registry) => registry } = options;
    const clock = new TestClock();
    const world = await openWorld(clock, { drivers: memoryDrivers(clock), tokenPolicy });
    const registry = change(world.view);
    const folder = await mkdtemp(path.join(tmpdir(), 'waybill-oci-'));
    const tokens = new MemoryTokens();
    let url = new URL(publicUrl ?? 'http://localhost/');
    const ociTokens = new OciTokens({
      seal: await openOciTokenSeal(folder),
      desk: new TokenDesk(tokens, tokens, clock.now),
      registry,
      policy: tokenPolicy,
      clock: clock.now,
      audience: () => serviceOf(url),
    });
    const log = pino({ level: 'silent' });
    const observer = { ...silentHttpObserver, ...options.observer };
    const limits = { ...HTTP_LIMITS, ...options.limits };
    const parts = { registry, tokens: ociTokens, limits, log, observer, login, baseUrl: () => url };
    const web = await startWebServer(
      { front: () => new OciListener(parts), apis: () => [] },
      { address: { host: '127.0.0.1', port: 0 }, log, observer, limits, notReady: () => null },
    );
    if (publicUrl === undefined) url = web.url;
    return new OciServer(clock, { web, folder, tokens });
  }

  get url(): URL {
    return this.#web.url;
  }

  get folder(): string {
    return this.#folder;
  }

  async stop(): Promise<void> {
    await this.#web.stop();
    await rm(this.#folder, { recursive: true });
  }

  /** A token as `waybill token create` makes it. */
  async token(namespaces: readonly string[] = ['*'], actions: readonly string[] = ['publish']): Promise<TestToken> {
    const terms = { account: 'ci', scope: parseTokenScope(actions, namespaces), lifetimeSeconds: 3_600 };
    const { token, stored } = issueToken(terms, { random: randomBytes(32), nowMs: this.clock.nowMs });
    await this.#tokens.addToken(stored);
    return { text: token.text, revoke: () => this.#tokens.revokeToken(token.id, Math.floor(this.clock.nowMs / 1_000)) };
  }

  /** The target goes out as it is. */
  async send(
    method: string,
    target: string,
    { headers = {}, body, chunked = false }: OciSent = {},
  ): Promise<OciAnswer> {
    const bytes = body === undefined ? null : Buffer.from(body);
    const length = bytes === null || chunked ? {} : { 'content-length': String(bytes.length) };
    const { hostname, port } = this.#web.url;
    const request = httpRequest({ hostname, port, method, path: target, headers: { ...length, ...headers } });
    request.on('error', () => undefined);
    request.end(bytes ?? undefined);
    const [response]: IncomingMessage[] = await once(request, 'response');
    assert.ok(response);
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part);
    return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) };
  }

  get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<OciAnswer> {
    return this.send('GET', target, { headers });
  }

  async pushBlob(repository: string, content: string | Uint8Array, headers = {}): Promise<string> {
    const digest = digestOf(content);
    const target = `/v2/${repository}/blobs/uploads/?digest=${encodeURIComponent(digest)}`;
    const answer = await this.send('POST', target, { body: content, headers });
    assert.equal(answer.status, 201, answer.body.toString());
    return digest;
  }

  /** An image over blobs of these texts, which are pushed, too. */
  async pushImage(
    repository: string,
    reference: string,
    { layers = [], more = {} }: { layers?: readonly string[]; more?: Readonly<Record<string, unknown>> } = {},
  ): Promise<{ readonly digest: string; readonly bytes: Uint8Array }> {
    for (const layer of ['{}', ...layers]) await this.pushBlob(repository, layer);
    const bytes = imageOf(layers, more);
    const digest = digestOf(bytes);
    const target = `/v2/${repository}/manifests/${reference === '' ? digest : reference}`;
    const answer = await this.send('PUT', target, { body: bytes, headers: { 'content-type': IMAGE } });
    assert.equal(answer.status, 201, answer.body.toString());
    return { digest, bytes };
  }

  /** Where a new upload goes on. */
  async startUpload(repository: string, headers = {}): Promise<string> {
    const answer = await this.send('POST', `/v2/${repository}/blobs/uploads/`, { body: '', headers });
    assert.equal(answer.status, 202, answer.body.toString());
    return String(answer.headers.location);
  }
}

export interface TestToken {
  readonly text: string;
  readonly revoke: () => Promise<boolean>;
}

export function basic(password: string, user = 'ci'): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

export function bearer(text: string): { authorization: string } {
  return { authorization: `Bearer ${text}` };
}

/** Members of the documents that this view answers with, as far as a test looks at them. */
export interface OciDocument {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly tags: readonly string[];
  readonly repositories: readonly string[];
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly { readonly digest: string; readonly annotations: Readonly<Record<string, string>> }[];
  readonly oci: unknown;
}

export function jsonOf({ body }: OciAnswer): OciDocument {
  return JSON.parse(body.toString());
}

/** Everything that spec/oci.md 9 asks of an error: one of the closed list, in exactly one error, kept by no cache. */
export function assertOciError(answer: OciAnswer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.body.toString());
  assert.equal(answer.headers['content-type'], 'application/json');
  assert.equal(answer.headers['cache-control'], 'no-store');
  const { errors, ...rest } = JSON.parse(answer.body.toString());
  assert.deepEqual(rest, {});
  assert.equal(errors.length, 1);
  assert.equal(errors[0].code, code);
  assert.ok(typeof errors[0].message === 'string' && errors[0].message !== '');
}
