import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { packFailure } from '../../thread-failure.ts';
import { OciConnection } from './oci-connection.ts';
import { parseOciFile, type OciAnswer, type OciCommand, type OciReply, type OciRequest } from './oci-messages.ts';
import { runCommands } from './oci-writing.ts';

/*
 * The thread that writes the OCI side's store: the event loop that serves never waits for a disk. What gathered while one
 * transaction was on its way goes into the next one, so that many pushes share one fsync.
 */

/** Commands of one transaction: what comes after waits for the next, so that the first are not answered late. */
const COMMANDS_MAX = 256;

const port = parentPort;
if (port === null) throw new TypeError('this file runs as a worker thread');

let connection: OciConnection | null = null;

interface Asked {
  readonly id: number;
  readonly command: OciCommand;
}

port.on('message', (first: readonly OciRequest[]) => {
  let group: Asked[] = [];
  for (const { id, command } of requestsFrom(first)) {
    const isLast = command.type === 'open' || command.type === 'close';
    if (!isLast) group.push({ id, command });
    if (!isLast && group.length < COMMANDS_MAX) continue;
    answer(group);
    group = [];
    if (isLast) port.postMessage([{ id, answer: openOrClose(command.type) }] satisfies OciReply[]);
  }
  answer(group);
});

/** With those of the messages that have come meanwhile. */
function* requestsFrom(first: readonly OciRequest[]): Generator<OciRequest, void, undefined> {
  yield* first;
  for (;;) {
    if (port === null) return;
    const received: { readonly message: readonly OciRequest[] } | undefined = receiveMessageOnPort(port);
    if (received === undefined) return;
    yield* received.message;
  }
}

function answer(group: readonly Asked[]): void {
  if (group.length === 0 || port === null) return;
  const answers = run(group.map(({ command }) => command));
  const replies: OciReply[] = group.map(({ id }, i) => ({ id, answer: answers[i] ?? failed(new Error('no answer')) }));
  port.postMessage(replies);
}

function run(commands: readonly OciCommand[]): OciAnswer[] {
  const open = connection;
  if (open !== null) return runCommands(open, commands);
  return commands.map(() => failed(new TypeError('the first command opens')));
}

function openOrClose(type: 'open' | 'close'): OciAnswer {
  try {
    if (type === 'open') connection = OciConnection.open(parseOciFile(workerData), 'write');
    else connection?.close();
    return { type: 'done', hit: true, deleted: [] };
  } catch (failure) {
    return failed(failure);
  }
}

function failed(failure: unknown): OciAnswer {
  return { type: 'failed', failure: packFailure(failure) };
}
