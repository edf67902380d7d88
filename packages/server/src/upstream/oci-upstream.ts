import { isRegistryError, parseJson } from '@waybill/protocol';
import { MANIFEST_MEDIA_TYPES, parseOciDigest, type OciDigest, type OciReference } from '@waybill/protocol/oci';
import * as z from 'zod/mini';
import type { Upstream, UpstreamManifest, UpstreamPlace } from '../core/upstream-ports.ts';
import {
  failed,
  systemResolver,
  UpstreamHttp,
  type Resolver,
  type UpstreamAnswer,
  type UpstreamRequest,
} from './upstream-http.ts';
import {
  UPSTREAM_MANIFEST_BYTES_MAX,
  UPSTREAM_PAGES_MAX,
  UPSTREAM_TAGS_BYTES_MAX,
  UPSTREAM_TAGS_MAX,
} from './upstream-limits.ts';
import { UpstreamLogin } from './upstream-login.ts';
import { readWhole } from './whole-body.ts';

const ACCEPT = MANIFEST_MEDIA_TYPES.join(', ');
const AGENT = 'waybill/0.1.0';
const tagsSchema = z.object({ tags: z.nullish(z.array(z.string())) });

/** A registry that speaks OCI Distribution. */
export function openOciUpstream(place: UpstreamPlace, resolve: Resolver = systemResolver): Upstream {
  return new OciUpstream(place, resolve);
}

class OciUpstream implements Upstream {
  readonly place: UpstreamPlace;
  readonly #http: UpstreamHttp;
  readonly #login: UpstreamLogin;

  constructor(place: UpstreamPlace, resolve: Resolver) {
    this.place = place;
    this.#http = new UpstreamHttp(place, resolve);
    this.#login = new UpstreamLogin(this.#http, place.credentials, Date.now);
  }

  async manifest(repository: string, reference: OciReference): Promise<UpstreamManifest | null> {
    const url = this.#url(repository, `manifests/${textOf(reference)}`);
    const answer = await this.#ask(url, repository, {
      method: 'GET',
      headers: { accept: ACCEPT },
      bytesMax: UPSTREAM_MANIFEST_BYTES_MAX,
    });
    if (!isFound(url, answer)) return null;
    return { contentType: answer.header('content-type') ?? '', bytes: await readWhole(answer) };
  }

  async digestOf(repository: string, reference: OciReference): Promise<OciDigest | null> {
    const url = this.#url(repository, `manifests/${textOf(reference)}`);
    const answer = await this.#ask(url, repository, { method: 'HEAD', headers: { accept: ACCEPT }, bytesMax: 0 });
    if (!isFound(url, answer)) return null;
    answer.discard();
    try {
      return parseOciDigest(answer.header('docker-content-digest') ?? '');
    } catch (failure) {
      if (isRegistryError(failure, 'oci/digest')) return null;
      throw failure;
    }
  }

  async *blob(
    repository: string,
    { digest, size }: { readonly digest: OciDigest; readonly size: number },
  ): AsyncGenerator<Uint8Array> {
    const url = this.#url(repository, `blobs/${digest}`);
    const answer = await this.#ask(url, repository, { method: 'GET', headers: {}, bytesMax: size });
    if (!isFound(url, answer)) throw failed(url, 'its manifest names a blob that it does not have');
    let bytes = 0;
    for await (const chunk of answer.body) {
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== size) throw failed(url, `its manifest says ${size} bytes, and ${bytes} came`);
  }

  async tags(repository: string): Promise<readonly string[] | null> {
    const first = this.#url(repository, 'tags/list');
    const tags: string[] = [];
    let [url, bytes] = [first, 0];
    for (let pages = 0; pages < UPSTREAM_PAGES_MAX; pages++) {
      const bytesMax = UPSTREAM_TAGS_BYTES_MAX - bytes;
      const answer = await this.#ask(url, repository, { method: 'GET', headers: {}, bytesMax });
      if (!isFound(url, answer)) return null;
      const body = await readWhole(answer);
      bytes += body.length;
      const page = readTags(url, body);
      if (tags.length + page.length > UPSTREAM_TAGS_MAX) throw failed(url, `it has over ${UPSTREAM_TAGS_MAX} tags`);
      tags.push(...page);
      const next = nextPage(url, answer.header('link'));
      if (next === null) return tags;
      if (next.origin !== first.origin || next.pathname !== first.pathname)
        throw failed(url, 'its list goes on elsewhere');
      url = next;
    }
    throw failed(first, `its list has over ${UPSTREAM_PAGES_MAX} pages`);
  }

  #url(repository: string, rest: string): URL {
    const scheme = this.place.isPlainHttp ? 'http' : 'https';
    return new URL(`${scheme}://${this.place.registry}/v2/${repository}/${rest}`);
  }

  /** Once more with credentials where it asks for some. */
  async #ask(url: URL, repository: string, request: UpstreamRequest): Promise<UpstreamAnswer> {
    const send = (authorization: string | null): Promise<UpstreamAnswer> => {
      const headers = { 'user-agent': AGENT, ...request.headers };
      return this.#http.send(url, {
        ...request,
        headers: authorization === null ? headers : { ...headers, authorization },
      });
    };
    const answer = await send(this.#login.header(repository));
    const challenge = answer.status === 401 ? answer.header('www-authenticate') : null;
    // A host that serves bytes for the registry does not say where the registry's password goes.
    if (challenge === null || answer.host !== url.host) return answer;
    answer.discard();
    return send(await this.#login.answer(url, repository, challenge));
  }
}

/** False for what is not there. Throws `upstream/failed` for every other answer than one with what was asked for. */
function isFound(url: URL, answer: UpstreamAnswer): boolean {
  if (answer.status === 200) return true;
  answer.discard();
  if (answer.status === 404) return false;
  throw failed(url, `it answers ${answer.status}`);
}

function readTags(url: URL, body: Uint8Array): readonly string[] {
  try {
    return z.parse(tagsSchema, parseJson(body)).tags ?? [];
  } catch (cause) {
    throw failed(url, 'its list of tags is none', cause);
  }
}

function nextPage(url: URL, link: string | null): URL | null {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, url.href)) return null;
  return new URL(target, url);
}

function textOf(reference: OciReference): string {
  return 'tag' in reference ? reference.tag : reference.digest;
}
