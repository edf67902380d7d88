import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import { isRegistryError, type ErrorCode } from '@waybill/protocol';
import { Transport, type TransportLimits } from '../src/transport.ts';

const LIMITS: TransportLimits = {
  answerBytesMax: 10_000,
  startMsMax: 200,
  chunkMsMax: 200,
  graceMs: 100,
  bytesPerSecondMin: 10_000,
};

/** What a registry may do to whoever asks it, and how that ends. */
const ANSWERS: Readonly<
  Record<string, { readonly answer: (response: ServerResponse) => void; readonly code: ErrorCode }>
> = {
  'never starts': { answer: () => undefined, code: 'registry/unreachable' },
  'stops in the middle': { answer: (response) => void response.write('{"a":'), code: 'registry/unreachable' },
  'drips a byte at a time': { answer: (response) => drip(response, 1, 20), code: 'registry/unreachable' },
  'never ends': { answer: (response) => drip(response, 1_000, 1), code: 'registry/protocol' },
  'promises ten gigabytes': {
    answer(response) {
      response.setHeader('content-length', 10 * 2 ** 30);
      drip(response, 5_000, 1);
    },
    code: 'registry/protocol',
  },
  'says less than it sends': {
    answer: (response) => void response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'),
    code: 'registry/unreachable',
  },
};

function drip(response: ServerResponse, bytes: number, everyMs: number): void {
  const timer = setInterval(() => response.write(Buffer.alloc(bytes, ' ')), everyMs);
  response.once('close', () => clearInterval(timer));
}

for (const [name, { answer, code }] of Object.entries(ANSWERS)) {
  test(`an answer that ${name} is given up (threats T5)`, async () => {
    const server = createServer((_request, response) => answer(response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const transport = new Transport(new URL(`http://127.0.0.1:${address.port}/`), fetch, {}, LIMITS);
    await assert.rejects(transport.request('GET', 'v1/fetch/checkpoint'), (failure) => isRegistryError(failure, code));
    server.closeAllConnections();
    server.close();
  });
}
