import type { OciDigest, RepositoryName, TagName } from '@waybill/protocol/oci';
import type { BlobLink, OciChange } from '../../core/oci-ports.ts';
import type { ThreadFailure } from '../../thread-failure.ts';

/* What passes between the main thread and the one that writes. Plain data: a class would lose its methods on the way. */

/** One change of the store: all of it or nothing. Whatever takes something away is durable, but for bytes that nothing names. */
export type OciCommand =
  | { readonly type: 'write'; readonly change: OciChange; readonly durable: boolean }
  | { readonly type: 'delete-manifest'; readonly repository: RepositoryName; readonly digest: OciDigest }
  | { readonly type: 'delete-tag'; readonly repository: RepositoryName; readonly tag: TagName }
  | { readonly type: 'delete-link'; readonly repository: RepositoryName; readonly digest: OciDigest }
  | { readonly type: 'delete-loose-links'; readonly links: readonly BlobLink[] }
  | { readonly type: 'put-blob'; readonly digest: OciDigest; readonly bytes: Uint8Array; readonly keptAtMs: number }
  | { readonly type: 'delete-blob'; readonly digest: OciDigest };

export interface OciRequest {
  readonly id: number;
  readonly command: OciCommand | { readonly type: 'open' } | { readonly type: 'close' };
}

export type OciAnswer =
  /** `hit`: something was there to be deleted. */
  | { readonly type: 'done'; readonly hit: boolean; readonly deleted: readonly BlobLink[] }
  | { readonly type: 'failed'; readonly failure: ThreadFailure };

export interface OciReply {
  readonly id: number;
  readonly answer: OciAnswer;
}

/** What a worker was started with. */
export function parseOciFile(data: unknown): string {
  if (typeof data === 'string') return data;
  throw new TypeError('the thread that writes was started without its file');
}
