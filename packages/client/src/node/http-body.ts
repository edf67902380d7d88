import http from 'node:http';
import https from 'node:https';
import type { IncomingBody } from '../transport.ts';

/** As long as `fetch` waits: the next source may answer. */
const CONNECT_MS_MAX = 10_000;

const FIRST_FREE_PORT = 1024;
/** Those above it that `fetch` does not ask (fetch.spec.whatwg.org, port blocking). */
const PORTS_FOR_FETCH = new Set([1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6679, 6697, 10080]);
for (let port = 6665; port <= 6669; port++) PORTS_FOR_FETCH.add(port);

const PROXY_SETTINGS = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'NODE_USE_ENV_PROXY'];

/** The sender goes on while what has come is written; with less room it stands still as often as a block is full. */
const READ_AHEAD = { highWaterMark: 1024 * 1024 };

/**
 * A `BodySource` of Node.js. Its `fetch` hands every chunk through a stream of the web, which takes as long as to hash and to
 * write it does. Redirects, encodings and whatever fails are left to `fetch`.
 */
export function openHttpBody(url: URL, startMsMax: number): Promise<IncomingBody | null> {
  if (isForFetch(url)) return Promise.resolve(null);
  const { get } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve) => {
    const request = get(url, { headers: { 'accept-encoding': 'identity' }, ...READ_AHEAD });
    const timer = setTimeout(() => request.destroy(), startMsMax);
    const connecting = setTimeout(() => request.destroy(), Math.min(CONNECT_MS_MAX, startMsMax));
    request.on('socket', (socket) => {
      if (!socket.connecting) clearTimeout(connecting);
      else socket.once('connect', () => clearTimeout(connecting));
    });
    request.on('response', (response) => {
      clearTimeout(timer);
      if (response.statusCode === 200 && response.headers['content-encoding'] === undefined) resolve(bodyOf(response));
      else {
        response.destroy();
        resolve(null);
      }
    });
    // Once the body has begun, what breaks it off is told by the body.
    request.on('error', () => {
      clearTimeout(timer);
      resolve(null);
    });
    request.on('close', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}

/**
 * A name and a password in an address are for nobody that a registry names, and ports of other protocols are none of its
 * either: `fetch` refuses both. Where a proxy is set, `fetch` may know how to go by it.
 */
function isForFetch({ username, password, port }: URL): boolean {
  if (username !== '' || password !== '' || PORTS_FOR_FETCH.has(Number(port))) return true;
  if (port !== '' && Number(port) < FIRST_FREE_PORT) return true;
  return PROXY_SETTINGS.some((name) => (process.env[name] ?? '') !== '');
}

function bodyOf(response: http.IncomingMessage): IncomingBody {
  // Told by the next read; without a listener it would end the process when it comes before the first.
  response.on('error', () => undefined);
  const chunks: AsyncIterator<Uint8Array, unknown> = response[Symbol.asyncIterator]();
  return {
    async read() {
      const next = await chunks.next();
      return next.done === true ? null : next.value;
    },
    cancel: () => void response.destroy(),
  };
}
