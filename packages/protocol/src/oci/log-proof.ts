import * as z from 'zod/mini';
import { RegistryError } from '../errors.ts';
import { parseDigest } from '../names/digest.ts';
import { parseLogId } from '../names/log-id.ts';
import { parsePackageName } from '../names/package-name.ts';
import { parseVersion } from '../names/version.ts';
import { NO_COSIGNATURES } from '../wire/envelope.ts';
import { base64Bytes, count, decodeJson, parsed } from '../wire/shape.ts';
import type { ReleaseProof } from './release-referrers.ts';

/** Contents of a record at their limit in base64, and room for the rest. */
export const LOG_PROOF_BYTES_MAX: number = 4 * 1024 * 1024;

const digest = parsed(parseDigest);
const signature = { keyId: z.string(), signature: z.string() };

const logProofSchema = z.object({
  format: z.literal(1),
  package: parsed(parsePackageName),
  version: parsed(parseVersion),
  log: parsed(parseLogId),
  registryIndex: count,
  record: z.object({
    contentBytes: base64Bytes,
    ...signature,
    cosignatures: z.optional(z.array(z.object(signature))),
  }),
  inclusion: base64Bytes,
  checkpoint: z.object({
    contents: z.object({ logRoot: digest, logLength: count, mapRoot: digest, timestamp: count }),
    ...signature,
  }),
});

/**
 * The document that is the blob of a log proof (spec/oci.md 7.4). Nothing in it is judged: whoever reads it checks the record,
 * its place and the checkpoint, each by what it is signed or hashed with. Throws `wire/json`, `wire/shape`, `wire/too-large`.
 */
export function readLogProofUnverified(bytes: Uint8Array): ReleaseProof {
  if (bytes.length > LOG_PROOF_BYTES_MAX) {
    throw new RegistryError('wire/too-large', `a log proof of ${bytes.length} bytes is over ${LOG_PROOF_BYTES_MAX}`);
  }
  const proof = decodeJson(logProofSchema, bytes);
  const { version, registryIndex, inclusion, checkpoint } = proof;
  const { contentBytes: contents, keyId, signature: text, cosignatures = NO_COSIGNATURES } = proof.record;
  const record = { contents, keyId, signature: text, cosignatures };
  return { name: proof.package, version, logId: proof.log, record, registryIndex, inclusion, checkpoint };
}
