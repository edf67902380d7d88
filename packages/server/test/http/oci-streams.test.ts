import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import type { CutReason } from '../../src/http/http-observer.ts';
import type { OciRegistry, UploadBody } from '../../src/core/oci/oci-registry.ts';
import { digestOf, disposeCore } from '../core/oci/oci-world.ts';
import { statusesOf } from '../raw-socket.ts';
import { assertOciError, OciServer } from './oci-server.ts';

const MIB = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;
const BLOB_BYTES = 512 * MIB;
/** Room for the buffers of the system on both sides of a connection; far below what would be there without a bound. */
const BUFFERED_BYTES_MAX = 48 * MIB;
const DIGEST = digestOf('stands for a very large blob');

after(disposeCore);

/** How far a blob was asked for that is as large as it says, and is nowhere. */
interface Source {
  asked: number;
  ended: boolean;
}

function largeBlob(source: Source, failAt = Infinity): (registry: OciRegistry) => OciRegistry {
  // Shared by all chunks, as a driver may: overwritten for the next as soon as that one is asked for.
  const buffer = Buffer.alloc(CHUNK_BYTES);
  async function* read(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (; source.asked < BLOB_BYTES; source.asked += CHUNK_BYTES) {
        if (source.asked >= failAt) throw new Error('the disk is gone');
        yield buffer.fill((source.asked / CHUNK_BYTES) % 251);
      }
    } finally {
      source.ended = true;
    }
  }
  return (registry) => {
    registry.blob = async (_caller, _repository, digest) => ({ digest, size: BLOB_BYTES, read });
    return registry;
  };
}

async function open({ url }: OciServer): Promise<Socket> {
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  return socket.on('error', () => undefined);
}

function get(): string {
  return `GET /v2/plain/large/blobs/${DIGEST} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n`;
}

