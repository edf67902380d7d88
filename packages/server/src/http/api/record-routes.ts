import { parseNamespace, wargApi, type Envelope } from '@waybill/protocol';
import { Hono, type Context } from 'hono';
import type { GovernanceDesk } from '../../core/governance-desk.ts';
import type { Appended } from '../../core/log-appending.ts';
import type { OperatorDesk } from '../../core/operator-desk.ts';
import type { Intake } from '../intake.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import { apiProblem } from './api-problem.ts';

export interface RecordRoutesParts {
  readonly desk: OperatorDesk;
  readonly governanceDesk: GovernanceDesk;
  readonly intake: Intake;
}

const OPERATOR = '/api/v1/operator/records';
const REGISTRY = '/api/v1/governance/records';
const NAMESPACE = '/api/v1/governance/:namespace/records';

/** Records for the logs that are no package's, authorised by the signatures inside the body. */
export function recordRoutes({ desk, governanceDesk, intake }: RecordRoutesParts): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  // In line with the publishes: who sent a record is known only when its signatures are verified, after its keys are read.
  const append = (c: Context<NodeEnv>, take: (envelope: Envelope) => Promise<Appended>): Promise<Response> => {
    const received = { request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing };
    return intake.publish(received, async (body) => published(await take(wargApi.decodeEnvelopeBody(body))));
  };
  app.post(OPERATOR, (c) => append(c, (envelope) => desk.append(envelope)));
  app.post(REGISTRY, (c) => append(c, (envelope) => governanceDesk.append(null, envelope)));
  app.post(NAMESPACE, (c) => {
    const namespace = parseNamespace(c.req.param('namespace'));
    return append(c, (envelope) => governanceDesk.append(namespace, envelope));
  });
  for (const path of [OPERATOR, REGISTRY, NAMESPACE]) app.all(path, () => new Response(null, { status: 405 }));
  app.onError(apiProblem);
  return app;
}

function published({ recordId, registryIndex }: Appended): Response {
  return jsonResponse(201, { recordId, registryIndex, state: 'published' });
}
