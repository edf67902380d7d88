import {
  isRegistryError,
  RegistryError,
  wargApi,
  type Digest,
  type Envelope,
  type ErrorCode,
  type JsonValue,
  type LogId,
  type Namespace,
  type PackageName,
  type RecordId,
  type SignedCheckpoint,
} from '@waybill/protocol';
import { claimRequestBody, decodeClaimAnswer, type ClaimAnswer, type ClaimRequest } from '@waybill/protocol/author';
import { decodeHeldReleases, type ClaimedReleases } from '@waybill/protocol/content';
import { authorizationOf, type BearerToken } from './bearer-token.ts';
import { isPrivateLine, type Answer, type Transport } from './transport.ts';

/** Headers that an upload endpoint may ask for (spec/http.md): no others, so that it cannot speak for the user elsewhere. */
const UPLOAD_HEADERS: ReadonlySet<string> = new Set(['authorization', 'content-type']);

/** What this client can read: without it a registry keeps records of version 1 to itself (spec/version1.md 9.1). */
const RECORD_VERSIONS = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };

/** A registry that knows it leaves out logs without a record, and so answers at once. */
const ABSENT_LOGS = { [wargApi.ABSENT_LOGS_HEADER]: 'omit' };

/** Releases in one page of a look-up, which is what a Waybill registry gives at most. */
const HELD_RELEASES_ASKED = 100;

/** Gives the token for this registry, if the user has one. */
export type TokenSource = () => Promise<BearerToken | null>;

const noToken: TokenSource = () => Promise.resolve(null);

/** What a request for content has besides its address. */
export interface ContentRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly redirect: 'follow' | 'manual';
}

/** The calls of Warg HTTP v1, typed. What they give is decoded, not believed. */
export class RegistryApi {
  readonly transport: Transport;
  readonly #token: TokenSource;
  /** What reads show, once one of them needs it. */
  #shown: BearerToken | null = null;

  /** `token` is asked when something is published, or is not here for whoever shows none, and never before. */
  constructor(transport: Transport, token: TokenSource = noToken) {
    this.transport = transport;
    this.#token = token;
  }

