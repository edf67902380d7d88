import { ProtoMessage, ProtoWriter } from '../../../bytes/protobuf.ts';
import { isRegistryError, RegistryError } from '../../../errors.ts';
import { parsePublicKey, type PublicKey } from '../../../names/key.ts';
import { isOrigin } from '../../../wire/record.ts';
import type { EntryKind } from '../../entry-kind.ts';
import type { PermissionList } from '../../permission-list.ts';

/** Starts a log: names its hash algorithm and its first key. */
export interface InitEntry {
  readonly type: 'init';
  readonly key: PublicKey;
  /** The registry's name in records of version 1: of an operator log with a profile alone (spec/operator-profile.md). */
  readonly origin?: string;
}

const HASH_ALGORITHM = 'sha256';

/** How the two logs' `init` differ. */
export interface InitVariant<P extends string> {
  readonly permissions: PermissionList<P>;
  /** The field numbers are swapped between the two messages. */
  readonly keyField: number;
  readonly algorithmField: number;
  /** The package log compares signer and key here; in the operator log the final key look-up refuses a mismatch. */
  readonly signerIsKey: boolean;
  /** The field of the profile that an operator log may have. */
  readonly profileField: number | null;
}

/** spec/record-log.md 3.6. */
export function initKind<P extends string, B>(variant: InitVariant<P>): EntryKind<InitEntry, P, B> {
  const { permissions, keyField, algorithmField, signerIsKey, profileField } = variant;
  return {
    number: 1,
    shape: new Map([
      [keyField, 'string'],
      [algorithmField, 'string'],
    ]),
    needs: null,
    keyCount: () => 1,
    read(message) {
      const algorithm = message.string(algorithmField);
      if (algorithm !== HASH_ALGORITHM) throw new RegistryError('wire/shape', 'unknown hash algorithm');
      const key = parsePublicKey(message.string(keyField));
      const origin = profileField === null ? null : readOrigin(message, profileField);
      return origin === null ? { type: 'init', key } : { type: 'init', key, origin };
    },
    write(entry) {
      const fields = [
        [keyField, entry.key.text],
        [algorithmField, HASH_ALGORITHM],
      ] as const;
      const writer = new ProtoWriter();
      for (const [number, text] of fields.toSorted((a, b) => a[0] - b[0])) writer.string(number, text);
      const { origin } = entry;
      if (profileField === null || origin === undefined) return writer.finish();
      return writer.message(profileField, new ProtoWriter().string(1, origin).finish()).finish();
    },
    apply(draft, entry, { signer, recordId, entryIndex }) {
      if (draft.initialised) throw new RegistryError('record/init-again', 'init stands after the beginning of the log');
      if (signerIsKey && signer !== entry.key.id) {
        throw new RegistryError('record/key-unknown', `the signer ${signer} is not the key of init`);
      }
      draft.initialise();
      draft.setPermissions(signer, new Map(permissions.map((permission) => [permission, { recordId, entryIndex }])));
      draft.addKey(entry.key);
      if (entry.origin !== undefined) draft.setOrigin(entry.origin);
    },
  };
}

/** Whoever knows no profile skips the field, so one of another wire type, or that cannot be read, is none. */
function readOrigin(message: ProtoMessage, profileField: number): string | null {
  const profile = message.skippableBytes(profileField).at(-1);
  if (profile === undefined) return null;
  try {
    const origin = ProtoMessage.decode(profile).string(1);
    return isOrigin(origin) ? origin : null;
  } catch (thrown) {
    if (isRegistryError(thrown)) return null;
    throw thrown;
  }
}
