import type { IncomingMessage } from 'node:http';
import { concatBytes, RegistryError } from '@waybill/protocol';

/** Bytes of one JSON body (spec/http.md). */
export const JSON_BODY_BYTES_MAX = 2 * 1024 * 1024;

/** Reads a JSON body of a request. Throws `request/media-type` (415), `wire/too-large` (413). */
export async function readJsonBody(request: Request): Promise<Uint8Array> {
  const [mediaType = ''] = (request.headers.get('content-type') ?? '').split(';');
  if (mediaType.trim().toLowerCase() !== 'application/json') {
    throw new RegistryError('request/media-type', 'Expected request with `Content-Type: application/json`');
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(request.body)) {
    length += chunk.length;
    if (length > JSON_BODY_BYTES_MAX)
      throw new RegistryError('wire/too-large', `the body is over ${JSON_BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return concatBytes(...chunks);
}

/**
 * An upload's bytes: Node's own stream where there is one (reading it through the web stream costs a third more), else the
 * web body. A body that breaks off throws `request/invalid`.
 */
export async function* uploadBody(request: Request, incoming: IncomingMessage | undefined): AsyncIterable<Uint8Array> {
  try {
    yield* chunksOf(incoming ?? request.body);
  } catch (cause) {
    throw new RegistryError('request/invalid', 'the upload broke off', {}, { cause });
  }
}

async function* chunksOf(body: AsyncIterable<unknown> | null): AsyncIterable<Uint8Array> {
  for await (const chunk of body ?? []) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a body is bytes');
    yield chunk;
  }
}
