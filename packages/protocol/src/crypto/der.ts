const INTEGER = 0x02;
const SEQUENCE = 0x30;
const SCALAR_BYTES = 32;
/** SEQUENCE of two INTEGERs of at most 33 bytes each: always a short-form length. */
const DER_BYTES_MAX = 2 + 2 * (2 + SCALAR_BYTES + 1);

/**
 * Reads strict DER `SEQUENCE { INTEGER r, INTEGER s }` into 64 bytes r || s; `null` for anything a strict reader refuses:
 * long-form lengths, negative or padded integers, trailing bytes (spec/encodings.md, "signature"). Range is checked by
 * the caller.
 */
export function signatureFromDerOrNull(der: Uint8Array): Uint8Array | null {
  if (der.length > DER_BYTES_MAX || der[0] !== SEQUENCE || der[1] !== der.length - 2) return null;
  const r = readInteger(der, 2);
  if (r === null) return null;
  const s = readInteger(der, r.end);
  if (s === null || s.end !== der.length) return null;
  const signature = new Uint8Array(2 * SCALAR_BYTES);
  signature.set(r.magnitude, SCALAR_BYTES - r.magnitude.length);
  signature.set(s.magnitude, 2 * SCALAR_BYTES - s.magnitude.length);
  return signature;
}

function readInteger(der: Uint8Array, start: number): { magnitude: Uint8Array; end: number } | null {
  const length = der[start + 1];
  if (der[start] !== INTEGER || length === undefined || length === 0 || length > SCALAR_BYTES + 1) return null;
  const content = der.subarray(start + 2, start + 2 + length);
  if (content.length !== length) return null;
  const [first = 0, second = 0] = content;
  if (first >= 0x80) return null;
  const padded = first === 0 && length > 1;
  if (padded && second < 0x80) return null;
  const magnitude = padded ? content.subarray(1) : content;
  return magnitude.length > SCALAR_BYTES ? null : { magnitude, end: start + 2 + length };
}

/** As {@link signatureFromDerOrNull} for DER that our own platform made. */
export function signatureFromDer(der: Uint8Array): Uint8Array {
  const signature = signatureFromDerOrNull(der);
  if (signature === null) throw new TypeError('the platform made a signature that is not strict DER');
  return signature;
}

/** Strict DER of 64 bytes r || s. */
export function derFromSignature(signature: Uint8Array): Uint8Array {
  const r = integerLength(signature, 0);
  const s = integerLength(signature, SCALAR_BYTES);
  const der = new Uint8Array(6 + r + s);
  der[0] = SEQUENCE;
  der[1] = 4 + r + s;
  writeInteger(der, 2, r, signature.subarray(0, SCALAR_BYTES));
  writeInteger(der, 4 + r, s, signature.subarray(SCALAR_BYTES));
  return der;
}

/** Bytes of the scalar at `start` as a minimal DER integer: without leading zeros, but with one before a high bit. */
function integerLength(signature: Uint8Array, start: number): number {
  let zeros = 0;
  while (zeros < SCALAR_BYTES - 1 && signature[start + zeros] === 0) zeros++;
  const isHigh = (signature[start + zeros] ?? 0) >= 0x80;
  return SCALAR_BYTES - zeros + Number(isHigh);
}

function writeInteger(der: Uint8Array, start: number, length: number, scalar: Uint8Array): void {
  der[start] = INTEGER;
  der[start + 1] = length;
  const content = Math.min(length, SCALAR_BYTES);
  der.set(scalar.subarray(SCALAR_BYTES - content), start + 2 + length - content);
}
