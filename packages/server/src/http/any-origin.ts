import type { ServerResponse } from 'node:http';

/*
 * Any page may read and post JSON (spec/http.md 1.6): nothing here goes by cookies. Said on Node's own response, for the
 * middleware of the framework takes each answer apart and reads it back as a stream, at the cost of a tenth of a publish.
 */

/** To be called before anything of the answer is written. */
export function allowAnyOrigin(outgoing: ServerResponse): void {
  outgoing.setHeader('access-control-allow-origin', '*');
}

/** The answer to a browser that asks first. */
export function preflightAnswer(): Response {
  const headers = {
    'access-control-allow-methods': 'GET,POST',
    'access-control-allow-headers': 'content-type,accept,waybill-record-versions,waybill-absent-logs',
  };
  return new Response(null, { status: 204, headers });
}
