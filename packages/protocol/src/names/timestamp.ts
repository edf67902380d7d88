import { RegistryError } from '../errors.ts';

const NANOS_PER_SECOND = 1_000_000_000;
const NANOS_PER_MILLISECOND = 1_000_000;

/** An instant: whole Unix seconds (may be negative) and 0..999,999,999 nanoseconds after them. */
export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Below, equal or above zero as `a` is before, at or after `b`; full nanosecond precision. */
export function compareTimestamps(a: Timestamp, b: Timestamp): number {
  if (a.seconds !== b.seconds) return a.seconds < b.seconds ? -1 : 1;
  return Math.sign(a.nanos - b.nanos);
}

/** From milliseconds since the epoch and nanoseconds below the millisecond (0..999,999). */
export function timestampFromMs(unixMs: number, nanosBelowMs = 0): Timestamp {
  const seconds = Math.floor(unixMs / 1000);
  return {
    seconds: BigInt(seconds),
    nanos: Math.round((unixMs - seconds * 1000) * NANOS_PER_MILLISECOND) + nanosBelowMs,
  };
}

/** Whole milliseconds since the epoch; what is below is dropped. */
export function timestampToMs(time: Timestamp): number {
  return Number(time.seconds) * 1000 + Math.floor(time.nanos / NANOS_PER_MILLISECOND);
}

/** ISO 8601 in UTC with as many decimals as the instant has; years a Date cannot hold are given as Unix seconds. */
export function formatTimestamp(time: Timestamp): string {
  const date = new Date(Number(time.seconds) * 1000);
  const fraction = String(time.nanos).padStart(9, '0').replace(/0+$/, '');
  const decimals = fraction === '' ? '' : `.${fraction}`;
  if (Number.isNaN(date.getTime())) return `${time.seconds}${decimals}s`;
  return date.toISOString().replace('.000Z', `${decimals}Z`);
}

const SECONDS_MIN = -(2n ** 63n);
const SECONDS_MAX = 2n ** 63n - 1n;

/**
 * The instant of a protobuf Timestamp: `nanos` outside 0..999,999,999 (any int32) are carried into `seconds` (any int64).
 * As in Rust, the far future stays at its limit and the far past (below -2^63 + 1 s) throws `wire/shape`.
 */
export function timestampFromProto(seconds: bigint, nanos: number): Timestamp {
  const carry = Math.floor(nanos / NANOS_PER_SECOND);
  const carried = seconds + BigInt(carry);
  if (carried > SECONDS_MAX) return { seconds: SECONDS_MAX, nanos: NANOS_PER_SECOND - 1 };
  if (carried <= SECONDS_MIN) throw new RegistryError('wire/shape', 'a time before all times');
  return { seconds: carried, nanos: nanos - carry * NANOS_PER_SECOND };
}
