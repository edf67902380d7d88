import { equalBytes } from '../bytes/byte-array.ts';

/** Parsed keys held at once. A log has few signers; a registry's clients meet many, one after another. */
const KEYS_MAX = 1_000;

/**
 * Parsed public keys by their points, so that a log of ten thousand records by one signer parses its key once. Looked up by
 * 32 bits of x and held only for the very same point: two points that agree there merely displace each other.
 */
export class KeyCache<K> {
  readonly #parse: (point: Uint8Array) => K;
  readonly #known = new Map<number, { readonly point: Uint8Array; readonly key: K }>();

  /** `parse` may throw; nothing is kept then. */
  constructor(parse: (point: Uint8Array) => K) {
    this.#parse = parse;
  }

  /** The parsed key of a 65-byte uncompressed point. */
  get(point: Uint8Array): K {
    const slot = slotOf(point);
    const known = this.#known.get(slot);
    if (known !== undefined && equalBytes(known.point, point)) return known.key;
    const key = this.#parse(point);
    if (this.#known.size >= KEYS_MAX) this.#known.clear();
    this.#known.set(slot, { point: point.slice(), key });
    return key;
  }
}

function slotOf(point: Uint8Array): number {
  let slot = 0;
  for (let i = 1; i <= 4; i++) slot = (slot << 8) | (point[i] ?? 0);
  return slot;
}
