import type { RecordId } from '@waybill/protocol';
import { REJECTED_BYTES_MAX, REJECTION_KEPT_MS, REJECTIONS_KEPT_MAX } from './limits.ts';

/** Rejections that can still be asked for, oldest first: a sweep must not read all of them. */
export class Rejections {
  readonly #byRecord = new Map<RecordId, { readonly atMs: number; readonly bytes: number }>();
  #bytes = 0;

  /** `bytes`: of the record's contents. One that is there already is as of now. */
  add(recordId: RecordId, atMs: number, bytes: number): void {
    this.#remove(recordId);
    this.#byRecord.set(recordId, { atMs, bytes });
    this.#bytes += bytes;
  }

  /** Takes out those that nobody may ask for any more: they are too old, or too many. */
  *takeDue(nowMs: number): Generator<RecordId, void, undefined> {
    for (const [recordId, { atMs }] of this.#byRecord) {
      const isRoom = this.#byRecord.size <= REJECTIONS_KEPT_MAX && this.#bytes <= REJECTED_BYTES_MAX;
      if (isRoom && nowMs - atMs <= REJECTION_KEPT_MS) return;
      this.#remove(recordId);
      yield recordId;
    }
  }

  #remove(recordId: RecordId): void {
    this.#bytes -= this.#byRecord.get(recordId)?.bytes ?? 0;
    this.#byRecord.delete(recordId);
  }
}
