import {
  OCI_MEDIA_TYPE,
  parseOciDigest,
  parseReference,
  referrersIndex,
  type OciReference,
  type RepositoryName,
} from '@waybill/protocol/oci';
import type { OciRegistry } from '../../core/oci/oci-registry.ts';
import type { ByteRange } from '../../core/ports.ts';
import { namesEtag, requestedRange } from '../byte-range.ts';
import {
  bytesAnswer,
  CACHE,
  emptyAnswer,
  jsonAnswer,
  warningHeader,
  type OciAnswer,
  type OciHeaders,
} from './oci-answer.ts';
import { errorAnswer } from './oci-problem.ts';
import { decodePart, linkHeader, pageOf, repositoryIn, type OciRequest } from './oci-request.ts';

/** Whoever asks gets the same answer, whatever else its headers say: none but Range and If-None-Match is looked at (W19). */
export class OciReads {
  readonly #registry: OciRegistry;

  constructor(registry: OciRegistry) {
    this.#registry = registry;
  }

  async manifest(request: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const reference = parseReference(decodePart(text));
    const found = await this.#registry.manifest(request.caller, repository, reference);
    const headers = {
      'content-type': found.mediaType,
      'docker-content-digest': found.digest,
      'cache-control': this.#cacheOf(repository, isByDigest(reference) ? CACHE.forEver : CACHE.revalidated),
      ...warningHeader(found.warning),
    };
    const { bytes } = found;
    return rangedAnswer(request, headers, {
      etag: `"${found.digest}"`,
      size: bytes.length,
      read: ({ start, end }) => bytes.subarray(start, end),
    });
  }

  async blob(request: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const digest = parseOciDigest(decodePart(text));
    const found = await this.#registry.blob(request.caller, repository, digest);
    const headers = {
      'content-type': OCI_MEDIA_TYPE.bytes,
      'docker-content-digest': found.digest,
      'cache-control': this.#cacheOf(repository, CACHE.forEver),
    };
    return rangedAnswer(request, headers, {
      etag: `"${found.digest}"`,
      size: found.size,
      read: (range) => found.read(range),
    });
  }

  async tags({ caller, query }: OciRequest, [name = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const page = pageOf(query);
    const { items, more } = await this.#registry.tags(caller, repository, page);
    return jsonAnswer(
      200,
      { name: repository, tags: [...items] },
      {
        'cache-control': this.#cacheOf(repository, CACHE.revalidated),
        ...linkHeader(`/v2/${repository}/tags/list`, page, { last: items.at(-1), more }),
      },
    );
  }

  async referrers({ caller, query }: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const subject = parseOciDigest(decodePart(text));
    const asked = query.get('artifactType');
    const artifactType = asked === '' ? null : asked;
    const page = pageOf(query);
    const { items, more } = await this.#registry.referrers(caller, repository, subject, { ...page, artifactType });
    return bytesAnswer(200, referrersIndex(items), {
      'content-type': OCI_MEDIA_TYPE.index,
      'cache-control': this.#cacheOf(repository, CACHE.revalidated),
      ...(artifactType === null ? {} : { 'oci-filters-applied': 'artifactType' }),
      ...linkHeader(`/v2/${repository}/referrers/${subject}`, page, {
        last: items.at(-1)?.digest,
        more,
        filter: artifactType,
      }),
    });
  }

  async catalog({ caller, query }: OciRequest): Promise<OciAnswer> {
    const page = pageOf(query);
    const { items, more } = await this.#registry.catalog(caller, page);
    return jsonAnswer(
      200,
      { repositories: [...items] },
      {
        'cache-control': caller.access === 'anyone' ? CACHE.revalidated : CACHE.private,
        ...linkHeader('/v2/_catalog', page, { last: items.at(-1), more }),
      },
    );
  }

  #cacheOf(repository: RepositoryName, ofPublic: string): string {
    return this.#registry.isPrivate(repository) ? CACHE.private : ofPublic;
  }

  /** Nothing beyond what the specification of the API has; whether the repository is there is not told. */
  async discover(_request: OciRequest, [name]: readonly string[]): Promise<OciAnswer> {
    if (name !== undefined) repositoryIn(name);
    return jsonAnswer(200, { extensions: [] }, { 'cache-control': CACHE.revalidated });
  }
}

interface Bytes {
  readonly etag: string;
  readonly size: number;
  read(range: ByteRange): Uint8Array | AsyncIterable<Uint8Array>;
}

/** One byte range, and conditional requests. RFC 9110 14.2: a range counts for GET alone. */
function rangedAnswer({ incoming, isHead }: OciRequest, more: OciHeaders, content: Bytes): OciAnswer {
  const { etag, size } = content;
  const headers = { ...more, etag, 'accept-ranges': 'bytes' };
  if (namesEtag(incoming.headers['if-none-match'], etag)) return emptyAnswer(304, headers);
  const ifRange = incoming.headers['if-range'];
  const counts = !isHead && (ifRange === undefined || ifRange === etag);
  const range = counts ? requestedRange(incoming.headers.range, size) : null;
  if (range === 'unsatisfiable' || range === 'backwards') {
    return errorAnswer(416, 'SIZE_INVALID', `the range is not in 0-${size}`, { 'content-range': `bytes */${size}` });
  }
  if (isHead) return { status: 200, headers, body: null, length: size };
  const { start, end } = range ?? { start: 0, end: size };
  if (range === null) return { status: 200, headers, body: content.read({ start, end }), length: size };
  const partial = { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` };
  return { status: 206, headers: partial, body: content.read({ start, end }), length: end - start };
}

function isByDigest(reference: OciReference): boolean {
  return 'digest' in reference;
}
