import { prefixedString } from '../bytes/prefix-encoding.ts';
import { concatBytes, utf8 } from '../bytes/byte-array.ts';
import type { LogId, RecordId } from '../names/log-id.ts';

const LOG_LEAF_PREFIX = utf8('WARG-LOG-LEAF-V0');
const MAP_LEAF_PREFIX = utf8('WARG-MAP-LEAF-V0');

/** The 160 bytes of a registry log leaf: a record of a log. */
export function encodeLogLeaf(leaf: { readonly logId: LogId; readonly recordId: RecordId }): Uint8Array {
  return concatBytes(LOG_LEAF_PREFIX, prefixedString(leaf.logId), prefixedString(leaf.recordId));
}

/** The 88 bytes of a registry map leaf: the newest record of a log. */
export function encodeMapLeaf(recordId: RecordId): Uint8Array {
  return concatBytes(MAP_LEAF_PREFIX, prefixedString(recordId));
}
