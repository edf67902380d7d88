import { isRegistryError, RegistryError } from '@waybill/protocol';

/**
 * Runs `judge` on a record of a log that is no package's. A refusal says of which kind the log is, in `detail.kind`: who can
 * help is somebody else than for a package.
 */
export function judgedAs<T>(kind: 'operator' | 'governance', judge: () => T): T {
  try {
    return judge();
  } catch (failure) {
    if (!isRegistryError(failure, 'record/unauthorized')) throw failure;
    throw new RegistryError(failure.code, failure.message, { ...failure.detail, kind }, { cause: failure });
  }
}
