import {
  concatBytes,
  digestBytes,
  encodeBase64,
  isRegistryError,
  namespaceOf,
  parseDigest,
  parseLogId,
  parseRecordId,
  RECORD_VERSION,
  RECORD_VERSION_1,
  recordVersionOf,
  RegistryError,
  wargApi,
  type Digest,
  type JsonValue,
  type LogId,
  type Takedown,
} from '@waybill/protocol';
import { Hono, type Context } from 'hono';
import type { Access } from '../../core/access.ts';
import type { Publishing } from '../../core/publishing.ts';
import type { Proving } from '../../core/proving.ts';
import type { LedgerSource, Reading } from '../../core/reading.ts';
import type { ContentReading } from '../../core/content-reading.ts';
import { takenDown } from '../../core/governance-gate.ts';
import { CONTENT_CACHE, contentResponse } from '../content-response.ts';
import type { Intake, Received } from '../intake.ts';
import { jsonResponse } from '../json-response.ts';
import type { NodeEnv } from '../node-env.ts';
import { inSpan } from '../request-watch.ts';
import type { TokenGate } from '../token-gate.ts';
import { wargProblem } from './warg-problem.ts';

export interface WargParts {
  readonly reading: Reading;
  readonly proving: Proving;
  readonly publishing: Publishing;
  readonly content: ContentReading;
  readonly gate: TokenGate;
  readonly intake: Intake;
}

type WargContext = Context<NodeEnv>;

/** A publisher says with this header that locking everybody out is meant; the record itself cannot say it in version 0. */
const FINAL_HEADER = 'waybill-final';
const LEDGER_TYPE = 'application/vnd.warg.ledger.packed';
const BINARY_TYPE = 'application/octet-stream';
const NOT_KEPT = { 'cache-control': 'no-store' };

/** Warg HTTP v1 (spec/http.md) below `/v1`, content below `/content`. */
export function wargRoutes(parts: WargParts): Hono<NodeEnv> {
  const app = new Hono<NodeEnv>();
  app.use('/v1/*', refuseOtherRegistries);
  fetchRoutes(app, parts);
  packageRoutes(app, parts);
  proofRoutes(app, parts);
  ledgerRoutes(app, parts.reading);
  contentRoutes(app, parts);
  app.post('/v1/verify/checkpoint', async (c) => {
    const verdict = await parts.reading.verifyCheckpoint(
      wargApi.decodeSignedCheckpoint(await parts.intake.json(received(c))),
    );
    const word = (valid: boolean): string => (valid ? 'verified' : 'invalid');
    return jsonResponse(200, { checkpoint: word(verdict.checkpoint), signature: word(verdict.signature) });
  });
  refuseOtherMethods(app);
  app.all('/v1/*', () => jsonResponse(404, { status: 404, message: 'not found' }));
  // That something is not here holds for whoever asked.
  const kept = parts.content.isAllPublic ? {} : NOT_KEPT;
  app.onError((error) => wargProblem(error, kept));
  return app;
}

function received(c: WargContext): Received {
  return { request: c.req.raw, incoming: c.env?.incoming, outgoing: c.env?.outgoing };
}

/** This registry answers for no other one; said in JSON, which every client can read. */
async function refuseOtherRegistries(c: WargContext, next: () => Promise<void>): Promise<Response | undefined> {
  const asked = c.req.header('warg-registry');
  if (asked !== undefined) {
    return wargProblem(
      new RegistryError('request/unsupported', `this registry does not answer for ${asked.slice(0, 253)}`),
    );
  }
  await next();
  return undefined;
}

/** Known paths: whatever was not matched before has the wrong method (405, no body). */
const PATHS = [
  '/v1/fetch/checkpoint',
  '/v1/fetch/logs',
  '/v1/fetch/names',
  '/v1/package/:logId/record',
  '/v1/package/:logId/record/:recordId',
  '/v1/package/:logId/record/:recordId/content/:digest',
  '/v1/content/:digest',
  '/v1/proof/consistency',
  '/v1/proof/inclusion',
  '/v1/proof/absence',
  '/v1/verify/checkpoint',
  '/v1/ledger',
  '/v1/ledger/records/:start',
  '/content/:file',
];

function refuseOtherMethods(app: Hono<NodeEnv>): void {
  for (const path of PATHS) app.all(path, () => new Response(null, { status: 405 }));
}

