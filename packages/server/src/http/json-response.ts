import type { JsonValue } from '@waybill/protocol';

/** Exactly this: with a charset parameter the Rust client refuses the answer (spec/http.md 1). */
const JSON_TYPE = 'application/json';

export function jsonResponse(
  status: number,
  body: JsonValue,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': JSON_TYPE, ...headers } });
}