  /**
   * From now on reads show the token, too: what is private is to others as what is not there. False where there is none, or it is
   * shown already, so that there is nothing to be asked for again.
   */
  async showToken(): Promise<boolean> {
    if (this.#shown !== null || !isPrivateLine(this.transport.baseUrl)) return false;
    this.#shown = await this.#token();
    return this.#shown !== null;
  }

  /** How content is asked for at a place: with the token, once reads show it, and only where the registry itself is. */
  contentRequest(url: URL): ContentRequest {
    const { origin, pathname } = this.transport.baseUrl;
    const isOwn = url.origin === origin && url.pathname.startsWith(pathname);
    if (this.#shown === null || !isOwn) return { headers: {}, redirect: 'follow' };
    return { headers: authorizationOf(this.#shown), redirect: 'manual' };
  }

  async checkpoint(): Promise<SignedCheckpoint> {
    return this.#call('GET', 'v1/fetch/checkpoint', undefined, wargApi.decodeSignedCheckpoint);
  }

  /**
   * Logs that the registry has no record of are not in the answer; from one that does not leave them out, throws
   * `log/not-found` with `detail.logId` for the first.
   */
  async logs(request: wargApi.FetchLogsRequest): Promise<wargApi.FetchLogsResponse> {
    const headers = { ...RECORD_VERSIONS, ...ABSENT_LOGS, ...this.#shownHeaders() };
    return decoded(
      await this.transport.request('POST', 'v1/fetch/logs', wargApi.fetchLogsBody(request), headers),
      wargApi.decodeFetchLogsResponse,
    );
  }

  async inclusion(logLength: number, leafs: readonly number[]): Promise<wargApi.InclusionResponse> {
    return this.#call('POST', 'v1/proof/inclusion', { logLength, leafs: [...leafs] }, wargApi.decodeInclusionResponse);
  }

  async consistency(from: number, to: number): Promise<Uint8Array> {
    return this.#call('POST', 'v1/proof/consistency', { from, to }, wargApi.decodeConsistencyResponse);
  }

  /** `null` from a registry that cannot prove absence: a Rust one. Throws `token/…` for a log that is private. */
  async absence(logLength: number, logs: readonly LogId[]): Promise<Uint8Array | null> {
    const body = { logLength, logs: [...logs] };
    const answer = await this.transport.request('POST', 'v1/proof/absence', body, this.#shownHeaders());
    const unknownRoute = answer.status === 405 || answer.status === 501 || (answer.status === 404 && !hasType(answer));
    return unknownRoute ? null : decoded(answer, wargApi.decodeAbsenceResponse);
  }

  async contentSources(digest: Digest): Promise<readonly wargApi.ContentSource[]> {
    const sources = await this.#read(`v1/content/${digest}`, wargApi.decodeContentSources);
    return sources.get(digest) ?? [];
  }

  /** What stands in the answer of a source that gives no content. */
  async refusalOf(response: Response): Promise<RegistryError> {
    return refusal(await this.transport.read(response));
  }

  /**
   * Shows the token, which reads do not before they need it: answers to requests that carry one are kept by no shared cache, and
   * tell the registry what its account reads. Throws `publish/conflict` with `detail.recordId` when another record came first, `token/…`.
   */
  async publish(logId: LogId, name: PackageName, envelope: Envelope, final: boolean): Promise<wargApi.RecordStatus> {
    const token = await this.#token();
    const headers = {
      ...(token === null ? {} : authorizationOf(token)),
      ...(final ? { 'waybill-final': 'yes' } : {}),
    };
    const path = `v1/package/${logId}/record`;
    return decoded(
      await this.transport.request('POST', path, wargApi.publishBody(name, envelope), headers),
      wargApi.decodeRecordStatus,
    );
  }

  async recordStatus(logId: LogId, recordId: RecordId): Promise<wargApi.RecordStatus> {
    return this.#read(`v1/package/${logId}/record/${recordId}`, wargApi.decodeRecordStatus);
  }

  /** Uploads one content to an endpoint that the registry named. Throws `registry/protocol` for an endpoint that is none. */
  async upload({ url, method, headers }: wargApi.UploadEndpoint, body: Blob): Promise<void> {
    const foreign = Object.keys(headers).find((name) => !UPLOAD_HEADERS.has(name));
    if (foreign !== undefined) {
      throw new RegistryError('registry/protocol', `the registry asks for the header ${foreign} in an upload`);
    }
    const place = this.transport.placeOf(url);
    const answer = await this.transport.send(place, { method, body, headers }, body.size);
    if (!isSuccess(answer)) throw refusal(answer);
  }

  /** Asks for a package that the gateway holds; shows the token. A Waybill registry only. Throws `oci/gateway`, `token/…`. */
  async claim(logId: LogId, request: ClaimRequest): Promise<ClaimAnswer> {
    const token = await this.#token();
    const headers = token === null ? {} : authorizationOf(token);
    const path = `api/v1/package/${logId}/claim`;
    return decoded(await this.transport.request('POST', path, claimRequestBody(request), headers), decodeClaimAnswer);
  }

  /** Appends an operator record; a Waybill registry only. */
  async appendOperatorRecord(envelope: Envelope): Promise<void> {
    const answer = await this.transport.request('POST', 'api/v1/operator/records', wargApi.envelopeBody(envelope));
    if (answer.status !== 201) throw refusal(answer);
  }

  /** Appends a record to the governance log of a namespace, or, for `null`, of the registry. */
  async appendGovernanceRecord(namespace: Namespace | null, envelope: Envelope): Promise<void> {
    const path = namespace === null ? 'api/v1/governance/records' : `api/v1/governance/${namespace}/records`;
    const answer = await this.transport.request('POST', path, wargApi.envelopeBody(envelope));
    if (answer.status !== 201) throw refusal(answer);
  }

  /** Proof that records of any age stand at their indexes: a log proof bundle. A Waybill registry only. */
  async leaves(logLength: number, leafs: readonly number[]): Promise<Uint8Array> {
    return this.#call(
      'POST',
      'api/v1/proof/leaves',
      { logLength, leafs: [...leafs] },
      wargApi.decodeConsistencyResponse,
    );
  }

  /**
   * Releases that hold a content, as the registry says; `after` is where the page before ended. `null` from a registry that does
   * not look up: one that is not Waybill's.
   */
  async heldReleases(digest: Digest, after: string | null): Promise<ClaimedReleases | null> {
    const query = after === null ? '' : `&after=${encodeURIComponent(after)}`;
    const path = `api/v1/content/${digest}/releases?limit=${HELD_RELEASES_ASKED}${query}`;
    const answer = await this.transport.request('GET', path, undefined, this.#shownHeaders());
    if ([404, 405, 501].includes(answer.status)) return null;
    const found = decoded(answer, decodeHeldReleases);
    return found.releases.length === 0 && (await this.showToken()) ? this.heldReleases(digest, after) : found;
  }

  /** What is private is not found by whoever shows no token. */
  async #read<T>(path: string, decode: (source: Uint8Array) => T): Promise<T> {
    const answer = await this.transport.request('GET', path, undefined, this.#shownHeaders());
    return answer.status === 404 && (await this.showToken()) ? this.#read(path, decode) : decoded(answer, decode);
  }

  #shownHeaders(): Readonly<Record<string, string>> {
    return this.#shown === null ? {} : authorizationOf(this.#shown);
  }

  async #call<T>(
    method: 'GET' | 'POST',
    path: string,
    body: JsonValue | undefined,
    decode: (source: Uint8Array) => T,
  ): Promise<T> {
    return decoded(await this.transport.request(method, path, body), decode);
  }
}

function isSuccess({ status }: Answer): boolean {
  return status >= 200 && status < 300;
}

function decoded<T>(answer: Answer, decode: (source: Uint8Array) => T): T {
  if (!isSuccess(answer)) throw refusal(answer);
  try {
    return decode(answer.body);
  } catch (cause) {
    if (!isRegistryError(cause)) throw cause;
    throw new RegistryError(
      'registry/protocol',
      `the registry's answer makes no sense: ${cause.message}`,
      {},
      { cause },
    );
  }
}

function hasType(answer: Answer): boolean {
  return errorBody(answer)?.type != null;
}

function errorBody(answer: Answer): wargApi.ErrorBody | null {
  try {
    return wargApi.decodeErrorBody(answer.body);
  } catch {
    return null;
  }
}

/** What below `/api/v1` is believed of the code in an answer: that which tells the asker what to do, and nothing about the registry. */
const CODES_BELIEVED: readonly ErrorCode[] = [
  'governance/starter',
  'namespace/imported',
  'namespace/undefined',
  'oci/gateway',
  'publish/conflict',
];

/** The error that an answer tells of, as one of ours. */
function refusal(answer: Answer): RegistryError {
  const body = errorBody(answer);
  const said = body?.message ?? body?.reason ?? `HTTP status ${answer.status}`;
  const id = body?.id ?? '';
  const named = CODES_BELIEVED.find((code) => code === body?.code);
  if (named !== undefined) return new RegistryError(named, said);
  if (body?.type === 'log') return new RegistryError('log/not-found', `the registry has no log ${id}`, { logId: id });
  if (body?.type === 'fetchToken') return new RegistryError('request/cursor', `the registry has no fetch token ${id}`);
  if (body?.type === 'record' && answer.status === 409) {
    return new RegistryError('publish/conflict', `another record came first: ${id}`, { recordId: id });
  }
  if (body?.type === 'namespace') {
    return new RegistryError('namespace/undefined', `namespace ${id} is not defined on this registry`, {
      namespace: id,
    });
  }
  if (body?.type === 'namespaceImport') {
    return new RegistryError('namespace/imported', `namespace ${id} belongs to another registry`, { namespace: id });
  }
  if (body?.type)
    return new RegistryError('registry/refused', `the registry has no such ${body.type}: ${id}`, {
      status: answer.status,
    });
  // A fault of the registry or of something before it says nothing of what it shows. 501 is a refusal.
  if (answer.status >= 500 && answer.status !== 501) {
    return new RegistryError('registry/unreachable', `the registry cannot answer: ${said}`, { status: answer.status });
  }
  if (answer.status === 429) return new RegistryError('request/too-many', said);
  const tokenCode = tokenRefusal(answer);
  if (tokenCode !== null) return new RegistryError(tokenCode, said);
  if (answer.status === 401) return new RegistryError('admission/denied', said);
  return new RegistryError('registry/refused', `the registry refused: ${said}`, { status: answer.status });
}

/** RFC 6750 3: only what is about tokens comes with this challenge. */
function tokenRefusal({ status, challenge }: Answer): 'token/required' | 'token/invalid' | 'token/scope' | null {
  if (challenge === null || !/^bearer\b/i.test(challenge)) return null;
  if (status === 403) return 'token/scope';
  if (status !== 401) return null;
  return challenge.includes('error="invalid_token"') ? 'token/invalid' : 'token/required';
}
