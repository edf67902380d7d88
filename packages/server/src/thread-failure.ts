import { isRegistryError, messageOf, RegistryError, type ErrorCode, type ErrorDetail } from '@waybill/protocol';

/** What was thrown, on its way between threads; `code` is `null` for what is no {@link RegistryError}. */
export interface ThreadFailure {
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly detail: ErrorDetail;
}

/** For a message: a class would lose its methods on the way. */
export function packFailure(failure: unknown): ThreadFailure {
  if (isRegistryError(failure)) return { code: failure.code, message: failure.message, detail: failure.detail };
  const message = failure instanceof Error ? (failure.stack ?? failure.message) : messageOf(failure);
  return { code: null, message, detail: {} };
}

/** What is to be thrown in place of it. */
export function unpackFailure({ code, message, detail }: ThreadFailure): Error {
  return code === null ? new Error(message) : new RegistryError(code, message, detail);
}
