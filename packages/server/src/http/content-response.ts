import type { Digest } from '@waybill/protocol';
import type { ContentShown } from '../core/content-spaces.ts';
import type { ContentReading } from '../core/content-reading.ts';
import { namesEtag, requestedRange } from './byte-range.ts';

/** Content never changes under its digest, so anybody may keep it for ever; and nobody what is not for all. */
export const CONTENT_CACHE = {
  'to all': { 'cache-control': 'public, max-age=31536000, immutable' },
  'to some': { 'cache-control': 'private, no-store', vary: 'authorization' },
} as const satisfies Readonly<Record<Exclude<ContentShown, 'no'>, Readonly<Record<string, string>>>>;

/** Serves content with HEAD, one byte range and conditional requests. A range that does not fit is answered 416. */
export async function contentResponse(
  content: ContentReading,
  digest: Digest,
  {
    request,
    mediaType,
    shown,
  }: { readonly request: Request; readonly mediaType: string; readonly shown: Exclude<ContentShown, 'no'> },
): Promise<Response> {
  const size = await content.size(digest);
  const etag = `"${digest}"`;
  const common = {
    'content-type': mediaType,
    'accept-ranges': 'bytes',
    ...CONTENT_CACHE[shown],
    etag,
    'last-modified': new Date(await content.keptAtMs(digest)).toUTCString(),
    'x-content-type-options': 'nosniff',
  };
  if (namesEtag(request.headers.get('if-none-match'), etag))
    return new Response(null, { status: 304, headers: common });
  const asked = requestedRange(request.headers.get('range'), size);
  const range = asked === 'backwards' ? null : asked;
  if (range === 'unsatisfiable') {
    return new Response(null, { status: 416, headers: { ...common, 'content-range': `bytes */${size}` } });
  }
  const { start, end } = range ?? { start: 0, end: size };
  const headers: Record<string, string> = { ...common, 'content-length': String(end - start) };
  if (range !== null) headers['content-range'] = `bytes ${start}-${end - 1}/${size}`;
  const body = request.method === 'HEAD' ? null : streamOf(content.read(digest, { start, end }));
  return new Response(body, { status: range === null ? 200 : 206, headers });
}

/** As a body; what it comes from is told when nobody reads on. */
export function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
