import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import type { Logger } from 'pino';
import type { OciRegistry } from '../../core/oci/oci-registry.ts';
import type { OciTokens } from '../../core/oci/oci-tokens.ts';
import type { HttpLimits } from '../http-limits.ts';
import type { HttpObserver } from '../http-observer.ts';
import { refuseOtherPages } from '../other-pages.ts';
import type { FrontListener } from '../publish-door.ts';
import { watchRequest } from '../request-watch.ts';
import { CACHE, emptyAnswer, jsonAnswer, type OciAnswer, type OciHeaders } from './oci-answer.ts';
import { challengeHeader, readCredentials, type OciLoginParts } from './oci-challenge.ts';
import { OciIntake } from './oci-intake.ts';
import { errorAnswer, ociProblem } from './oci-problem.ts';
import { OciReads } from './oci-reads.ts';
import { queryOf } from './oci-request.ts';
import { ociRoutes, type OciMethod, type OciRoute } from './oci-routes.ts';
import { sendAnswer } from './oci-sending.ts';
import { OciTokenEndpoint, TOKEN_TEMPLATE } from './oci-token-endpoint.ts';
import { OciWrites } from './oci-writes.ts';

export interface OciListenerParts extends OciLoginParts {
  readonly registry: OciRegistry;
  readonly tokens: OciTokens;
  readonly limits: HttpLimits;
  readonly log: Logger;
  readonly observer: HttpObserver;
}

const BASE_TEMPLATE = '/v2/';
const WELL_KNOWN = '/.well-known/wasm-pkg/registry.json';
const METHODS: ReadonlySet<string> = new Set<OciMethod>(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const READING: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);
const SERVER_ERROR_STATUS_MIN = 500;

/** On every answer. Credentials decide what is answered, and no body is what its reader might guess it to be. */
const COMMON: OciHeaders = {
  'docker-distribution-api-version': 'registry/2.0',
  vary: 'Authorization',
  'x-content-type-options': 'nosniff',
};

/** Of what pages from elsewhere may read (W13). */
const EXPOSED =
  'docker-content-digest,content-range,etag,link,oci-filters-applied,warning,www-authenticate,docker-distribution-api-version';

/** An answer, and what is told of it. */
interface Told {
  readonly answer: OciAnswer;
  readonly route: string | null;
  readonly error: unknown;
}

/**
 * The OCI view: everything below `/v2/`, tokens for its clients, and where they find it. Without the framework of the other
 * APIs: clients of this one compare headers as whole texts, and blobs are gigabytes.
 */
export class OciListener implements FrontListener {
  readonly #parts: OciListenerParts;
  readonly #routes: readonly OciRoute[];
  readonly #endpoint: OciTokenEndpoint;

  constructor(parts: OciListenerParts) {
    this.#parts = parts;
    const { registry, tokens, limits, observer } = parts;
    const intake = new OciIntake(limits, observer);
    this.#routes = ociRoutes(new OciReads(registry), new OciWrites(registry, intake));
    this.#endpoint = new OciTokenEndpoint(tokens, intake);
  }

  takes(target: string): boolean {
    const path = pathOf(target);
    return path === '/v2' || path.startsWith(BASE_TEMPLATE) || path === TOKEN_TEMPLATE || path === WELL_KNOWN;
  }

  answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { log, observer } = this.#parts;
    const { method = '', url = '' } = incoming;
    let sending: OciAnswer = emptyAnswer(500, {});
    const watched = watchRequest({ log, observer }, { method, path: pathOf(url) }, async () => {
      const { answer, route, error } = await this.#tell(incoming);
      if (answer.status >= SERVER_ERROR_STATUS_MIN) log.error(error, 'an OCI request failed');
      sending = answer;
      return { route, status: answer.status, error };
    });
    watched
      .then(() => this.#send(incoming, outgoing, sending))
      .catch((failure: unknown) => {
        log.error(failure, 'an OCI answer broke off');
        outgoing.destroy();
      });
  }

