import type { ByteRange } from '../core/ports.ts';

/** What a `Range` header asks for: nothing that counts, one range, one that lies outside, or one that ends before it starts. */
export type RequestedRange = ByteRange | 'unsatisfiable' | 'backwards' | null;

/** RFC 9110 section 14: one range is honoured; several, or a malformed one, are ignored. */
export function requestedRange(header: string | null | undefined, size: number): RequestedRange {
  const match = /^bytes=([0-9]{0,15})-([0-9]{0,15})$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (match === null || (first === '' && last === '')) return null;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return 'backwards';
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** RFC 9110 13.1.2: true when `If-None-Match` names what the client would get. */
export function namesEtag(header: string | null | undefined, etag: string): boolean {
  if (header === null || header === undefined) return false;
  return header.split(',').some((part) => part.trim().replace(/^W\//, '') === etag || part.trim() === '*');
}
