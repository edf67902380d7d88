import { wargApi } from '@waybill/protocol';
import { Hono } from 'hono';
import type { OperatorDesk } from '../../core/operator-desk.ts';
import type { Intake } from '../intake.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import { problemOf } from '../problem.ts';

/** Waybill's own API below `/api/v1`. What is not public is authorised by the signature inside the body. */
export function operatorRoutes(desk: OperatorDesk, intake: Intake): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.post('/api/v1/operator/records', async (c) => {
    const body = await intake.json({ request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing });
    const { recordId, registryIndex } = await desk.append(wargApi.decodeEnvelopeBody(body));
    return jsonResponse(201, { recordId, registryIndex, state: 'published' });
  });
  app.all('/api/v1/operator/records', () => new Response(null, { status: 405 }));
  app.onError((thrown) => {
    const { status, message, headers, error } = problemOf(thrown);
    const body = { status, code: error?.code ?? null, message, detail: { ...error?.detail } };
    return jsonResponse(status, body, headers);
  });
  return app;
}
