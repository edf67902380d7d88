import { equalBytes } from '../bytes/byte-array.ts';

/**
 * Parsed keys held at once, some 2 KB each. As many as may publish at one time: parsing a key costs as much as a verification,
 * and one that is dropped costs again when the garbage collector stops to free it.
 */
const KEYS_MAX = 8_192;

/**
 * Parsed public keys by their points, so that a log of ten thousand records by one signer parses its key once; those not used
 * for longest go first. Looked up by 32 bits of x and held only for the very same point: two points that agree there merely
 * displace each other.
 */
export class KeyCache<K> {
  readonly #parse: (point: Uint8Array) => K;
  /** The one used last is at the end. */
  readonly #known = new Map<number, { readonly point: Uint8Array; readonly key: K }>();

  /** `parse` may throw; nothing is kept then. */
  constructor(parse: (point: Uint8Array) => K) {
    this.#parse = parse;
  }

  /** The parsed key of a 65-byte uncompressed point. */
  get(point: Uint8Array): K {
    const slot = slotOf(point);
    const known = this.#known.get(slot);
    const isSame = known !== undefined && equalBytes(known.point, point);
    const entry = isSame ? known : { point: point.slice(), key: this.#parse(point) };
    this.#known.delete(slot);
    this.#known.set(slot, entry);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KEYS_MAX && oldest !== undefined) this.#known.delete(oldest);
    return entry.key;
  }
}

function slotOf(point: Uint8Array): number {
  let slot = 0;
  for (let i = 1; i <= 4; i++) slot = (slot << 8) | (point[i] ?? 0);
  return slot;
}
