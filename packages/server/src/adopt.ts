import { RegistryError } from '@waybill/protocol';
import type { SignedMark } from './core/ports.ts';
import { loadTree } from './core/registry-tree.ts';
import { rollbackReason } from './core/signed-mark.ts';
import { existingDataFolder, lastSignedFileOf } from './data-folder.ts';
import { inspectLastSigned, replaceLastSigned, type LastSignedState } from './last-signed-file.ts';
import { holdDirectory } from './storage/sqlite/directory-lock.ts';
import { openSqliteReader } from './storage/sqlite/sqlite-store.ts';

export interface AdoptOptions {
  readonly data: string;
  /** Otherwise `last-signed` in the data folder. */
  readonly lastSigned?: string;
  /** The length of the store's head, as the person states it; `null` to look only. */
  readonly length: number | null;
}

/** What the store and the last-signed file say, and what became of it. */
export interface Adoption {
  readonly head: SignedMark;
  readonly lastSignedFile: string;
  /** `null` for a file that is missing or empty. */
  readonly lastSigned: SignedMark | null;
  /** Slots of the file that are damaged. */
  readonly tornSlots: number;
  /** Why the server does not start; `null` when it does. */
  readonly refusal: string | null;
  /** The last-signed file says now what the store says. */
  readonly adopted: boolean;
}

/**
 * Makes a store that is not the newest, as after a restore, the one that is signed on: clients that have seen newer heads
 * will find a fork, so a person must state the length that is gone on from. Throws `usage/invalid` for another length than
 * the store's, `head/rolled-back` for a store without a head, `storage/busy` while a server runs, `storage/damaged`.
 */
export async function adoptHead({ data, lastSigned, length }: AdoptOptions): Promise<Adoption> {
  const { directory, storeFile } = await existingDataFolder(data);
  const lastSignedFile = lastSigned ?? lastSignedFileOf(data);
  const release = holdDirectory(directory);
  try {
    const state = await inspectLastSigned(lastSignedFile);
    const { head, refusal } = await readStore(storeFile, state);
    const found = { head, lastSignedFile, lastSigned: state?.mark ?? null, tornSlots: state?.tornSlots ?? 0, refusal };
    if (length === null) return { ...found, adopted: false };
    if (length !== head.logLength) {
      const message = `the store's head has ${head.logLength} records, not ${length}: nothing was changed`;
      throw new RegistryError('usage/invalid', message, { logLength: head.logLength });
    }
    await replaceLastSigned(lastSignedFile, head);
    return { ...found, adopted: true };
  } finally {
    release();
  }
}

async function readStore(
  storeFile: string,
  state: LastSignedState | null,
): Promise<{ readonly head: SignedMark; readonly refusal: string | null }> {
  const reader = openSqliteReader(storeFile);
  try {
    const head = await reader.readHead();
    if (head === null) {
      const message =
        'the store is empty, so there is nothing to go on from: put back a backup, or start a new registry in another folder, ' +
        'with keys and a last-signed file of its own';
      throw new RegistryError('head/rolled-back', message);
    }
    // A head that its own tiles do not lead to must not be signed on, whoever asks.
    await loadTree(reader, head);
    const { logLength, logRoot, mapRoot, timestamp } = head.checkpoint.contents;
    const refusal = await rollbackReason(reader, head, state?.mark ?? null);
    return { head: { logLength, logRoot, mapRoot, timestamp }, refusal };
  } finally {
    reader.close();
  }
}
