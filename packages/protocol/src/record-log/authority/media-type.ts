import { RegistryError } from '../../errors.ts';

/** spec/version1.md 2.7. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9.+-]*\/[a-z0-9][a-z0-9.+-]*$/;
const MEDIA_TYPE_LENGTH_MAX = 127;

/** What a release says of its content, besides its digest. */
export interface ContentClaim {
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
}

export function isMediaType(text: string): boolean {
  return text.length <= MEDIA_TYPE_LENGTH_MAX && MEDIA_TYPE.test(text);
}

/** Both or neither: `null` for neither. Throws `wire/shape`. */
export function readClaim(mediaType: string, size: bigint): ContentClaim | null {
  if (mediaType === '' && size === 0n) return null;
  if (!isMediaType(mediaType))
    throw new RegistryError('wire/shape', 'a release names no media type, or none that is one');
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) throw new RegistryError('wire/shape', 'a size over 2^53 - 1');
  return { mediaType, size: Number(size) };
}
