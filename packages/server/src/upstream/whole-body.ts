import { concatBytes } from '@waybill/protocol';
import type { UpstreamAnswer } from './upstream-http.ts';

/** All of an answer, which has a limit. */
export async function readWhole({ body }: UpstreamAnswer): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return concatBytes(...chunks);
}
