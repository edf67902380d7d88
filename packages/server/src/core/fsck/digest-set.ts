import { digestBytes, HASH_BYTES, type Digest } from '@waybill/protocol';

const SLOTS_AT_FIRST = 1_024;
/** Slots are doubled when more than half of them are taken. */
const SLOTS_PER_DIGEST = 2;

/** Digests, 64 to 128 bytes of memory each: a Set of their texts would take three times as much. */
export class DigestSet {
  #slots = new Uint8Array(SLOTS_AT_FIRST * HASH_BYTES);
  #taken = new Uint8Array(SLOTS_AT_FIRST);
  #size = 0;

  /** False when it was there already. */
  add(digest: Digest): boolean {
    if ((this.#size + 1) * SLOTS_PER_DIGEST > this.#taken.length) this.#grow();
    if (!this.#put(digestBytes(digest))) return false;
    this.#size++;
    return true;
  }

  has(digest: Digest): boolean {
    const bytes = digestBytes(digest);
    return this.#taken[this.#slotOf(bytes)] === 1;
  }

  #put(bytes: Uint8Array): boolean {
    const slot = this.#slotOf(bytes);
    if (this.#taken[slot] === 1) return false;
    this.#slots.set(bytes, slot * HASH_BYTES);
    this.#taken[slot] = 1;
    return true;
  }

  /** Where it is, or the free slot where it would be. A digest is as good as random, so its first bytes are its hash. */
  #slotOf(bytes: Uint8Array): number {
    const first = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    for (let slot = first % this.#taken.length; ; slot = (slot + 1) % this.#taken.length) {
      if (this.#taken[slot] === 0 || this.#isAt(slot, bytes)) return slot;
    }
  }

  #isAt(slot: number, bytes: Uint8Array): boolean {
    for (let i = 0; i < HASH_BYTES; i++) if (this.#slots[slot * HASH_BYTES + i] !== bytes[i]) return false;
    return true;
  }

  #grow(): void {
    const [slots, taken] = [this.#slots, this.#taken];
    this.#slots = new Uint8Array(slots.length * 2);
    this.#taken = new Uint8Array(taken.length * 2);
    for (const [slot, isTaken] of taken.entries()) {
      if (isTaken === 1) this.#put(slots.subarray(slot * HASH_BYTES, (slot + 1) * HASH_BYTES));
    }
  }
}
