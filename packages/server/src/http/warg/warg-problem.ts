import type { ErrorCode, ErrorDetail, JsonValue } from '@waybill/protocol';
import { jsonResponse } from '../json-response.ts';
import { problemOf } from '../problem.ts';

type Body = { [key: string]: JsonValue };
type Shape = (detail: ErrorDetail, message: string) => Body;

function entity(type: string, member: string): Shape {
  return (detail) => ({ type, id: detail[member] ?? null });
}

/** Errors that Warg's client reads by shape (spec/http.md, 6.3); every other one is a status and a message. */
const SHAPES: Partial<Readonly<Record<ErrorCode, Shape>>> = {
  'log/not-found': entity('log', 'logId'),
  'request/record': entity('record', 'recordId'),
  'request/cursor': entity('fetchToken', 'token'),
  'request/log-length': entity('logLength', 'logLength'),
  'request/leaf': entity('leaf', 'leaf'),
  'content/not-found': entity('contentDigest', 'digest'),
  'namespace/undefined': entity('namespace', 'namespace'),
  'namespace/imported': entity('namespaceImport', 'namespace'),
  'publish/conflict': entity('record', 'recordId'),
  'request/proof': (_, message) => ({ reason: 'failure', message }),
  'request/not-head': ({ root, found }) => ({ reason: 'incorrectProof', root: root ?? null, found: found ?? null }),
  'publish/not-sourcing': () => ({}),
  'content/taken-down': ({ code, reason, recordId }, message) => ({
    message,
    code: code ?? null,
    reason: reason ?? null,
    recordId: recordId ?? null,
  }),
};

/** The answer to anything that a Warg handler threw; `more` are headers. */
export function wargProblem(thrown: unknown, more: Readonly<Record<string, string>> = {}): Response {
  const { status, message, headers, error } = problemOf(thrown);
  const shape = error && SHAPES[error.code];
  const body = shape && error ? shape(error.detail, message) : { message };
  return jsonResponse(status, { status, ...body }, { ...headers, ...more });
}
