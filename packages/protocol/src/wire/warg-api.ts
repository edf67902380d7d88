import * as z from 'zod/mini';
import { encodeBase64 } from '../bytes/base64.ts';
import type { JsonValue } from '../bytes/json.ts';
import { parseAnyHash, parseDigest, type AnyHash } from '../names/digest.ts';
import { parseLogId, parseRecordId, type LogId, type RecordId } from '../names/log-id.ts';
import { parsePackageName, type PackageName } from '../names/package-name.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { NO_COSIGNATURES, type Envelope } from './envelope.ts';
import { base64Bytes, count, decodeJson, parsed } from './shape.ts';

/* The JSON bodies of Warg HTTP v1 (spec/http.md): one decoder for each, shared by client and server. */

/** Request header that says which record versions a client reads; without it, 0 alone (spec/version1.md 9.1). */
export const RECORD_VERSIONS_HEADER = 'waybill-record-versions';

/** With the value `omit`, an answer to a fetch leaves out logs that have no record, instead of refusing (spec/http.md 4). */
export const ABSENT_LOGS_HEADER = 'waybill-absent-logs';
/** Records a log may answer with in one `fetch/logs`, by Warg's rule. */
export const FETCH_LIMIT_MAX = 1000;
/** Records a log answers with when the request names no limit. */
export const FETCH_LIMIT_DEFAULT = 100;
/** Log ids that one `fetch/names` answers. */
export const FETCH_NAMES_MAX = 1000;

const logId = parsed(parseLogId);
const recordId = parsed(parseRecordId);
const digest = parsed(parseDigest);

const checkpointSchema: z.ZodMiniType<SignedCheckpoint> = z.object({
  contents: z.object({ logRoot: digest, logLength: count, mapRoot: digest, timestamp: count }),
  keyId: z.string(),
  signature: z.string(),
});

/** Throws `wire/json`, `wire/shape`, as every decoder of this file. */
export function decodeSignedCheckpoint(source: Uint8Array | string): SignedCheckpoint {
  return decodeJson(checkpointSchema, source);
}

/** A record of a log as `fetch/logs` serves it. */
export interface PublishedRecord {
  readonly envelope: Envelope;
  readonly registryIndex: number;
  /** Opaque: where to go on after this record. */
  readonly fetchToken: string;
}

/** `POST /v1/fetch/logs`: the operator log is always answered. */
export interface FetchLogsRequest {
  readonly logLength: number;
  readonly limit: number;
  readonly operator: string | null;
  readonly packages: ReadonlyMap<LogId, string | null>;
}

const fetchLogsRequestSchema = z.strictObject({
  logLength: count,
  limit: z.optional(z.nullable(z.int().check(z.minimum(0), z.maximum(65_535)))),
  operator: z.optional(z.nullable(z.string())),
  packages: z.optional(z.nullable(z.record(z.string(), z.nullable(z.string())))),
});

/** Unknown members are refused, as the Rust server does. The limit is not judged here. */
export function decodeFetchLogsRequest(source: Uint8Array): FetchLogsRequest {
  const body = decodeJson(fetchLogsRequestSchema, source);
  return {
    logLength: body.logLength,
    limit: body.limit ?? FETCH_LIMIT_DEFAULT,
    operator: body.operator ?? null,
    packages: mapOfLogs(body.packages ?? {}),
  };
}

function mapOfLogs<V>(object: Record<string, V>): Map<LogId, V> {
  return new Map(Object.entries(object).map(([id, value]) => [logIdOfKey(id), value]));
}

function logIdOfKey(id: string): LogId {
  return decodeJson(logId, JSON.stringify(id));
}

/** The body of a `fetch/logs` request. */
export function fetchLogsBody(request: FetchLogsRequest): JsonValue {
  const packages = Object.fromEntries(request.packages);
  return { logLength: request.logLength, limit: request.limit, operator: request.operator, packages };
}

export interface FetchLogsResponse {
  readonly more: boolean;
  readonly operator: readonly PublishedRecord[];
  readonly packages: ReadonlyMap<LogId, readonly PublishedRecord[]>;
}

const cosignaturesSchema = z.optional(z.array(z.object({ keyId: z.string(), signature: z.string() })));

const recordSchema = z.object({
  contentBytes: base64Bytes,
  keyId: z.string(),
  signature: z.string(),
  cosignatures: cosignaturesSchema,
});

const publishedRecordSchema = z.object({
  contentBytes: base64Bytes,
  keyId: z.string(),
  signature: z.string(),
  cosignatures: cosignaturesSchema,
  registryIndex: count,
  fetchToken: z.string(),
});