  async #send(incoming: IncomingMessage, outgoing: ServerResponse, answer: OciAnswer): Promise<void> {
    const { method = '' } = incoming;
    if (READING.has(method)) outgoing.setHeader('access-control-expose-headers', EXPOSED);
    // Pages from elsewhere read, and nothing more.
    else outgoing.removeHeader('access-control-allow-origin');
    await sendAnswer(outgoing, { ...answer, headers: { ...COMMON, ...answer.headers } }, method === 'HEAD');
    // What is left of a body that was refused; the server bounds how long it may come in (HttpLimits.unreadBodyMs).
    if (!incoming.complete) incoming.resume();
  }

  /** Never throws. */
  async #tell(incoming: IncomingMessage): Promise<Told> {
    const { method = '', url = '' } = incoming;
    const path = pathOf(url);
    const asked = this.#find(path, method);
    try {
      if (method === 'OPTIONS') return { answer: preflight(), route: asked.route, error: null };
      if (!READING.has(method)) refuseOtherPages(incoming.headers, this.#parts.baseUrl());
      return { answer: await asked.answer(incoming), route: asked.route, error: null };
    } catch (failure) {
      const needsLogin = isRegistryError(failure, 'token/required', 'token/invalid');
      const challenge = needsLogin ? challengeHeader(this.#parts, asked.scopes()) : {};
      return { answer: ociProblem(failure, challenge), route: asked.route, error: failure };
    }
  }

  #find(path: string, method: string): Found {
    const none = { scopes: () => [] };
    if (path === TOKEN_TEMPLATE) {
      return {
        ...none,
        route: TOKEN_TEMPLATE,
        answer: (incoming) => this.#endpoint.answer(incoming, tokenQuery(incoming)),
      };
    }
    if (path === WELL_KNOWN) return { ...none, route: WELL_KNOWN, answer: (incoming) => this.#wellKnown(incoming) };
    if (path === '/v2' || path === BASE_TEMPLATE) {
      return { ...none, route: BASE_TEMPLATE, answer: (incoming) => this.#base(incoming) };
    }
    const below = path.slice(BASE_TEMPLATE.length);
    for (const route of this.#routes) {
      const match = route.pattern.exec(below);
      if (match === null) continue;
      const parts = match.slice(1);
      const known = method === 'HEAD' ? 'GET' : method;
      return {
        route: route.template,
        scopes: () => (isMethod(known) ? route.scopes(known, parts) : []),
        answer: (incoming) => this.#handle(route, parts, { method: known, incoming }),
      };
    }
    return {
      ...none,
      route: null,
      answer: async () => errorAnswer(404, 'UNSUPPORTED', 'there is nothing at this path'),
    };
  }

  async #handle(
    { methods }: OciRoute,
    parts: readonly string[],
    { method, incoming }: { readonly method: string; readonly incoming: IncomingMessage },
  ): Promise<OciAnswer> {
    const handler = isMethod(method) ? methods[method] : undefined;
    if (handler === undefined) return otherMethod(Object.keys(methods));
    const caller = await this.#parts.tokens.callerOf(readCredentials(incoming.headers.authorization));
    const isHead = incoming.method === 'HEAD';
    return handler({ incoming, isHead, query: queryOf(incoming.url ?? ''), caller }, parts);
  }

  /**
   * Some clients look here alone for whether they are asked for credentials, and never send any where they are not: so whoever
   * shows none is asked, also where nobody needs any.
   */
  async #base({ method = '', headers }: IncomingMessage): Promise<OciAnswer> {
    if (method !== 'GET' && method !== 'HEAD') return otherMethod(['GET']);
    const credentials = readCredentials(headers.authorization);
    if (credentials === null) throw new RegistryError('token/required', 'show a token, or ask for an anonymous one');
    await this.#parts.tokens.callerOf(credentials);
    return jsonAnswer(200, {}, { 'cache-control': CACHE.never });
  }

  /** A member `wargUrl` would be a text, at which some clients give up: whoever wants it goes on without. */
  async #wellKnown({ method = '' }: IncomingMessage): Promise<OciAnswer> {
    if (method !== 'GET' && method !== 'HEAD') return otherMethod(['GET']);
    const { host, hostname } = this.#parts.baseUrl();
    // It would send whoever asks to their own machine.
    if (hostname === '0.0.0.0' || hostname === '[::]') {
      return errorAnswer(404, 'UNSUPPORTED', 'this registry was not told where clients reach it: --public-url');
    }
    const body = { preferredProtocol: 'oci', oci: { registry: host } };
    return jsonAnswer(200, body, { 'cache-control': CACHE.revalidated });
  }
}

interface Found {
  readonly route: string | null;
  readonly scopes: () => ReturnType<OciRoute['scopes']>;
  readonly answer: (incoming: IncomingMessage) => Promise<OciAnswer>;
}

/** Clients may send an absolute target (RFC 9112 3.2.2): whatever host it names, its path counts. */
function pathOf(target: string): string {
  const local = localPart(target);
  const query = local.indexOf('?');
  return query === -1 ? local : local.slice(0, query);
}

function localPart(target: string): string {
  return target.startsWith('/') ? target : target.replace(/^https?:\/\/[^/?]*/i, '');
}

function tokenQuery({ url = '' }: IncomingMessage): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start);
}

function isMethod(text: string): text is OciMethod {
  return METHODS.has(text);
}

function otherMethod(methods: readonly string[]): OciAnswer {
  const allow = methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ');
  return errorAnswer(405, 'UNSUPPORTED', `this path takes ${allow}`, { allow });
}

/** Any page may read, with a token of its reader's own. */
function preflight(): OciAnswer {
  return emptyAnswer(204, {
    'access-control-allow-methods': 'GET,HEAD',
    'access-control-allow-headers': 'accept,authorization,range,if-none-match,if-range',
  });
}
