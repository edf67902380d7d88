import type { LogHome, LogId } from '@waybill/protocol';

/** The registry of tests that have no operator log to ask. */
export const TEST_ORIGIN = 'registry.test';

export function testHomeOf(log: LogId): LogHome {
  return { log, origin: TEST_ORIGIN };
}
