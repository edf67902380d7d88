import { SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { isRegistryError } from '@waybill/protocol';
import type { Context, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Logger } from 'pino';
import type { HttpObserver } from './http-observer.ts';
import type { NodeEnv } from './node-env.ts';

/** What a request is counted and traced under when no template of ours matched it. */
const OTHER_ROUTE = 'other';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
const SERVER_ERROR_STATUS_MIN = 500;

/** A request whose answer begins. */
export interface Answered {
  /** A template; `null` where none of ours matched. */
  readonly route: string | null;
  readonly status: number;
  /** What went wrong, if anything did. */
  readonly error: unknown;
}

/**
 * Logs, counts and traces one request. The path goes to the debug log only: labels and spans carry the template, so that
 * nobody outside decides how many there are. No header goes anywhere: headers may hold tokens (SECURITY.md W12).
 */
export async function watchRequest(
  { log, observer }: { readonly log: Logger; readonly observer: HttpObserver },
  request: { readonly method: string; readonly path: string },
  answer: () => Promise<Answered>,
): Promise<void> {
  const startedMs = performance.now();
  const method = METHODS.has(request.method) ? request.method : OTHER_ROUTE;
  await tracer().startActiveSpan(method, { kind: SpanKind.SERVER }, async (span) => {
    const { route: template, status, error } = await answer();
    const route = template ?? OTHER_ROUTE;
    span.updateName(`${method} ${route}`);
    span.setAttributes({ 'http.request.method': method, 'http.route': route, 'http.response.status_code': status });
    if (status >= SERVER_ERROR_STATUS_MIN) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
    const ms = performance.now() - startedMs;
    observer.requestAnswered({ method, route, status, seconds: ms / 1_000 });
    if (isRegistryError(error)) observer.refused(error.code);
    log.debug({ ...request, status, ms: Math.round(ms) }, 'request');
  });
}

/** {@link watchRequest} of each request that the framework answers. */
export function watchRequests(log: Logger, observer: HttpObserver): MiddlewareHandler<NodeEnv> {
  return (c, next) =>
    watchRequest({ log, observer }, { method: c.req.method, path: c.req.path }, async () => {
      await next();
      return { route: templateOf(c), status: c.res.status, error: c.error };
    });
}

/** Runs one step of a request as a child of its span. */
export function inSpan<T>(name: string, step: () => Promise<T>): Promise<T> {
  return tracer().startActiveSpan(name, async (span) => {
    try {
      return await step();
    } catch (failure) {
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw failure;
    } finally {
      span.end();
    }
  });
}

/** Asked for each time: whoever runs the server may register a provider after this module was loaded. */
function tracer(): Tracer {
  return trace.getTracer('waybill');
}

function templateOf(c: Context<NodeEnv>): string | null {
  const route = routePath(c);
  return route === '' || route.includes('*') ? null : route;
}
