import { RegistryError } from '@waybill/protocol';
import { algorithmOf, ociDigestOf, type OciDigest } from '@waybill/protocol/oci';
import type { ManifestPush } from './oci-registry.ts';

/** In the algorithm of its reference; sha256 under a tag. Throws `oci/digest-mismatch`. */
export function pushedDigest({ reference, bytes }: ManifestPush): OciDigest {
  if (!('digest' in reference)) return ociDigestOf('sha256', bytes);
  const digest = ociDigestOf(algorithmOf(reference.digest), bytes);
  if (digest === reference.digest) return digest;
  throw new RegistryError('oci/digest-mismatch', `the manifest's digest is ${digest}, not ${reference.digest}`);
}
