import { concatBytes } from '../bytes/byte-array.ts';

/** Strict DER of r || s of any curve, for a platform that verifies DER faster; `der.ts` has the form that is on the wire. */
export function ecdsaDer(signature: Uint8Array): Uint8Array {
  const half = signature.length / 2;
  const integers = concatBytes(derInteger(signature.subarray(0, half)), derInteger(signature.subarray(half)));
  const length = integers.length < 0x80 ? [integers.length] : [0x81, integers.length];
  return concatBytes(Uint8Array.of(0x30, ...length), integers);
}

function derInteger(scalar: Uint8Array): Uint8Array {
  const first = scalar.findIndex((byte) => byte !== 0);
  const magnitude = scalar.subarray(first === -1 ? scalar.length - 1 : first);
  const sign = (magnitude[0] ?? 0) >= 0x80 ? [0] : [];
  return concatBytes(Uint8Array.of(0x02, magnitude.length + sign.length, ...sign), magnitude);
}
