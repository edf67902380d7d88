import {
  RegistryError,
  type Digest,
  type LogId,
  type PackageEntry,
  type PackageName,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import { PENDING_BYTES_MAX, PENDING_RECORDS_MAX } from './limits.ts';
import type { TreeFiles } from './tree-files.ts';

/** A record on its way: nobody else may append to its package until it is published, rejected or idle for too long. */
export interface Reservation {
  readonly name: PackageName;
  readonly logId: LogId;
  readonly record: SignedRecord<PackageEntry>;
  readonly missing: Set<Digest>;
  /** What its trees name, as far as their indexes are here. */
  readonly trees: TreeFiles;
  /** What is in memory for it beside the record: it counts as the record's own bytes do. */
  heldBytes: number;
  lastProgressMs: number;
  /** The writing of its row, done or under way: it was accepted, so it must survive what fails. `null` when it has none. */
  durable: Promise<void> | null;
  /** The last write of its row, settled either way; they go one after another. */
  row: Promise<void>;
  /** Looks for what is missing; whoever posts the same bytes meanwhile waits for it, and shares its failure. */
  sourcing: Promise<void>;
  /** The sequencing under way, settled either way; `null` while content is missing. */
  sequencing: Promise<void> | null;
  /** Its place once it is published. */
  registryIndex: number | null;
}

/** The records on their way, one for each package. */
export class Reservations {
  readonly #byLog = new Map<LogId, Reservation>();
  readonly #recordIds = new Set<RecordId>();
  #bytes = 0;

  /** True when no more records may be on their way, for their number or their bytes. */
  get full(): boolean {
    return this.#byLog.size >= PENDING_RECORDS_MAX || this.#bytes >= PENDING_BYTES_MAX;
  }

  get(logId: LogId): Reservation | undefined {
    return this.#byLog.get(logId);
  }

  hasRecord(recordId: RecordId): boolean {
    return this.#recordIds.has(recordId);
  }

  /** Its package must be free, and its record not under way in another one. */
  add(reservation: Reservation): void {
    this.#byLog.set(reservation.logId, reservation);
    this.#recordIds.add(reservation.record.id);
    this.#bytes += bytesOf(reservation);
  }

  /** True while it is the one of its package. */
  has(reservation: Reservation): boolean {
    return this.#byLog.get(reservation.logId) === reservation;
  }

  /** No error for one that has gone already. */
  remove(reservation: Reservation): void {
    if (!this.has(reservation)) return;
    this.#byLog.delete(reservation.logId);
    this.#recordIds.delete(reservation.record.id);
    this.#bytes -= bytesOf(reservation);
  }

  /**
   * Counts bytes that a record on its way has in memory beside its own; gives the way to let them go, which its end does, too.
   * Throws `request/too-many` where there is no room.
   */
  hold(reservation: Reservation, bytes: number): () => void {
    if (bytes > 0 && this.#bytes + bytes > PENDING_BYTES_MAX) {
      throw new RegistryError('request/too-many', 'too much content is being looked at: try again');
    }
    if (!this.has(reservation)) return () => undefined;
    reservation.heldBytes += bytes;
    this.#bytes += bytes;
    return () => {
      if (!this.has(reservation)) return;
      reservation.heldBytes -= bytes;
      this.#bytes -= bytes;
    };
  }

  values(): Iterable<Reservation> {
    return this.#byLog.values();
  }
}

function bytesOf({ record, heldBytes }: Reservation): number {
  return record.envelope.contents.length + heldBytes;
}
