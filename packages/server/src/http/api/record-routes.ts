import { parseNamespace, wargApi } from '@waybill/protocol';
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
  const envelopeIn = async (c: Context<NodeEnv>): Promise<ReturnType<typeof wargApi.decodeEnvelopeBody>> => {
    const received = { request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing };
    return wargApi.decodeEnvelopeBody(await intake.json(received));
  };
  app.post(OPERATOR, async (c) => published(await desk.append(await envelopeIn(c))));
  app.post(REGISTRY, async (c) => published(await governanceDesk.append(null, await envelopeIn(c))));
  app.post(NAMESPACE, async (c) => {
    const namespace = parseNamespace(c.req.param('namespace'));
    return published(await governanceDesk.append(namespace, await envelopeIn(c)));
  });
  for (const path of [OPERATOR, REGISTRY, NAMESPACE]) app.all(path, () => new Response(null, { status: 405 }));
  app.onError(apiProblem);
  return app;
}

function published({ recordId, registryIndex }: Appended): Response {
  return jsonResponse(201, { recordId, registryIndex, state: 'published' });
}
