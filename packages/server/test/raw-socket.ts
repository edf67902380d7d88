import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { RunningRegistry } from './running-registry.ts';

/** Bytes on a socket, with nothing between test and server that would tidy them up first. */
export async function openSocket({ url }: RunningRegistry): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  return socket;
}

/** Everything the server answers to these bytes until it closes, as text. Ask it to with `connection: close`. */
export async function answerTo(registry: RunningRegistry, request: string): Promise<string> {
  const socket = await openSocket(registry);
  socket.write(request, 'latin1');
  let answers = '';
  try {
    for await (const chunk of socket.setEncoding('latin1')) answers += String(chunk);
  } catch (failure) {
    // A server that closes while bytes still come in resets the connection: what it had said before counts.
    if (!(failure instanceof Error && 'code' in failure && failure.code === 'ECONNRESET')) throw failure;
  }
  return answers;
}

/** The status of each answer on a connection; bodies of this server hold nothing that looks like a status line. */
export function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 ([0-9]{3}) /g)].map(([, status]) => Number(status));
}

/** A GET of exactly this target. */
export function rawGet(target: string): string {
  return `GET ${target} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n`;
}
