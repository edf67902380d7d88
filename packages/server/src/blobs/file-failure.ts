import { messageOf, RegistryError, type ErrorCode } from '@waybill/protocol';

/** System errors that callers tell apart. Every other one, a failed fsync above all, leaves the disk in doubt. */
const CODES: ReadonlyMap<string, ErrorCode> = new Map([
  ['ENOSPC', 'storage/full'],
  ['EDQUOT', 'storage/full'],
  ['EMFILE', 'storage/busy'],
  ['ENFILE', 'storage/busy'],
]);

/**
 * Runs `work`; what the file system throws comes out as `storage/full`, `storage/busy` or `otherwise`: `storage/failed` where
 * something was written.
 */
export async function withFileFailures<T>(
  file: string,
  work: () => Promise<T>,
  otherwise: 'storage/damaged' | 'storage/failed' = 'storage/damaged',
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw told(file, cause, otherwise);
  }
}

/** As {@link withFileFailures}, for reading what the system has in its memory. */
export function withFileFailuresSync<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw told(file, cause, 'storage/damaged');
  }
}

function told(file: string, cause: unknown, otherwise: 'storage/damaged' | 'storage/failed'): unknown {
  const system = systemCode(cause);
  if (system === null) return cause;
  const message = `${file}: ${messageOf(cause)}`;
  return new RegistryError(CODES.get(system) ?? otherwise, message, {}, { cause });
}

/** True for an error of the operating system with this code, such as `ENOENT`. */
export function hasSystemCode(thrown: unknown, code: string): boolean {
  return systemCode(thrown) === code;
}

function systemCode(thrown: unknown): string | null {
  if (!(thrown instanceof Error) || !('code' in thrown) || !('syscall' in thrown)) return null;
  return typeof thrown.code === 'string' ? thrown.code : null;
}
