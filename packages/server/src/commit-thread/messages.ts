import type { RecordId } from '@waybill/protocol';
import type { Batch, Committed } from '../core/committing.ts';
import type { Holding, PendingRecord, PruneCursor, RecordRange, StoredHead, TokenUse } from '../core/ports.ts';
import type { ThreadFailure } from '../thread-failure.ts';

/* What passes between the main thread and the one that writes. Plain data: a class would lose its methods on the way. */

/** What the writing thread is started with; the keys are there already. */
export interface WriterPlaces {
  readonly storeFile: string;
  readonly dataDirectory: string;
  readonly lastSignedFile: string;
}

export type WriteCommand =
  | { readonly type: 'open' }
  | { readonly type: 'commit'; readonly batch: Batch }
  | { readonly type: 'pending'; readonly puts: readonly PendingRecord[]; readonly deletes: readonly RecordId[] }
  | { readonly type: 'use-tokens'; readonly uses: readonly TokenUse[] }
  | { readonly type: 'prune'; readonly floor: number; readonly after: PruneCursor | null; readonly pages: number }
  | { readonly type: 'fill-holdings'; readonly range: RecordRange; readonly holdings: readonly Holding[] }
  | { readonly type: 'close' };

export interface WriteRequest {
  readonly id: number;
  readonly command: WriteCommand;
}

/** Answers come in the order of the commands. */
export type WriteAnswer =
  | { readonly type: 'opened'; readonly head: StoredHead | null }
  | { readonly type: 'committed'; readonly committed: Committed }
  | { readonly type: 'pruned'; readonly cursor: PruneCursor | null }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly failure: ThreadFailure };

export interface WriteReply {
  readonly id: number;
  readonly answer: WriteAnswer;
}
