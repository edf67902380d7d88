import type { Answer, Sent } from '../running-registry.ts';

/** A server that may die while it is asked: then `get` and `post` reject with a TypeError, as `fetch` does. */
export class RegistryAddress {
  readonly url: URL;

  constructor(url: URL) {
    this.url = url;
  }

  get(target: string): Promise<Answer> {
    return this.#send('GET', target, {});
  }

  post(target: string, sent: Sent): Promise<Answer> {
    return this.#send('POST', target, sent);
  }

  async #send(method: string, target: string, { json, body, headers = {} }: Sent): Promise<Answer> {
    const jsonHeaders: Record<string, string> = json === undefined ? {} : { 'content-type': 'application/json' };
    const content = json === undefined ? body : JSON.stringify(json);
    const response = await fetch(new URL(target, this.url), {
      method,
      headers: { ...jsonHeaders, ...headers },
      body: content === undefined ? null : typeof content === 'string' ? content : new Uint8Array(content),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    return { status: response.status, headers: response.headers, bytes };
  }
}
