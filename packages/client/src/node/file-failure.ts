/** True for a system error with this code, such as ENOENT. */
export function hasCode(failure: unknown, code: string): boolean {
  return failure instanceof Error && 'code' in failure && failure.code === code;
}

/** For what may not be there. */
export function unlessMissing(failure: unknown): undefined {
  if (hasCode(failure, 'ENOENT')) return undefined;
  throw failure;
}
