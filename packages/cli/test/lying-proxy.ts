import { createServer } from 'node:http';
import { wargApi } from '@waybill/protocol';
import { bodyOf, listenLocally, type LocalServer } from './local-server.ts';

/** What came back from the real registry, to be passed on changed or as it is. */
export interface PassedAnswer {
  readonly method: string;
  readonly path: string;
  readonly request: Buffer;
  readonly status: number;
  readonly contentType: string;
  readonly body: Buffer;
}

/** Gives the body to pass on. It may also ask the real registry something else. */
export type Lie = (
  answer: PassedAnswer,
  ask: (method: string, path: string, body?: Buffer) => Promise<PassedAnswer>,
) => Buffer | Promise<Buffer>;

export interface LyingProxy extends LocalServer {
  /** How often the lie changed an answer. */
  readonly lies: () => number;
}

/** Stands between a client and a registry and holds no key: it can change, swap and withhold what passes, and nothing else. */
export async function openLyingProxy(
  target: URL,
  lie: Lie,
  headers: Readonly<Record<string, string>> = {},
): Promise<LyingProxy> {
  let lies = 0;
  const ask = (method: string, path: string, body?: Buffer): Promise<PassedAnswer> =>
    passOn(target, method, path, body);
  const server = createServer((request, response) => {
    void (async () => {
      const sent = await bodyOf(request);
      const answer = await ask(request.method ?? 'GET', request.url ?? '/', sent.length > 0 ? sent : undefined);
      const told = await lie(answer, ask);
      if (!told.equals(answer.body)) lies++;
      // Content addresses name the registry itself; a proxy on the path sees those requests too.
      const here = `http://${request.headers.host}/`;
      const body = told.includes(target.href) ? Buffer.from(told.toString().replaceAll(target.href, here)) : told;
      response.writeHead(answer.status, { ...headers, 'content-type': answer.contentType }).end(body);
    })().catch((failure: unknown) => response.destroy(failure instanceof Error ? failure : undefined));
  });
  return { ...(await listenLocally(server)), lies: () => lies };
}

async function passOn(target: URL, method: string, path: string, body: Buffer | undefined): Promise<PassedAnswer> {
  const headers: Record<string, string> = { [wargApi.RECORD_VERSIONS_HEADER]: '0,1' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init = { method, headers, body: body === undefined ? null : new Uint8Array(body) };
  const response = await fetch(new URL(path, target), init);
  return {
    method,
    path,
    request: body ?? Buffer.alloc(0),
    status: response.status,
    contentType: response.headers.get('content-type') ?? '',
    body: Buffer.from(await response.arrayBuffer()),
  };
}