function fetchRoutes(app: Hono<NodeEnv>, { reading, gate, intake }: WargParts): void {
  app.get('/v1/fetch/checkpoint', () => jsonResponse(200, wargApi.signedCheckpointBody(reading.head().checkpoint)));
  app.post('/v1/fetch/logs', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const request = wargApi.decodeFetchLogsRequest(await intake.json(received(c)));
    if (request.limit < 1 || request.limit > wargApi.FETCH_LIMIT_MAX) {
      throw new RegistryError('request/invalid', `limit must be between 1 and ${wargApi.FETCH_LIMIT_MAX}`);
    }
    const absentLogs = c.req.header(wargApi.ABSENT_LOGS_HEADER) === 'omit' ? 'omit' : 'refuse';
    const { more, operator, packages } = await reading.logs(request, { absentLogs, access });
    await refuseUnreadable(c.req.header(wargApi.RECORD_VERSIONS_HEADER), packages, reading);
    const bodies = [...packages].map(([logId, records]) => [logId, records.map(wargApi.publishedRecordBody)] as const);
    const body = { more, operator: operator.map(wargApi.publishedRecordBody), packages: Object.fromEntries(bodies) };
    return jsonResponse(200, body, keptBy(access));
  });
  app.post('/v1/fetch/names', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const asked = wargApi.decodeFetchNamesRequest(await intake.json(received(c)));
    const names = await reading.names(asked.slice(0, wargApi.FETCH_NAMES_MAX), access);
    return jsonResponse(200, { packages: Object.fromEntries(names) }, keptBy(access));
  });
}

/** What is answered to a token may be private. */
function keptBy(access: Access): Readonly<Record<string, string>> {
  return access === 'anyone' ? {} : CONTENT_CACHE['to some'];
}

/**
 * One record that the Rust client cannot decode breaks all that it is fetched with, and says nothing of why: whoever does not
 * say that it reads version 1 gets a sentence instead (spec/version1.md 9.1). A log that has become of version 1 stays so, so
 * the last record of each page tells.
 */
async function refuseUnreadable(
  header: string | undefined,
  packages: ReadonlyMap<LogId, readonly wargApi.PublishedRecord[]>,
  reading: Reading,
): Promise<void> {
  if (header?.split(',').some((version) => version.trim() === String(RECORD_VERSION_1)) === true) return;
  for (const [logId, records] of packages) {
    const last = records.at(-1);
    if (last === undefined || recordVersionOf(last.envelope.contents) === RECORD_VERSION) continue;
    const name = (await reading.nameOf(logId)) ?? `log ${logId}`;
    throw new RegistryError('request/unsupported', `${name} uses record version 1: use waybill`);
  }
}

function packageRoutes(app: Hono<NodeEnv>, { publishing, reading, gate, intake }: WargParts): void {
  app.post('/v1/package/:logId/record', async (c) => {
    const logId = parseLogId(c.req.param('logId'));
    // Before anything is read of the body. An upload needs no token: the record that asks for it was let in here.
    const access = await gate.admit(c.req.header('authorization'));
    const final = c.req.header(FINAL_HEADER) !== undefined;
    const status = await intake.publish(received(c), async (body) => {
      const request = wargApi.decodePublishRequest(body);
      gate.requirePublisher(access, namespaceOf(request.packageName));
      if (request.namesContentSources) {
        throw new RegistryError(
          'request/unsupported',
          'specifying content sources is not supported: upload the content',
        );
      }
      const command = { logId, name: request.packageName, envelope: request.envelope, final };
      return inSpan('publish', () => publishing.publish(command));
    });
    return jsonResponse(202, wargApi.recordStatusBody(status));
  });
  app.get('/v1/package/:logId/record/:recordId', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const logId = parseLogId(c.req.param('logId'));
    const recordId = parseRecordId(c.req.param('recordId'));
    await reading.requireShown(logId, access);
    const status = await publishing.status(logId, recordId);
    return jsonResponse(200, wargApi.recordStatusBody(status), keptBy(access));
  });
  app.on(['POST', 'PUT'], '/v1/package/:logId/record/:recordId/content/:digest', async (c) => {
    const logId = parseLogId(c.req.param('logId'));
    const recordId = parseRecordId(c.req.param('recordId'));
    const digest = parseDigest(c.req.param('digest'));
    await intake.upload(recordId, received(c), (body) =>
      inSpan('upload', () => publishing.upload(logId, recordId, digest, body)),
    );
    return new Response(null, { status: 201 });
  });
}

