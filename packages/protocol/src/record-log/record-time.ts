import { compareTimestamps, type Timestamp } from '../names/timestamp.ts';
import type { LogHead } from './log-state.ts';

/** The time of the next record: that of the head where this machine's clock is behind it. */
export function timeAfter(head: LogHead | null, now: Timestamp): Timestamp {
  return head !== null && compareTimestamps(head.time, now) > 0 ? head.time : now;
}
