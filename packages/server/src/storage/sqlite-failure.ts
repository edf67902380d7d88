import { RegistryError, type ErrorCode } from '@waybill/protocol';

/** What a result code of SQLite means to the registry. */
interface Meaning {
  readonly code: ErrorCode;
  readonly message: string;
  /** True when nobody knows what is on disk now: whoever writes on might build on bytes that were lost. */
  readonly endsWriting: boolean;
}

const BUSY: Meaning = {
  code: 'storage/busy',
  message: 'another process holds the store: stop it, or try again',
  endsWriting: false,
};
const FULL: Meaning = { code: 'storage/full', message: 'there is no room left for the store', endsWriting: false };
const DAMAGED: Meaning = {
  code: 'storage/damaged',
  message: 'the store is damaged: restore it from a backup',
  endsWriting: true,
};
const DISK: Meaning = {
  code: 'storage/damaged',
  message: 'the disk failed: check it, then start again',
  endsWriting: true,
};
const ACCESS: Meaning = {
  code: 'storage/damaged',
  message: 'the store cannot be opened or written: check that its folder exists, and its permissions',
  endsWriting: false,
};
const MISFIT: Meaning = {
  code: 'storage/damaged',
  message: 'the commit does not fit what is stored',
  endsWriting: false,
};

/** By result code, extended before primary: what is in no row counts as damage. */
const MEANINGS: ReadonlyMap<number, Meaning> = new Map([
  [5, BUSY], // SQLITE_BUSY
  [6, BUSY], // SQLITE_LOCKED
  [15, BUSY], // SQLITE_PROTOCOL: lost the race for a lock too often
  [13, FULL], // SQLITE_FULL
  [4874, FULL], // SQLITE_IOERR_SHMSIZE: no room for the index of the write-ahead log
  [10, DISK], // SQLITE_IOERR
  [3, ACCESS], // SQLITE_PERM
  [8, ACCESS], // SQLITE_READONLY
  [14, ACCESS], // SQLITE_CANTOPEN
  [19, MISFIT], // SQLITE_CONSTRAINT
]);

/** The low byte of an extended result code is the primary one. */
const PRIMARY_CODES = 256;

/** Runs `work`; what SQLite throws comes out as `storage/busy`, `storage/full` or `storage/damaged`. */
export function withStorageFailures<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const meaning = meaningOf(thrown);
    if (meaning === null) throw thrown;
    throw new RegistryError(meaning.code, `${file}: ${meaning.message}`, {}, { cause: thrown });
  }
}

/** True when nothing may be written after `thrown`, before the store has been opened afresh. */
export function endsWriting(thrown: unknown): boolean {
  return meaningOf(thrown)?.endsWriting === true;
}

/** `null` for what does not come from SQLite. */
function meaningOf(thrown: unknown): Meaning | null {
  if (!(thrown instanceof Error) || !('code' in thrown)) return null;
  if (thrown.code === 'ERR_OUT_OF_RANGE') return DAMAGED;
  if (thrown.code !== 'ERR_SQLITE_ERROR') return null;
  const result = 'errcode' in thrown && typeof thrown.errcode === 'number' ? thrown.errcode : 0;
  return MEANINGS.get(result) ?? MEANINGS.get(result % PRIMARY_CODES) ?? DAMAGED;
}

/** What a disk did after which nothing may be written: the process must end. */
export function failedDisk({ message, cause }: Error): RegistryError {
  return new RegistryError('storage/failed', message, {}, { cause });
}
