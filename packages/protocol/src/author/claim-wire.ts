import * as z from 'zod/mini';
import { encodeBase64 } from '../bytes/base64.ts';
import type { JsonValue } from '../bytes/json.ts';
import { parseJosePublicKey, type JosePublicKey } from '../jose/public-key.ts';
import { parseRecordId, type RecordId } from '../names/log-id.ts';
import { parsePackageName, type PackageName } from '../names/package-name.ts';
import type { EnvelopeSignature } from '../wire/envelope.ts';
import { base64Bytes, count, decodeJson, parsed } from '../wire/shape.ts';

/* How a package that a gateway holds is asked for: spec/http.md 4.23. */

/** A record that the gateway has drafted, with the signature of whoever is to get the package. */
export interface ClaimProof {
  readonly contents: Uint8Array;
  readonly signature: EnvelopeSignature;
}

export interface ClaimRequest {
  readonly packageName: PackageName;
  /** Of whoever is to get the package. */
  readonly publicKey: JosePublicKey;
  /** `null` in the first request. */
  readonly proof: ClaimProof | null;
}

/** `cosign`: contents that the new key signs, too, before the same is asked again. */
export type ClaimAnswer =
  | { readonly state: 'published'; readonly recordId: RecordId; readonly registryIndex: number }
  | { readonly state: 'cosign'; readonly contents: Uint8Array };

const requestSchema = z.object({
  packageName: parsed(parsePackageName),
  publicKey: parsed(parseJosePublicKey),
  record: z.optional(z.object({ contentBytes: base64Bytes, keyId: z.string(), signature: z.string() })),
});

/** Throws `wire/json`, `wire/shape`. */
export function decodeClaimRequest(source: Uint8Array): ClaimRequest {
  const { packageName, publicKey, record } = decodeJson(requestSchema, source);
  if (record === undefined) return { packageName, publicKey, proof: null };
  const { contentBytes, keyId, signature } = record;
  return { packageName, publicKey, proof: { contents: contentBytes, signature: { keyId, signature } } };
}

export function claimRequestBody({ packageName, publicKey, proof }: ClaimRequest): JsonValue {
  const body = { packageName, publicKey: publicKey.text };
  if (proof === null) return body;
  const { keyId, signature } = proof.signature;
  return { ...body, record: { contentBytes: encodeBase64(proof.contents), keyId, signature } };
}

const answerSchema = z.union([
  z.object({ state: z.literal('published'), recordId: parsed(parseRecordId), registryIndex: count }),
  z.object({ state: z.literal('cosign'), contentBytes: base64Bytes }),
]);

/** Throws `wire/json`, `wire/shape`. */
export function decodeClaimAnswer(source: Uint8Array): ClaimAnswer {
  const answer = decodeJson(answerSchema, source);
  return answer.state === 'published' ? answer : { state: 'cosign', contents: answer.contentBytes };
}

export function claimAnswerBody(answer: ClaimAnswer): JsonValue {
  if (answer.state === 'cosign') return { state: 'cosign', contentBytes: encodeBase64(answer.contents) };
  const { state, recordId, registryIndex } = answer;
  return { state, recordId, registryIndex };
}
