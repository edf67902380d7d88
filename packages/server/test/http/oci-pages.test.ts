import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { digestOf, disposeCore } from '../core/oci/oci-world.ts';
import { assertOciError, basic, OciServer } from './oci-server.ts';

const EVIL = 'https://evil.example';

let server: OciServer;

before(async () => {
  server = await OciServer.start({ tokenPolicy: 'optional', login: 'basic' });
});
after(async () => {
  await server.stop();
  await disposeCore();
});

test('W13: a page from anywhere may read, with nothing that the browser adds', async () => {
  const digest = await server.pushBlob('plain/pages', 'x', basic((await server.token()).text));
  for (const target of [`/v2/plain/pages/blobs/${digest}`, '/v2/', '/v2/_catalog', '/oci/token', '/v2/nothing']) {
    const { headers } = await server.get(target, { origin: EVIL });
    assert.equal(headers['access-control-allow-origin'], '*');
    assert.equal(headers['access-control-allow-credentials'], undefined);
    assert.match(String(headers['access-control-expose-headers']), /docker-content-digest/);
    assert.equal(headers['set-cookie'], undefined);
  }
  const headers = { origin: EVIL, 'access-control-request-method': 'PUT' };
  const preflight = await server.send('OPTIONS', '/v2/plain/pages/manifests/x', { headers });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-methods'], 'GET,HEAD');
});

/** How a browser marks what a page of somebody else makes it send: a form, an image, a script. */
const FOREIGN: readonly Readonly<Record<string, string>>[] = [
  { origin: EVIL },
  { origin: 'null' },
  { origin: EVIL, 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
];

test('W13: no page of another origin writes, with the password that the browser keeps or on a server open to all', async () => {
  const { text } = await server.token();
  for (const credentials of [{}, basic(text)]) {
    for (const foreign of FOREIGN) {
      const content = JSON.stringify(foreign) + JSON.stringify(credentials);
      const digest = digestOf(content);
      const headers = { ...foreign, ...credentials, 'content-type': 'text/plain' };
      for (const [method, target] of [
        ['POST', `/v2/plain/pages/blobs/uploads/?digest=${digest}`],
        ['POST', '/v2/plain/pages/blobs/uploads/'],
        ['PUT', '/v2/plain/pages/manifests/x'],
        ['DELETE', `/v2/plain/pages/blobs/${digest}`],
        ['POST', '/oci/token'],
      ] as const) {
        const answer = await server.send(method, target, { body: content, headers });
        assertOciError(answer, 403, 'DENIED');
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
      assert.equal((await server.send('HEAD', `/v2/plain/pages/blobs/${digest}`)).status, 404);
    }
  }
});

test('W13: pages of the server itself, and what is no browser, write', async () => {
  for (const own of [
    {},
    { origin: server.url.origin, 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ]) {
    await server.pushBlob('plain/pages', JSON.stringify(own), own);
  }
});
