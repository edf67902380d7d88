import { createServer } from 'node:http';
import type { Fetch } from '@waybill/client';
import { bodyOf, listenLocally, type LocalServer } from '../local-server.ts';

/** Asks a registry whatever is asked of another address. */
export function asking(registry: URL): Fetch {
  return (url, init) => fetch(new URL(new URL(url).pathname, registry), init);
}

/** Lets commands ask through a {@link Fetch}. */
export async function openFront(answer: Fetch): Promise<LocalServer> {
  const server = createServer((request, response) => {
    void (async () => {
      const sent = await bodyOf(request);
      const headers = Object.entries(request.headers).flatMap(([name, value]) =>
        typeof value === 'string' && !['host', 'connection', 'content-length'].includes(name) ? [[name, value]] : [],
      );
      const isJson = request.headers['content-type'] === 'application/json';
      const body = sent.length === 0 ? null : isJson ? sent.toString() : new Uint8Array(sent);
      const init = { method: request.method ?? 'GET', headers: Object.fromEntries(headers), body };
      const answered = await answer(new URL(request.url ?? '/', 'http://127.0.0.1/').href, init);
      const contentType = answered.headers.get('content-type') ?? '';
      response.writeHead(answered.status, { 'content-type': contentType });
      response.end(new Uint8Array(await answered.arrayBuffer()));
    })().catch((failure: unknown) => response.destroy(failure instanceof Error ? failure : undefined));
  });
  return listenLocally(server);
}
