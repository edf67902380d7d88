import { concatBytes } from '../bytes/byte-array.ts';

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
  const body = concatBytes(
    derInteger(signature.subarray(0, SCALAR_BYTES)),
    derInteger(signature.subarray(SCALAR_BYTES)),
  );
  return concatBytes(Uint8Array.of(SEQUENCE, body.length), body);
}

function derInteger(scalar: Uint8Array): Uint8Array {
  let start = 0;
  while (start < scalar.length - 1 && scalar[start] === 0) start++;
  const magnitude = scalar.subarray(start);
  const sign = (magnitude[0] ?? 0) >= 0x80 ? [0] : [];
  return concatBytes(Uint8Array.of(INTEGER, sign.length + magnitude.length, ...sign), magnitude);
}
