import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answerTo, statusesOf } from '../raw-socket.ts';
import { RunningRegistry } from '../running-registry.ts';

let registry: RunningRegistry;

before(async () => {
  registry = await RunningRegistry.start();
});
after(() => registry.dispose());

const BODY = '{"from":1,"to":1}';
const SMUGGLED = 'GET /healthz HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n';

function post(headers: readonly string[], body: string = BODY): string {
  const lines = ['POST /v1/proof/consistency HTTP/1.1', 'host: registry', 'content-type: application/json', ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

test('a well-framed request is answered, and so is the next one on its connection', async () => {
  const length = `content-length: ${BODY.length}`;
  assert.deepEqual(statusesOf(await answerTo(registry, post([length], BODY + SMUGGLED))), [200, 200]);
  const chunked = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;
  assert.deepEqual(
    statusesOf(await answerTo(registry, post(['transfer-encoding: chunked'], chunked + SMUGGLED))),
    [200, 200],
  );
});

/** Where two readers could see the end of a request in different places, this one refuses (threats W6). */
const AMBIGUOUS: Readonly<Record<string, string>> = {
  'two lengths': post([`content-length: ${BODY.length}`, 'content-length: 3'], BODY + SMUGGLED),
  'two equal lengths': post([`content-length: ${BODY.length}`, `content-length: ${BODY.length}`], BODY + SMUGGLED),
  'a list of lengths': post([`content-length: ${BODY.length}, 3`], BODY + SMUGGLED),
  'length, then chunked': post(['content-length: 5', 'transfer-encoding: chunked'], `0\r\n\r\n${SMUGGLED}`),
  'chunked, then length': post(['transfer-encoding: chunked', 'content-length: 5'], `0\r\n\r\n${SMUGGLED}`),
  'chunked not last': post(['transfer-encoding: chunked, identity'], `0\r\n\r\n${SMUGGLED}`),
  'unknown encoding': post(['transfer-encoding: xchunked'], `0\r\n\r\n${SMUGGLED}`),
  'encoding on two lines': post(['transfer-encoding: chunked', 'transfer-encoding: identity'], `0\r\n\r\n${SMUGGLED}`),
  'space before the colon': post([`content-length : ${BODY.length}`], BODY + SMUGGLED),
  'a signed length': post([`content-length: +${BODY.length}`], BODY + SMUGGLED),
  'a hexadecimal length': post(['content-length: 0x11'], BODY + SMUGGLED),
  'a huge length': post(['content-length: 99999999999999999999'], BODY + SMUGGLED),
  'a negative length': post(['content-length: -1'], BODY + SMUGGLED),
  'a folded header': post(['x: y', ' content-length: 3', `content-length: ${BODY.length}`], BODY + SMUGGLED),
  'a bare line feed in a header': post([`x: y\ncontent-length: 3`, `content-length: ${BODY.length}`], BODY + SMUGGLED),
  'a NUL in a header': post([`x: \0`, `content-length: ${BODY.length}`], BODY + SMUGGLED),
  'a bad chunk size': post(['transfer-encoding: chunked'], `-1\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`),
  'a chunk longer than its size': post(['transfer-encoding: chunked'], `3\r\n${BODY}\r\n0\r\n\r\n${SMUGGLED}`),
  'no host': `GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n${SMUGGLED}`,
  'two hosts': `GET /healthz HTTP/1.1\r\nhost: registry\r\nHost: elsewhere\r\n\r\n${SMUGGLED}`,
  'an encoded transfer': post(['transfer-encoding: gzip, chunked'], `0\r\n\r\n${SMUGGLED}`),
  'an unknown method': `SMUGGLE / HTTP/1.1\r\nhost: registry\r\n\r\n${SMUGGLED}`,
  'no HTTP at all': `\x16\x03\x01\x02\x00${SMUGGLED}`,
};

for (const [name, request] of Object.entries(AMBIGUOUS)) {
  test(`W6: ${name} ends the connection with 400`, async () => {
    const statuses = statusesOf(await answerTo(registry, request));
    assert.deepEqual(statuses, [400]);
  });
}

test('W6: an absolute target is answered by its path, whatever host it names', async () => {
  const request = 'GET http://elsewhere.example/healthz HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n\r\n';
  assert.deepEqual(statusesOf(await answerTo(registry, request)), [200]);
});

test('W5: headers over the limit are refused', async () => {
  const request = `GET /healthz HTTP/1.1\r\nhost: registry\r\nx: ${'a'.repeat(70_000)}\r\n\r\n`;
  // Refused with an answer, or cut off before the answer came through.
  const statuses = statusesOf(await answerTo(registry, request));
  assert.ok(statuses.length === 0 || (statuses.length === 1 && statuses[0] === 431), String(statuses));
});
