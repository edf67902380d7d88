import { PACKAGE_LOG } from '@waybill/protocol';

/** The package log as a reader knows it that has never heard of version 1: what the Rust crates are compared with. */
export const VERSION_0_PACKAGE_LOG: typeof PACKAGE_LOG = { ...PACKAGE_LOG, entries: [PACKAGE_LOG.entries[0]] };
