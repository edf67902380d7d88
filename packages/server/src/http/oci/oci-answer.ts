import type { JsonValue } from '@waybill/protocol';

/** A header of several lines has several texts. */
export type OciHeaders = Readonly<Record<string, string | string[]>>;

/** An answer before it is sent. */
export interface OciAnswer {
  readonly status: number;
  readonly headers: OciHeaders;
  /** `null` for none, also where HEAD asks for the length of one. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
  /** For `Content-Length`; `null` where the status allows none. */
  readonly length: number | null;
}

/** What has a digest never changes under it; what a name leads to may have changed by the next request. */
export const CACHE = {
  forEver: 'public, max-age=31536000, immutable',
  revalidated: 'no-cache',
  never: 'no-store',
  /** What not everybody may read. */
  private: 'private, no-store',
} as const;

/** Bytes of all `Warning` headers of one answer. */
const WARNING_BYTES_MAX = 4_096;

export function emptyAnswer(status: number, headers: OciHeaders): OciAnswer {
  const hasLength = status !== 204 && status !== 304;
  return { status, headers: { 'cache-control': CACHE.never, ...headers }, body: null, length: hasLength ? 0 : null };
}

/** Exactly this content type: clients compare the whole text. */
export function bytesAnswer(status: number, body: Uint8Array, headers: OciHeaders): OciAnswer {
  return { status, headers, body, length: body.length };
}

export function jsonAnswer(status: number, body: JsonValue, headers: OciHeaders = {}): OciAnswer {
  return bytesAnswer(status, Buffer.from(JSON.stringify(body)), { 'content-type': 'application/json', ...headers });
}

/** `299 - "text"` as RFC 7234 5.5 quotes it: what could end the text or the header is replaced or escaped. */
export function warningHeader(text: string | null): OciHeaders {
  if (text === null) return {};
  const escaped = text.replaceAll(/[^\x20-\x7e]/g, '?').replaceAll(/["\\]/g, String.raw`\$&`);
  const head = '299 - "';
  const cut = escaped.slice(0, WARNING_BYTES_MAX - head.length - 1);
  // Half of an escape would take the quote that ends the text along.
  const slashes = /\\*$/.exec(cut)?.[0].length ?? 0;
  return { warning: `${head}${slashes % 2 === 1 ? cut.slice(0, -1) : cut}"` };
}
