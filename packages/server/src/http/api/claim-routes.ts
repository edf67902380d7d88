import { namespaceOf, parseLogId, packageLogId, RegistryError } from '@waybill/protocol';
import { claimAnswerBody, decodeClaimRequest } from '@waybill/protocol/author';
import { Hono } from 'hono';
import type { Claiming } from '../../core/gateway/claiming.ts';
import type { Intake } from '../intake.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import { refuseOtherPages } from '../other-pages.ts';
import type { TokenGate } from '../token-gate.ts';
import { apiProblem } from './api-problem.ts';

export interface ClaimRoutesParts {
  readonly claiming: Claiming;
  readonly gate: TokenGate;
  readonly intake: Intake;
  /** Known once the server listens. */
  readonly baseUrl: () => URL;
}

const CLAIM = '/api/v1/package/:logId/claim';

/** Packages that the gateway holds, given to keys of those for whom it began them: spec/http.md 4.23. */
export function claimRoutes({ claiming, gate, intake, baseUrl }: ClaimRoutesParts): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.post(CLAIM, async (c) => {
    // Of all that is posted this alone is signed by nobody: a page could have what its reader pushed.
    const headers = { origin: c.req.header('origin'), 'sec-fetch-site': c.req.header('sec-fetch-site') };
    refuseOtherPages(headers, baseUrl());
    const logId = parseLogId(c.req.param('logId'));
    const access = await gate.admit(c.req.header('authorization'));
    const received = { request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing };
    const answer = await intake.publish(received, (body) => {
      const request = decodeClaimRequest(body);
      if (packageLogId(request.packageName) !== logId) {
        throw new RegistryError('request/invalid', `${logId} is not the log of ${request.packageName}`);
      }
      gate.requirePublisher(access, namespaceOf(request.packageName));
      return claiming.claim(access, request);
    });
    return jsonResponse(answer.state === 'published' ? 201 : 200, claimAnswerBody(answer));
  });
  app.all(CLAIM, () => new Response(null, { status: 405 }));
  app.onError(apiProblem);
  return app;
}
