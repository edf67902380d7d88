import type { Fetch } from '@waybill/client';
import type { ProxiedAnswer } from './answer-mutations.ts';

/** The answers of a registry at one moment: each request is asked once, and answered from memory from then on. */
export class Recording {
  readonly #url: URL;
  readonly #answers = new Map<string, { readonly kind: string; readonly answer: Promise<ProxiedAnswer> }>();

  constructor(url: URL) {
    this.#url = url;
  }

  /** `url` may name another address: it is this registry that answers. */
  ask(url: string, init: RequestInit): Promise<ProxiedAnswer> {
    const target = new URL(url);
    const body = typeof init.body === 'string' ? init.body : '';
    const key = `${init.method} ${target.pathname} ${body}`;
    const known = this.#answers.get(key);
    if (known !== undefined) return known.answer;
    const answer = this.#fetch(target.pathname, init);
    this.#answers.set(key, { kind: kindOf(url), answer });
    return answer;
  }

  /** Everything that was ever answered to requests of a kind. */
  async answersOf(kind: string): Promise<ProxiedAnswer[]> {
    return Promise.all([...this.#answers.values()].filter((one) => one.kind === kind).map(({ answer }) => answer));
  }

  async #fetch(path: string, init: RequestInit): Promise<ProxiedAnswer> {
    const response = await fetch(new URL(path, this.#url), { ...init, signal: null });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: new Uint8Array(await response.arrayBuffer()),
    };
  }
}

/** What a request asks for, whatever it asks of. */
export function kindOf(url: string): string {
  return new URL(url).pathname.replaceAll(/sha256:?\/?[0-9a-f]{64}/g, '*').replaceAll(/[0-9a-f]{64}/g, '*');
}

/** No registry answers with more requests than an honest one, by far. */
const REQUESTS_MAX = 300;

/** A {@link Fetch} that answers as `answer` says, and ends a client that asks for ever. */
export function fetchFrom(answer: (url: string, init: RequestInit) => Promise<ProxiedAnswer>): Fetch {
  let requests = 0;
  return async (url, init) => {
    requests++;
    if (requests > REQUESTS_MAX) throw new RangeError('the client asks for ever');
    const { status, contentType, body } = await answer(url, init);
    const isEmpty = status === 204 || status === 304;
    return new Response(isEmpty ? null : body.slice(), { status, headers: { 'content-type': contentType } });
  };
}
