import { SpanKind, SpanStatusCode, trace, type Tracer } from '@opentelemetry/api';
import { isRegistryError } from '@waybill/protocol';
import type { Context, MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';
import type { Logger } from 'pino';
import type { HttpObserver } from './http-observer.ts';
import type { NodeEnv } from './node-env.ts';

/** What a request is counted and traced under when no template of ours matched it. */
export const OTHER_ROUTE = 'other';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']);
const SERVER_ERROR_STATUS_MIN = 500;

/**
 * Logs, counts and traces each request. The path goes to the debug log only: labels and spans carry the template, so that
 * nobody outside decides how many there are. No header goes anywhere: headers may hold tokens (SECURITY.md W12).
 */
export function watchRequests(log: Logger, observer: HttpObserver): MiddlewareHandler<NodeEnv> {
  return async (c, next) => {
    const startedMs = performance.now();
    const method = METHODS.has(c.req.method) ? c.req.method : OTHER_ROUTE;
    await tracer().startActiveSpan(method, { kind: SpanKind.SERVER }, async (span) => {
      await next();
      const { status } = c.res;
      const route = templateOf(c);
      span.updateName(`${method} ${route}`);
      span.setAttributes({ 'http.request.method': method, 'http.route': route, 'http.response.status_code': status });
      if (status >= SERVER_ERROR_STATUS_MIN) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
      const ms = performance.now() - startedMs;
      observer.requestAnswered({ method, route, status, seconds: ms / 1_000 });
      if (isRegistryError(c.error)) observer.refused(c.error.code);
      log.debug({ method: c.req.method, path: c.req.path, status, ms: Math.round(ms) }, 'request');
    });
  };
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

function templateOf(c: Context<NodeEnv>): string {
  const route = routePath(c);
  return route === '' || route.includes('*') ? OTHER_ROUTE : route;
}
