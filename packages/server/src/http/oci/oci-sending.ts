import type { ServerResponse } from 'node:http';
import type { OciAnswer } from './oci-answer.ts';

/**
 * Sends an answer with one chunk under way at a time: a chunk is the sender's only until it asks for the next, and a reader
 * that stops must not fill the memory. Ends quietly where the reader has gone. Throws what reading the body throws; then
 * the connection is gone, for the rest cannot be sent.
 */
export async function sendAnswer(outgoing: ServerResponse, answer: OciAnswer, isHead: boolean): Promise<void> {
  const { status, headers, body, length } = answer;
  outgoing.writeHead(status, length === null ? { ...headers } : { ...headers, 'content-length': length });
  if (body === null || isHead) outgoing.end();
  else if (body instanceof Uint8Array) outgoing.end(body);
  else await stream(outgoing, body);
}

async function stream(outgoing: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      if (outgoing.destroyed || !(await isWritten(outgoing, chunk))) return;
    }
    outgoing.end();
  } catch (failure) {
    outgoing.destroy();
    throw failure;
  }
}

/** False when the reader has gone: of what waits in line on a connection nobody else tells. */
function isWritten(outgoing: ServerResponse, chunk: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = (): void => resolve(false);
    outgoing.once('close', gone);
    outgoing.write(chunk, (failure) => {
      outgoing.off('close', gone);
      resolve(failure === null || failure === undefined);
    });
  });
}
