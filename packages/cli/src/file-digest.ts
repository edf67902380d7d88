import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { encodeHex, parseDigest, RegistryError, sha256Stream, type Digest } from '@waybill/protocol';

/** Digest and size of a file, read as a stream. Throws `usage/invalid` for what is no file. */
export async function digestOfFile(file: string): Promise<{ readonly digest: Digest; readonly size: number }> {
  if (!(await stat(file)).isFile()) throw new RegistryError('usage/invalid', `${file} is not a file`);
  const hash = sha256Stream();
  let size = 0;
  for await (const chunk of createReadStream(file)) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError('a file is bytes');
    hash.update(chunk);
    size += chunk.length;
  }
  return { digest: parseDigest(`sha256:${encodeHex(hash.digest())}`), size };
}
