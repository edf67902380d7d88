import http from 'node:http';
import https from 'node:https';
import type { IncomingBody } from '../transport.ts';

/** The sender goes on while what has come is written; with less room it stands still as often as a block is full. */
const READ_AHEAD = { highWaterMark: 1024 * 1024 };

/**
 * A `BodySource` of Node.js. Its `fetch` hands every chunk through a stream of the web, which takes as long as to hash and to
 * write it does. Redirects, encodings and whatever fails are left to `fetch`.
 */
export function openHttpBody(url: URL, startMsMax: number): Promise<IncomingBody | null> {
  // A name and a password in an address are for nobody that a registry names; `fetch` says so.
  if (url.username !== '' || url.password !== '') return Promise.resolve(null);
  const { get } = url.protocol === 'https:' ? https : http;
  return new Promise((resolve) => {
    const request = get(url, { headers: { 'accept-encoding': 'identity' }, ...READ_AHEAD });
    const timer = setTimeout(() => request.destroy(), startMsMax);
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
    request.on('close', () => resolve(null));
  });
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