/** Resolves once nothing moves any more. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1; ; last = read()) {
    if (read() === last && last > 0) return last;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('a large blob is read no faster than it is taken, and each chunk is sent before its buffer is used again', async () => {
  const source: Source = { asked: 0, ended: false };
  const server = await OciServer.start({ change: largeBlob(source) });
  const socket = await open(server);
  socket.pause();
  socket.write(get());
  assert.ok((await settled(() => source.asked)) < BUFFERED_BYTES_MAX);
  let head = Buffer.alloc(0);
  let body = 0;
  for await (const part of socket.resume()) {
    let bytes: Buffer = part;
    if (body === 0) {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf('\r\n\r\n');
      if (end === -1) continue;
      bytes = head.subarray(end + 4);
    }
    for (let i = 0; i < bytes.length;) {
      const chunk = Math.floor((body + i) / CHUNK_BYTES);
      const next = Math.min((chunk + 1) * CHUNK_BYTES - body, bytes.length);
      assert.ok(
        bytes.subarray(i, next).every((byte) => byte === chunk % 251),
        `chunk ${chunk}`,
      );
      i = next;
    }
    body += bytes.length;
    if (body > 64 * MIB) break;
  }
  assert.ok(source.asked - body < BUFFERED_BYTES_MAX);
  // The reader has gone, so whatever is open for it is closed.
  while (!source.ended) await new Promise(setImmediate);
  assert.ok(source.asked < BLOB_BYTES);
  await server.stop();
});

test('W5: a reader that takes nothing is cut', async () => {
  const source: Source = { asked: 0, ended: false };
  const cuts: CutReason[] = [];
  const limits = { answerStallMs: 100, answerCheckMs: 20, answerBytesPerSecondMin: 1024 * MIB };
  const observer = { connectionCut: (reason: CutReason) => cuts.push(reason) };
  const server = await OciServer.start({ change: largeBlob(source), limits, observer });
  const socket = await open(server);
  socket.pause();
  socket.write(get());
  while (!source.ended) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(cuts, ['slow-reader']);
  socket.destroy();
  await server.stop();
});

test('a blob that cannot be read to its end is cut off, never ended as if it were whole', async () => {
  const source: Source = { asked: 0, ended: false };
  const server = await OciServer.start({ change: largeBlob(source, 4 * MIB) });
  const socket = await open(server);
  socket.write(get());
  let bytes = 0;
  socket.on('data', (part: Buffer) => (bytes += part.length));
  await once(socket, 'close');
  assert.ok(bytes < 5 * MIB);
  assert.ok(source.ended);
  await server.stop();
});

test('an answer that cannot be sent ends its connection', async () => {
  const change = (registry: OciRegistry): OciRegistry => {
    const found = registry.manifest.bind(registry);
    registry.manifest = async (...asked) => ({ ...(await found(...asked)), mediaType: 'a\r\nb' });
    return registry;
  };
  const server = await OciServer.start({ change });
  await server.pushImage('plain/m', 'x');
  const socket = await open(server);
  socket.write('GET /v2/plain/m/manifests/x HTTP/1.1\r\nhost: registry\r\n\r\n');
  await once(socket.resume(), 'close', { signal: AbortSignal.timeout(20_000) });
  await server.stop();
});

test('a large body is taken no faster than it is kept', async () => {
  const kept = { bytes: 0 };
  let goOn: () => void = () => undefined;
  const paused = new Promise<void>((resolve) => (goOn = resolve));
  const server = await OciServer.start({
    change: (registry) => {
      registry.uploads.append = async (_caller, _repository, id, { body }: UploadBody) => {
        for await (const chunk of body) {
          kept.bytes += chunk.length;
          await paused;
        }
        return { id, length: kept.bytes };
      };
      return registry;
    },
  });
  const session = await server.startUpload('plain/large');
  const socket = await open(server);
  socket.write(
    `PATCH ${session} HTTP/1.1\r\nhost: registry\r\ncontent-length: ${BLOB_BYTES}\r\nconnection: close\r\n\r\n`,
  );
  const chunk = Buffer.alloc(MIB);
  let sent = 0;
  const fill = (): void => {
    while (sent < BLOB_BYTES && socket.write(chunk)) sent += MIB;
  };
  socket.on('drain', () => {
    sent += MIB;
    fill();
  });
  fill();
  assert.ok((await settled(() => socket.bytesWritten - socket.writableLength)) < BUFFERED_BYTES_MAX);
  goOn();
  let text = '';
  for await (const part of socket.setEncoding('latin1')) text += part;
  assert.deepEqual(statusesOf(text), [202]);
  assert.equal(kept.bytes, BLOB_BYTES);
  assert.match(text, new RegExp(`\r\nrange: 0-${BLOB_BYTES - 1}\r\n`, 'i'));
  await server.stop();
});

test('W5: a body that stops is answered 408, and what came of it stays', async () => {
  const limits = { uploadBody: { patienceMs: 200, patienceMsMax: 200, earnedMsPerKib: 0 } };
  const server = await OciServer.start({ limits });
  const session = await server.startUpload('plain/slow');
  const socket = await open(server);
  socket.write(`PATCH ${session} HTTP/1.1\r\nhost: registry\r\ncontent-length: 10\r\n\r\nabcde`);
  let text = '';
  for await (const part of socket.setEncoding('latin1')) text += part;
  assert.deepEqual(statusesOf(text), [408]);
  assert.match(text, /\r\nconnection: close\r\n/i);
  assert.equal((await server.get(session)).headers.range, '0-4');
  await server.stop();
});

test('uploads at one time are bounded, and one more is told to come back', async () => {
  const server = await OciServer.start({ limits: { ociUploadsMax: 1 } });
  const [first, second] = [await server.startUpload('plain/many'), await server.startUpload('plain/many')];
  const socket = await open(server);
  let text = '';
  socket.setEncoding('latin1').on('data', (part) => (text += part));
  socket.write(`PATCH ${first} HTTP/1.1\r\nhost: registry\r\ncontent-length: 2\r\nconnection: close\r\n\r\na`);
  let answer = await server.send('PATCH', second, { body: '' });
  while (answer.status === 202) answer = await server.send('PATCH', second, { body: '' });
  assertOciError(answer, 429, 'TOOMANYREQUESTS');
  assert.equal(answer.headers['retry-after'], '1');
  socket.write('b');
  await once(socket, 'close');
  assert.deepEqual(statusesOf(text), [202]);
  assert.equal((await server.send('PATCH', second, { body: 'x' })).status, 202);
  await server.stop();
});

test('a server that stops ends what runs', async () => {
  const server = await OciServer.start();
  const session = await server.startUpload('plain/stop');
  const socket = await open(server);
  let text = '';
  socket.setEncoding('latin1').on('data', (part) => (text += part));
  socket.write(`PATCH ${session} HTTP/1.1\r\nhost: registry\r\ncontent-length: 4\r\n\r\nab`);
  // Until the request is known to run: an upload at work does not answer where it is.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const stopped = server.stop();
  socket.write('cd');
  await once(socket, 'close');
  await stopped;
  assert.deepEqual(statusesOf(text), [202]);
});
