import { decodeBase64 } from '../../bytes/base64.ts';
import { equalBytes } from '../../bytes/byte-array.ts';
import { isRegistryError } from '../../errors.ts';

const SHA256 = 'sha256-';

/**
 * Whether content is what the integrity metadata of a name says. It names one or more digests, any of which will do; others than
 * SHA-256 are passed over, and where nothing is said anything will do. One that cannot be read is of no content.
 */
export function meetsIntegrity(integrity: string | null, sha256: Uint8Array): boolean {
  const digests = (integrity ?? '').split(/\s+/).filter((text) => text.startsWith(SHA256));
  return digests.length === 0 || digests.some((text) => isDigest(text.slice(SHA256.length), sha256));
}

function isDigest(base64: string, sha256: Uint8Array): boolean {
  try {
    return equalBytes(decodeBase64(base64), sha256);
  } catch (failure) {
    if (isRegistryError(failure, 'text/base64')) return false;
    throw failure;
  }
}
