import { parseDigest, RegistryError } from '@waybill/protocol';
import { heldReleasesBody } from '@waybill/protocol/content';
import { Hono } from 'hono';
import { parsePlace, type ContentLookup } from '../../core/content-lookup.ts';
import type { ContentReading } from '../../core/content-reading.ts';
import { takenDown } from '../../core/governance-gate.ts';
import { HELD_RELEASES_DEFAULT, HELD_RELEASES_MAX } from '../../core/limits.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import type { TokenGate } from '../token-gate.ts';
import { apiProblem } from './api-problem.ts';

export interface LookupRoutesParts {
  readonly content: ContentReading;
  readonly lookup: ContentLookup;
  readonly gate: TokenGate;
}

const RELEASES = '/api/v1/content/:digest/releases';

/** Which releases hold a content (spec/http.md 4.22). */
export function lookupRoutes({ content, lookup, gate }: LookupRoutesParts): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.get(RELEASES, async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const digest = parseDigest(c.req.param('digest'));
    const [after, limit] = [c.req.query('after'), c.req.query('limit')];
    const range = { after: after === undefined ? null : parsePlace(after), limit: parseLimit(limit) };
    const takedown = await content.takedownOf(digest);
    if (takedown !== null) throw takenDown(takedown);
    // What is released, yanked and taken down changes.
    const found = await lookup.releasesOf(access, digest, range);
    return jsonResponse(200, heldReleasesBody(found), { 'cache-control': 'no-store' });
  });
  app.all(RELEASES, () => new Response(null, { status: 405 }));
  app.onError((error) => {
    const answer = apiProblem(error);
    answer.headers.set('cache-control', 'no-store');
    return answer;
  });
  return app;
}

/** Throws `request/invalid`. */
function parseLimit(text: string | undefined): number {
  if (text === undefined) return HELD_RELEASES_DEFAULT;
  const limit = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= HELD_RELEASES_MAX) return limit;
  throw new RegistryError('request/invalid', `limit is 1 to ${HELD_RELEASES_MAX}`);
}
