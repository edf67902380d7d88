import { encodeBase64, wargApi } from '@waybill/protocol';
import { Hono } from 'hono';
import type { Proving } from '../../core/proving.ts';
import type { Intake } from '../intake.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import { apiProblem } from './api-problem.ts';

const LEAVES = '/api/v1/proof/leaves';

/** Proofs that Warg has no route for. */
export function proofRoutes(proving: Proving, intake: Intake): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.post(LEAVES, async (c) => {
    const body = await intake.json({ request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing });
    const { logLength, leafs } = wargApi.decodeInclusionRequest(body);
    return jsonResponse(200, { proof: encodeBase64(await proving.leaves(logLength, leafs)) });
  });
  app.all(LEAVES, () => new Response(null, { status: 405 }));
  app.onError(apiProblem);
  return app;
}
