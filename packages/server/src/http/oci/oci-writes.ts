import type { IncomingMessage } from 'node:http';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import {
  algorithmOf,
  isOciAlgorithm,
  parseOciDigest,
  parseReference,
  parseRepository,
  parseTag,
  type OciAlgorithm,
  type OciDigest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { OCI_TAGS_AT_ONCE_MAX } from '../../core/limits.ts';
import type { OciRegistry, UploadBody, UploadPlace } from '../../core/oci/oci-registry.ts';
import { emptyAnswer, warningHeader, type OciAnswer, type OciHeaders } from './oci-answer.ts';
import type { OciIntake } from './oci-intake.ts';
import { decodePart, repositoryIn, type OciRequest } from './oci-request.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CONTENT_RANGE = /^([0-9]{1,15})-([0-9]{1,15})$/;

/** What OCI clients push and delete. */
export class OciWrites {
  readonly #registry: OciRegistry;
  readonly #intake: OciIntake;

  constructor(registry: OciRegistry, intake: OciIntake) {
    this.#registry = registry;
    this.#intake = intake;
  }

  /** Begins an upload, or ends it at once: with the whole blob, or with one that is here already. */
  async start({ incoming, query, caller }: OciRequest, [name = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const { uploads } = this.#registry;
    const mounted = query.get('mount');
    if (mounted !== null) {
      const digest = parseOciDigest(mounted);
      const source = mountSource(query.get('from'));
      const isMounted = source !== 'none' && (await uploads.mount(caller, repository, { digest, from: source }));
      if (isMounted) return blobCreated(repository, digest);
      return sessionAnswer(202, repository, await uploads.start(caller, repository, algorithmOf(digest)));
    }
    const text = query.get('digest');
    if (text === null) {
      const algorithm = parseAlgorithm(query.get('digest-algorithm'));
      return sessionAnswer(202, repository, await uploads.start(caller, repository, algorithm));
    }
    const digest = parseOciDigest(text);
    await this.#intake.upload(incoming, async (body, length) => {
      await uploads.push(caller, repository, { digest, body: uploadBody(incoming, body, length) });
    });
    return blobCreated(repository, digest);
  }

  async place({ caller }: OciRequest, [name = '', id = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    return sessionAnswer(204, repository, await this.#registry.uploads.place(caller, repository, sessionId(id)));
  }

  async append({ incoming, caller }: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const id = sessionId(text);
    const place = await this.#intake.upload(incoming, async (body, length) => {
      return this.#registry.uploads.append(caller, repository, id, uploadBody(incoming, body, length));
    });
    return sessionAnswer(202, repository, place);
  }

  async finish({ incoming, query, caller }: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const id = sessionId(text);
    const digest = parseOciDigest(query.get('digest') ?? '');
    await this.#intake.upload(incoming, async (body, length) => {
      const end = { digest, body: uploadBody(incoming, body, length) };
      await this.#registry.uploads.finish(caller, repository, id, end);
    });
    return blobCreated(repository, digest);
  }

  async cancel({ caller }: OciRequest, [name = '', id = '']: readonly string[]): Promise<OciAnswer> {
    await this.#registry.uploads.cancel(caller, repositoryIn(name), sessionId(id));
    return emptyAnswer(204, {});
  }

  async putManifest(
    { incoming, query, caller }: OciRequest,
    [name = '', text = '']: readonly string[],
  ): Promise<OciAnswer> {
    const repository = repositoryIn(name);
    const reference = parseReference(decodePart(text));
    const tags = [...new Set(query.getAll('tag'))].map(parseTag);
    if (tags.length > OCI_TAGS_AT_ONCE_MAX) {
      throw new RegistryError('oci/tag', `one push sets at most ${OCI_TAGS_AT_ONCE_MAX} tags`);
    }
    refuseConditions(incoming);
    // What nobody may push takes none of the memory of those who may.
    await this.#registry.requirePush(caller, repository);
    // No two readers must take a manifest for different things, so its type is what stands before any parameter.
    const [contentType = ''] = (incoming.headers['content-type'] ?? '').split(';');
    const pushed = await this.#intake.manifest(incoming, (bytes) =>
      this.#registry.putManifest(caller, repository, { reference, tags, contentType: contentType.trim(), bytes }),
    );
    const accepted = pushed.tags.filter((tag) => tags.includes(tag));
    return emptyAnswer(201, {
      // By digest: some clients show what the location ends with as the digest.
      location: `/v2/${repository}/manifests/${pushed.digest}`,
      'docker-content-digest': pushed.digest,
      ...(pushed.subject === null ? {} : { 'oci-subject': pushed.subject }),
      ...(accepted.length === 0 ? {} : { 'oci-tag': accepted }),
      ...warningHeader(pushed.warning),
    });
  }

  async deleteManifest({ caller }: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    await this.#registry.deleteManifest(caller, repositoryIn(name), parseReference(decodePart(text)));
    return emptyAnswer(202, {});
  }

  async deleteBlob({ caller }: OciRequest, [name = '', text = '']: readonly string[]): Promise<OciAnswer> {
    await this.#registry.deleteBlob(caller, repositoryIn(name), parseOciDigest(decodePart(text)));
    return emptyAnswer(202, {});
  }
}

