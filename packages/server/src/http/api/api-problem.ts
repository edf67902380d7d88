import { jsonResponse } from '../json-response.ts';
import { problemOf } from '../problem.ts';

/** The answer to anything that a handler below `/api/v1` threw: it names the code. */
export function apiProblem(thrown: unknown): Response {
  const { status, message, headers, error } = problemOf(thrown);
  return jsonResponse(status, { status, code: error?.code ?? null, message, detail: { ...error?.detail } }, headers);
}
