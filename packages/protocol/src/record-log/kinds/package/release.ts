import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseAnyHash, type AnyHash } from '../../../names/digest.ts';
import type { RecordId } from '../../../names/log-id.ts';
import type { Timestamp } from '../../../names/timestamp.ts';
import { parseVersion, type VersionText } from '../../../names/version.ts';
import type { EntryKind } from '../../entry-kind.ts';

export type PackagePermission = 'release' | 'yank';

/** What a package log knows of one version. A yanked release's content is no longer named (spec/record-log.md 3.10). */
export interface Release {
  readonly version: VersionText;
  readonly recordId: RecordId;
  readonly by: string;
  readonly time: Timestamp;
  readonly state:
    | { readonly status: 'released'; readonly content: AnyHash }
    | { readonly status: 'yanked'; readonly by: string; readonly time: Timestamp };
}

/** Publishes a version: binds it to content. */
export interface ReleaseEntry {
  readonly type: 'release';
  readonly version: VersionText;
  readonly content: AnyHash;
}

/** spec/record-log.md 3.9. */
export const releaseKind: EntryKind<ReleaseEntry, PackagePermission, Release> = {
  number: 4,
  shape: new Map([
    [1, 'string'],
    [2, 'string'],
  ]),
  needs: 'release',
  read: (message) => ({
    type: 'release',
    version: parseVersion(message.string(1)),
    content: parseAnyHash(message.string(2)),
  }),
  write: (entry) => new ProtoWriter().string(1, entry.version).string(2, entry.content).finish(),
  apply(draft, { version, content }, { signer, recordId, time }) {
    if (draft.binding(version) !== undefined) {
      throw new RegistryError('record/release-again', `version ${version} was released before`, { version });
    }
    draft.bind(version, { version, recordId, by: signer, time, state: { status: 'released', content } });
  },
};
