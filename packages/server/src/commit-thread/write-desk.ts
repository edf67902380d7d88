import { CheckpointSigner } from '../core/checkpoint-signer.ts';
import { TreeCommitter } from '../core/committing.ts';
import type { RegistryStore, StoredHead, TokenUseWriter } from '../core/ports.ts';
import { openLastSignedFile } from '../last-signed-file.ts';
import { openLogKeys } from '../log-keys.ts';
import { openOperatorKey } from '../operator-key.ts';
import { openSqliteStore } from '../storage/sqlite/sqlite-store.ts';
import type { WriteAnswer, WriteCommand, WriterPlaces } from './messages.ts';

/** Does what the main thread asks for, on the writing connection. */
export interface WriteDesk {
  /** The head at which it was opened. */
  readonly head: StoredHead | null;
  run(command: WriteCommand): Promise<WriteAnswer>;
}

/** Opens the store for writing. Throws what opening the store and {@link TreeCommitter.open} throw. */
export async function openWriteDesk({ storeFile, dataDirectory, lastSignedFile }: WriterPlaces): Promise<WriteDesk> {
  const store = await openSqliteStore(storeFile);
  try {
    const storeIsNew = (await store.readHead()) === null;
    const key = await openOperatorKey(dataDirectory, storeIsNew);
    const asked = { origin: null, operatorKeyId: key.publicKey.id, storeIsNew };
    const logSigners = await openLogKeys(dataDirectory, asked);
    const lastSigned = await openLastSignedFile(lastSignedFile);
    const signer = new CheckpointSigner(key, Date.now);
    const committer = await TreeCommitter.open({ store, signer, logSigners, lastSigned });
    const close = async (): Promise<void> => {
      await store.close();
      await lastSigned.close();
    };
    return { head: committer.head, run: (command) => runCommand(command, { store, committer, close }) };
  } catch (failure) {
    await store.close();
    throw failure;
  }
}

interface DeskParts {
  readonly store: RegistryStore & TokenUseWriter;
  readonly committer: TreeCommitter;
  readonly close: () => Promise<void>;
}

async function runCommand(command: WriteCommand, { store, committer, close }: DeskParts): Promise<WriteAnswer> {
  switch (command.type) {
    case 'commit':
      return { type: 'committed', committed: await committer.commit(command.batch) };
    case 'pending':
      await store.writePending(command.puts, command.deletes);
      return { type: 'done' };
    case 'use-tokens':
      await store.markTokensUsed(command.uses);
      return { type: 'done' };
    case 'prune':
      return { type: 'pruned', cursor: await store.pruneMap(command.floor, command.after, command.pages) };
    case 'fill-holdings':
      await store.fillHoldings(command.range, command.holdings);
      return { type: 'done' };
    case 'close':
      await close();
      return { type: 'done' };
    case 'open':
      throw new TypeError('it is open already');
  }
}

/** What a worker was started with. */
export function parsePlaces(data: unknown): WriterPlaces {
  const isObject = typeof data === 'object' && data !== null;
  if (!isObject || !('storeFile' in data) || !('dataDirectory' in data) || !('lastSignedFile' in data)) {
    throw new TypeError('the writing thread was started without its places');
  }
  const { storeFile, dataDirectory, lastSignedFile } = data;
  if (typeof storeFile === 'string' && typeof dataDirectory === 'string' && typeof lastSignedFile === 'string') {
    return { storeFile, dataDirectory, lastSignedFile };
  }
  throw new TypeError('the writing thread was started with places that are no texts');
}
