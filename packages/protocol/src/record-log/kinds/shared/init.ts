import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parsePublicKey, type PublicKey } from '../../../names/key.ts';
import type { EntryKind } from '../../entry-kind.ts';
import type { PermissionList } from '../../permission-list.ts';

/** Starts a log: names its hash algorithm and its first key. */
export interface InitEntry {
  readonly type: 'init';
  readonly key: PublicKey;
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
}

/** spec/record-log.md 3.6. */
export function initKind<P extends string, B>(variant: InitVariant<P>): EntryKind<InitEntry, P, B> {
  const { permissions, keyField, algorithmField, signerIsKey } = variant;
  return {
    number: 1,
    shape: new Map([
      [keyField, 'string'],
      [algorithmField, 'string'],
    ]),
    needs: null,
    read(message) {
      const algorithm = message.string(algorithmField);
      if (algorithm !== HASH_ALGORITHM) throw new RegistryError('wire/shape', 'unknown hash algorithm');
      return { type: 'init', key: parsePublicKey(message.string(keyField)) };
    },
    write(entry) {
      const fields = [
        [keyField, entry.key.text],
        [algorithmField, HASH_ALGORITHM],
      ] as const;
      const writer = new ProtoWriter();
      for (const [number, text] of fields.toSorted((a, b) => a[0] - b[0])) writer.string(number, text);
      return writer.finish();
    },
    apply(draft, entry, { signer, recordId, entryIndex }) {
      if (draft.initialised) throw new RegistryError('record/init-again', 'init stands after the beginning of the log');
      if (signerIsKey && signer !== entry.key.id) {
        throw new RegistryError('record/key-unknown', `the signer ${signer} is not the key of init`);
      }
      draft.initialise();
      draft.setPermissions(signer, new Map(permissions.map((permission) => [permission, { recordId, entryIndex }])));
      draft.addKey(entry.key);
    },
  };
}