function proofRoutes(app: Hono<NodeEnv>, { proving, reading, gate, intake }: WargParts): void {
  app.post('/v1/proof/consistency', async (c) => {
    const { from, to } = wargApi.decodeConsistencyRequest(await intake.json(received(c)));
    return jsonResponse(200, { proof: encodeBase64(await proving.consistency(from, to)) });
  });
  app.post('/v1/proof/inclusion', async (c) => {
    const { logLength, leafs } = wargApi.decodeInclusionRequest(await intake.json(received(c)));
    const { log, map } = await proving.inclusion(logLength, leafs);
    return jsonResponse(200, { log: encodeBase64(log), map: encodeBase64(map) });
  });
  app.post('/v1/proof/absence', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const { logLength, logs } = wargApi.decodeAbsenceRequest(await intake.json(received(c)));
    const map = await proving.absence(logLength, logs).catch(async (failure: unknown) => {
      if (!isRegistryError(failure, 'request/proof')) throw failure;
      // That it is there is no secret; without the reason it would look as if it were withheld.
      throw (await reading.hiddenRefusal(logs, access)) ?? failure;
    });
    return jsonResponse(200, { map: encodeBase64(map) });
  });
}

function ledgerRoutes(app: Hono<NodeEnv>, reading: Reading): void {
  app.get('/v1/ledger', () =>
    jsonResponse(200, { hashAlgorithm: 'sha256', sources: reading.ledger().map(ledgerSourceBody) }),
  );
  app.get('/v1/ledger/records/:start', async (c) => {
    const start = parseStart(c.req.param('start'));
    const records = await reading.ledgerRecords(start);
    const leaves = records.map(({ logId, recordId }) => concatBytes(digestBytes(logId), digestBytes(recordId)));
    return new Response(new Uint8Array(concatBytes(...leaves)), { headers: { 'content-type': LEDGER_TYPE } });
  });
}

function ledgerSourceBody({ firstRegistryIndex, lastRegistryIndex }: LedgerSource): JsonValue {
  const url = `v1/ledger/records/${firstRegistryIndex}`;
  return { firstRegistryIndex, lastRegistryIndex, url, contentType: LEDGER_TYPE };
}

function parseStart(text: string): number {
  const start = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(start)) return start;
  throw new RegistryError(
    'request/invalid',
    `Invalid URL: ${JSON.stringify(text.slice(0, 40))} is not a registry index`,
  );
}

function contentRoutes(app: Hono<NodeEnv>, { content, gate }: WargParts): void {
  app.get('/v1/content/:digest', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const digest = parseDigest(c.req.param('digest'));
    const takedown = await content.takedownOf(digest);
    if (takedown !== null) return blocked(takedown, content.baseUrl());
    const shown = await content.requireShown(access, digest);
    const size = await content.size(digest);
    const url = new URL(`content/${digest.replace(':', '-')}`, content.baseUrl()).href;
    const source = { type: 'httpGet', url, acceptRanges: true, size };
    const headers = shown === 'to all' ? {} : CONTENT_CACHE[shown];
    return jsonResponse(200, { contentSources: { [digest]: [source] } }, headers);
  });
  app.get('/content/:file', async (c) => {
    const access = await gate.reader(c.req.header('authorization'));
    const digest = contentFileDigest(c.req.param('file'));
    const takedown = digest && (await content.takedownOf(digest));
    if (takedown !== null) return blocked(takedown, content.baseUrl());
    const shown = digest === null ? 'no' : await content.shown(access, digest);
    if (digest === null || shown === 'no' || !(await content.has(digest))) {
      return new Response(null, { status: 404, headers: content.isAllPublic ? {} : NOT_KEPT });
    }
    return contentResponse(content, digest, { request: c.req.raw, mediaType: BINARY_TYPE, shown });
  });
}

/** RFC 7725. What is reinstated must be found again, so nobody keeps the answer. */
function blocked(takedown: Takedown, baseUrl: URL): Response {
  return wargProblem(takenDown(takedown), { link: `<${baseUrl.href}>; rel="blocked-by"`, 'cache-control': 'no-store' });
}

function contentFileDigest(file: string): Digest | null {
  const match = /^sha256-([0-9a-f]{64})$/.exec(file);
  return match === null ? null : parseDigest(`sha256:${match[1] ?? ''}`);
}
