import { parentPort, workerData } from 'node:worker_threads';
import { packFailure } from '../thread-failure.ts';
import type { WriteAnswer, WriteRequest } from './messages.ts';
import { openWriteDesk, parsePlaces, type WriteDesk } from './write-desk.ts';

/*
 * The thread that writes: it owns the writing connection, so that the event loop that serves never waits for a disk, and
 * hashes and signs what it writes.
 */

const port = parentPort;
if (port === null) throw new TypeError('this file runs as a worker thread');

let desk: WriteDesk | null = null;
// One command after another, in the order they came.
let last: Promise<void> = Promise.resolve();
port.on('message', (request: WriteRequest) => {
  last = last.then(async () => port.postMessage({ id: request.id, answer: await answer(request) }));
});

async function answer({ command }: WriteRequest): Promise<WriteAnswer> {
  try {
    if (command.type === 'open') {
      desk = await openWriteDesk(parsePlaces(workerData));
      return { type: 'opened', head: desk.head };
    }
    if (desk === null) throw new TypeError('the first command opens');
    return await desk.run(command);
  } catch (failure) {
    return { type: 'failed', failure: packFailure(failure) };
  }
}