function blobCreated(repository: RepositoryName, digest: OciDigest): OciAnswer {
  return emptyAnswer(201, { location: `/v2/${repository}/blobs/${digest}`, 'docker-content-digest': digest });
}

/** There is no way to write an empty range: `0-0` is what clients know for it. */
function sessionAnswer(status: 202 | 204, repository: RepositoryName, { id, length }: UploadPlace): OciAnswer {
  const headers: OciHeaders = {
    location: `/v2/${repository}/blobs/uploads/${id}`,
    range: `0-${Math.max(length - 1, 0)}`,
    'docker-upload-uuid': id,
  };
  return emptyAnswer(status, headers);
}

/** Throws `oci/upload-unknown`: whatever reaches the store as an id is one. */
function sessionId(text: string): string {
  if (UUID.test(text)) return text;
  throw new RegistryError('oci/upload-unknown', 'there is no such upload: it was ended, or has expired');
}

/** `null`: from wherever the caller may read. A name that can be none has nothing to mount. */
function mountSource(from: string | null): RepositoryName | 'none' | null {
  if (from === null || from === '') return null;
  try {
    return parseRepository(from);
  } catch (failure) {
    if (isRegistryError(failure, 'oci/name')) return 'none';
    throw failure;
  }
}

/** Throws `oci/digest`. */
function parseAlgorithm(text: string | null): OciAlgorithm {
  if (text === null) return 'sha256';
  if (isOciAlgorithm(text)) return text;
  throw new RegistryError('oci/digest', 'there is no such algorithm here: sha256 and sha512 are');
}

/** Throws `oci/range` for a range that is none, such as one that runs backwards, or of another length than the body. */
function uploadBody(
  { headers }: IncomingMessage,
  body: AsyncIterable<Uint8Array>,
  announced: number | null,
): UploadBody {
  const text = headers['content-range'];
  if (text === undefined) return { start: null, length: announced, body };
  const [, first, last] = CONTENT_RANGE.exec(text) ?? [];
  const start = Number(first);
  const length = Number(last) - start + 1;
  if (first === undefined || last === undefined || length < 1) {
    throw new RegistryError('oci/range', 'Content-Range is the first and the last byte, such as 0-1023');
  }
  if (announced !== null && announced !== length) {
    throw new RegistryError('oci/range', `Content-Range speaks of ${length} bytes, and Content-Length of ${announced}`);
  }
  return { start, length, body };
}

/** To answer as if a condition were met that nobody checked would be a lie. Throws `request/unsupported`. */
function refuseConditions({ headers }: IncomingMessage): void {
  if (headers['if-match'] === undefined && headers['if-none-match'] === undefined) return;
  throw new RegistryError('request/unsupported', 'a push on a condition is not supported: tags of packages never move');
}
