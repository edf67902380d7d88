import type { Digest } from '@waybill/protocol';
import type { ContentReading } from '../core/content-reading.ts';

/** Content never changes under its digest, so anybody may keep it for ever. */
const CACHE_CONTROL = 'public, max-age=31536000, immutable';

/** Serves content with HEAD, one byte range and conditional requests. A range that does not fit is answered 416. */
export async function contentResponse(
  content: ContentReading,
  digest: Digest,
  { request, mediaType }: { readonly request: Request; readonly mediaType: string },
): Promise<Response> {
  const size = await content.size(digest);
  const etag = `"${digest}"`;
  const common = {
    'content-type': mediaType,
    'accept-ranges': 'bytes',
    'cache-control': CACHE_CONTROL,
    etag,
    'last-modified': new Date(await content.keptAtMs(digest)).toUTCString(),
    'x-content-type-options': 'nosniff',
  };
  if (request.headers.get('if-none-match') === etag) return new Response(null, { status: 304, headers: common });
  const range = requestedRange(request.headers.get('range'), size);
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

/** RFC 9110 section 14: one range is honoured; several, or a malformed one, are ignored. */
function requestedRange(
  header: string | null,
  size: number,
): { readonly start: number; readonly end: number } | 'unsatisfiable' | null {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return null;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return null;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}