const fetchLogsResponseSchema = z.object({
  more: z.optional(z.boolean()),
  operator: z.optional(z.array(publishedRecordSchema)),
  packages: z.optional(z.record(z.string(), z.array(publishedRecordSchema))),
});

export function decodeFetchLogsResponse(source: Uint8Array): FetchLogsResponse {
  const body = decodeJson(fetchLogsResponseSchema, source);
  const packages = Object.entries(body.packages ?? {}).map(
    ([id, records]) => [logIdOfKey(id), records.map(publishedRecordOf)] as const,
  );
  return {
    more: body.more ?? false,
    operator: (body.operator ?? []).map(publishedRecordOf),
    packages: new Map(packages),
  };
}

function publishedRecordOf(body: z.infer<typeof publishedRecordSchema>): PublishedRecord {
  const { registryIndex, fetchToken } = body;
  return { envelope: envelopeOf(body), registryIndex, fetchToken };
}

function envelopeOf({ contentBytes, keyId, signature, cosignatures }: z.infer<typeof recordSchema>): Envelope {
  return { contents: contentBytes, keyId, signature, cosignatures: cosignatures ?? NO_COSIGNATURES };
}

/** The JSON form of an envelope. */
export function envelopeBody({ contents, keyId, signature, cosignatures }: Envelope): { [key: string]: JsonValue } {
  const body = { contentBytes: encodeBase64(contents), keyId, signature };
  // The Rust client refuses members that it does not know: absent in version 0.
  if (cosignatures.length === 0) return body;
  return { ...body, cosignatures: cosignatures.map((one) => ({ keyId: one.keyId, signature: one.signature })) };
}

/** The JSON form of a published record. */
export function publishedRecordBody({ envelope, registryIndex, fetchToken }: PublishedRecord): JsonValue {
  return { ...envelopeBody(envelope), registryIndex, fetchToken };
}

/** `POST /v1/fetch/names`. */
export function decodeFetchNamesRequest(source: Uint8Array): readonly LogId[] {
  return decodeJson(z.object({ packages: z.array(logId) }), source).packages;
}

/** `POST /v1/package/{logId}/record`. */
export interface PublishRequest {
  readonly packageName: PackageName;
  readonly envelope: Envelope;
  /** True when the client asks the server to fetch content by itself: never done. */
  readonly namesContentSources: boolean;
}

const publishRequestSchema = z.object({
  packageName: parsed(parsePackageName),
  record: recordSchema,
  contentSources: z.optional(z.nullable(z.record(z.string(), z.array(z.unknown())))),
});

export function decodePublishRequest(source: Uint8Array): PublishRequest {
  const body = decodeJson(publishRequestSchema, source);
  const namesContentSources = Object.keys(body.contentSources ?? {}).length > 0;
  return { packageName: body.packageName, envelope: envelopeOf(body.record), namesContentSources };
}

export function publishBody(packageName: PackageName, envelope: Envelope): JsonValue {
  return { packageName, record: envelopeBody(envelope) };
}

/** A bare signed envelope, as `POST /api/v1/operator/records` takes it. */
export function decodeEnvelopeBody(source: Uint8Array): Envelope {
  return envelopeOf(decodeJson(recordSchema, source));
}

/** Where content may be uploaded to; `url` may be relative to the registry's base URL. */
export interface UploadEndpoint {
  readonly type: 'http';
  readonly method: 'POST' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** How far a record has come. */
export type RecordStatus = { readonly recordId: RecordId } & (
  | { readonly state: 'sourcing'; readonly missingContent: ReadonlyMap<AnyHash, readonly UploadEndpoint[]> }
  | { readonly state: 'processing' }
  | { readonly state: 'rejected'; readonly reason: string }
  | { readonly state: 'published'; readonly registryIndex: number }
);

const uploadEndpointSchema = z.object({
  type: z.literal('http'),
  method: z.enum(['POST', 'PUT']),
  url: z.string(),
  headers: z._default(z.record(z.string(), z.string()), {}),
});

const missingContentSchema = z.record(z.string(), z.object({ upload: z.array(uploadEndpointSchema) }));

const recordStatusSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('sourcing'), recordId, missingContent: missingContentSchema }),
  z.object({ state: z.literal('processing'), recordId }),
  z.object({ state: z.literal('rejected'), recordId, reason: z.string() }),
  z.object({ state: z.literal('published'), recordId, registryIndex: count }),
]);

