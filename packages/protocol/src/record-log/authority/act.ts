import type { Timestamp } from '../../names/timestamp.ts';
import type { VersionText } from '../../names/version.ts';
import type { ContentClaim } from './media-type.ts';
import type { Permission } from './permission.ts';

/** Something done in a log, as far as authority is concerned with it: spec/version1.md 4.5. */
export interface Act {
  /** `null` where none is needed besides the place in the chain: to revoke. */
  readonly permission: Permission | null;
  readonly time: Timestamp;
  /** Left out where an act has none by its nature; `null` where it could name one and does not. */
  readonly version?: VersionText | null;
  /** Of a release; `null` where it claims nothing. */
  readonly claim?: ContentClaim | null;
  /** Of an annotation. */
  readonly annotationType?: string;
}
