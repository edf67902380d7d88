import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseVersion, type VersionText } from '../../../names/version.ts';
import type { EntryKind } from '../../entry-kind.ts';
import type { PackagePermission, Release } from './release.ts';

/** Withdraws a version from use; final in version 0. */
export interface YankEntry {
  readonly type: 'yank';
  readonly version: VersionText;
}

/** spec/record-log.md 3.10. */
export const yankKind: EntryKind<YankEntry, PackagePermission, Release> = {
  number: 5,
  shape: new Map([[1, 'string']]),
  needs: 'yank',
  read: (message) => ({ type: 'yank', version: parseVersion(message.string(1)) }),
  write: (entry) => new ProtoWriter().string(1, entry.version).finish(),
  apply(draft, { version }, { signer, time }) {
    const release = draft.binding(version);
    if (release === undefined) {
      throw new RegistryError('record/yank-unreleased', `version ${version} was never released`, { version });
    }
    if (release.state.status === 'yanked') {
      throw new RegistryError('record/yank-again', `version ${version} is yanked already`, { version });
    }
    draft.bind(version, { ...release, state: { status: 'yanked', by: signer, time } });
  },
};