export function decodeRecordStatus(source: Uint8Array): RecordStatus {
  const body = decodeJson(recordStatusSchema, source);
  if (body.state !== 'sourcing') return body;
  const missing = Object.entries(body.missingContent).map(
    ([text, { upload }]) => [parseAnyHash(text), upload] as const,
  );
  return { state: body.state, recordId: body.recordId, missingContent: new Map(missing) };
}

export function recordStatusBody(status: RecordStatus): JsonValue {
  if (status.state !== 'sourcing') return { ...status };
  const missing = [...status.missingContent].map(([text, upload]): [string, JsonValue] => [
    text,
    { upload: upload.map(({ type, method, url, headers }) => ({ type, method, url, headers: { ...headers } })) },
  ]);
  return { recordId: status.recordId, state: status.state, missingContent: Object.fromEntries(missing) };
}

/** Where content can be had. */
export interface ContentSource {
  readonly url: string;
  readonly acceptRanges: boolean;
  readonly size: number | null;
}

const contentSourcesSchema = z.object({
  contentSources: z.record(
    z.string(),
    z.array(
      z.object({
        type: z.literal('httpGet'),
        url: z.string(),
        acceptRanges: z._default(z.boolean(), false),
        size: z.optional(z.nullable(count)),
      }),
    ),
  ),
});

/** `GET /v1/content/{digest}`. */
export function decodeContentSources(source: Uint8Array): ReadonlyMap<string, readonly ContentSource[]> {
  const { contentSources } = decodeJson(contentSourcesSchema, source);
  const entries = Object.entries(contentSources).map(
    ([text, sources]) =>
      [text, sources.map(({ url, acceptRanges, size }) => ({ url, acceptRanges, size: size ?? null }))] as const,
  );
  return new Map(entries);
}

/** `POST /v1/proof/consistency`. */
export function decodeConsistencyRequest(source: Uint8Array): { readonly from: number; readonly to: number } {
  return decodeJson(z.object({ from: count, to: count }), source);
}

export function decodeConsistencyResponse(source: Uint8Array): Uint8Array {
  return decodeJson(z.object({ proof: base64Bytes }), source).proof;
}

/** `POST /v1/proof/inclusion`; the member is spelled `leafs`. */
export function decodeInclusionRequest(source: Uint8Array): {
  readonly logLength: number;
  readonly leafs: readonly number[];
} {
  return decodeJson(z.object({ logLength: count, leafs: z.array(count) }), source);
}

/** The two encoded bundles of an inclusion answer. */
export interface InclusionResponse {
  readonly log: Uint8Array;
  readonly map: Uint8Array;
}

export function decodeInclusionResponse(source: Uint8Array): InclusionResponse {
  return decodeJson(z.object({ log: base64Bytes, map: base64Bytes }), source);
}

/** `POST /v1/proof/absence`, Waybill's own: proves that logs are not in the map. */
export function decodeAbsenceRequest(source: Uint8Array): {
  readonly logLength: number;
  readonly logs: readonly LogId[];
} {
  return decodeJson(z.object({ logLength: count, logs: z.array(logId) }), source);
}

export function decodeAbsenceResponse(source: Uint8Array): Uint8Array {
  return decodeJson(z.object({ map: base64Bytes }), source).map;
}

/** An error body of any of Warg's shapes: `status`, and by kind `message`, `type` and `id`, or `reason`. */
export interface ErrorBody {
  readonly status: number;
  readonly message: string | null;
  readonly type: string | null;
  readonly id: string | null;
  readonly reason: string | null;
  /** Below `/api/v1`: the code of the error. */
  readonly code: string | null;
}

const errorBodySchema = z.object({
  status: count,
  message: z.optional(z.string()),
  type: z.optional(z.string()),
  id: z.optional(z.union([z.string(), z.number()])),
  reason: z.optional(z.string()),
  code: z.optional(z.nullable(z.string())),
});

export function decodeErrorBody(source: Uint8Array): ErrorBody {
  const { status, message, type, id, reason, code } = decodeJson(errorBodySchema, source);
  return {
    status,
    message: message ?? null,
    type: type ?? null,
    id: id === undefined ? null : String(id),
    reason: reason ?? null,
    code: code ?? null,
  };
}

/** The JSON form of a signed checkpoint. */
export function signedCheckpointBody({ contents, keyId, signature }: SignedCheckpoint): JsonValue {
  const { logRoot, logLength, mapRoot, timestamp } = contents;
  return { contents: { logRoot, logLength, mapRoot, timestamp }, keyId, signature };
}
