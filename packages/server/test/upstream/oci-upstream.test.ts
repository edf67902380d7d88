import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import { test } from 'node:test';
import { isRegistryError, parseNamespace, utf8, type ErrorCode } from '@waybill/protocol';
import { ociDigestOf, parseTag } from '@waybill/protocol/oci';
import type { Upstream, UpstreamPlace } from '../../src/core/upstream-ports.ts';
import { openOciUpstream } from '../../src/upstream/oci-upstream.ts';
import type { Resolver } from '../../src/upstream/upstream-http.ts';
import { addRelease, startFakeUpstream, type Answer } from './fake-upstream.ts';

const REPOSITORY = 'mirror/demo/hello';
const TAG = { tag: parseTag('1.0.0') };
const LAYER = utf8('the layer');

function placeOf(registry: string, more: Partial<UpstreamPlace> = {}): UpstreamPlace {
  return {
    namespace: parseNamespace('demo'),
    registry,
    prefix: 'mirror/',
    isPlainHttp: true,
    hosts: [],
    networks: ['127.0.0.1'],
    credentials: null,
    ...more,
  };
}

function throwsCode(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  return assert.rejects(work, (failure) => isRegistryError(failure) && failure.code === code);
}

async function wholeBlob(upstream: Upstream, size: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const digest = ociDigestOf('sha256', LAYER);
  for await (const chunk of upstream.blob(REPOSITORY, { digest, size })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('manifests, blobs and tags of another registry are read as they are', async (t) => {
  const fake = await startFakeUpstream(t);
  const manifest = addRelease(fake, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  const upstream = openOciUpstream(placeOf(fake.host));
  const found = await upstream.manifest(REPOSITORY, TAG);
  assert.deepEqual(Buffer.from(found?.bytes ?? []), Buffer.from(manifest));
  assert.equal(await upstream.digestOf(REPOSITORY, TAG), ociDigestOf('sha256', manifest));
  assert.deepEqual(await wholeBlob(upstream, LAYER.length), Buffer.from(LAYER));
  assert.deepEqual(await upstream.tags(REPOSITORY), ['1.0.0']);
  assert.equal(await upstream.manifest(REPOSITORY, { tag: parseTag('2.0.0') }), null);
  assert.equal(await upstream.tags('mirror/demo/other'), null);
});

test('a list of tags is read over its pages, and no further than it may be long', async (t) => {
  const fake = await startFakeUpstream(t);
  let endless = false;
  fake.lie = ({ url }, response) => {
    const page = Number(new URL(url ?? '', 'http://x').searchParams.get('last') ?? 0);
    const next = endless || page < 2 ? { link: `</v2/${REPOSITORY}/tags/list?last=${page + 1}>; rel="next"` } : {};
    response.writeHead(200, next).end(JSON.stringify({ tags: [`1.0.${page}`] }));
    return true;
  };
  const upstream = openOciUpstream(placeOf(fake.host));
  assert.deepEqual(await upstream.tags(REPOSITORY), ['1.0.0', '1.0.1', '1.0.2']);
  endless = true;
  await throwsCode(upstream.tags(REPOSITORY), 'upstream/failed');
});

const LIES: readonly (readonly [title: string, lie: Answer])[] = [
  [
    'a body without end',
    (_request, response) => {
      response.writeHead(200);
      const write = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536), () => setImmediate(write));
      };
      write();
      return true;
    },
  ],
  [
    'a length that is too long',
    (_request, response) => {
      response.writeHead(200, { 'content-length': 5 * 1024 * 1024 });
      response.end(Buffer.alloc(5 * 1024 * 1024));
      return true;
    },
  ],
  [
    'a body that ends early',
    (_request, response) => {
      response.writeHead(200, { 'content-length': LAYER.length });
      response.write('the', () => response.destroy());
      return true;
    },
  ],
  [
    'an encoding that nobody asked for',
    (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(1_000_000)));
      return true;
    },
  ],
  [
    'a failure',
    (_request, response) => {
      response.writeHead(500).end();
      return true;
    },
  ],
  [
    'a challenge that cannot be answered',
    (_request, response) => {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      return true;
    },
  ],
  [
    'a circle of redirects',
    ({ url }, response) => {
      response.writeHead(307, { location: url ?? '/' }).end();
      return true;
    },
  ],
  [
    'no HTTP',
    ({ socket }) => {
      socket.end('hello\r\n');
      return true;
    },
  ],
];

for (const [title, lie] of LIES) {
  test(`W3: another registry that answers with ${title} gives nothing`, async (t) => {
    const fake = await startFakeUpstream(t);
    fake.lie = lie;
    const upstream = openOciUpstream(placeOf(fake.host));
    await throwsCode(upstream.manifest(REPOSITORY, TAG), 'upstream/failed');
    await throwsCode(wholeBlob(upstream, LAYER.length), 'upstream/failed');
  });
}

test('a blob of another size than its manifest says is not taken', async (t) => {
  const fake = await startFakeUpstream(t);
  addRelease(fake, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  const upstream = openOciUpstream(placeOf(fake.host));
  await throwsCode(wholeBlob(upstream, LAYER.length - 1), 'upstream/failed');
  await throwsCode(wholeBlob(upstream, LAYER.length + 1), 'upstream/failed');
});

const PLACES: readonly string[] = [
  'http://169.254.169.254/latest/meta-data/',
  'http://2130706433/',
  'http://0x7f000001/',
  'http://[::ffff:127.0.0.1]/',
  'http://[::1]/',
  'http://localhost/',
  'http://evil.example/',
  'https://evil.example/',
  'file:///etc/passwd',
  'ftp://127.0.0.1/',
  'data:text/plain,hello',
  '//evil.example/',
];

for (const place of PLACES) {
  test(`W1: a redirect to ${place} is not followed`, async (t) => {
    const fake = await startFakeUpstream(t);
    fake.lie = (_request, response) => {
      response.writeHead(307, { location: place }).end();
      return true;
    };
    const resolved: string[] = [];
    const resolve: Resolver = async (hostname) => {
      resolved.push(hostname);
      return [{ address: '127.0.0.1', family: 4 }];
    };
    await throwsCode(openOciUpstream(placeOf(fake.host), resolve).manifest(REPOSITORY, TAG), 'upstream/refused');
    assert.deepEqual(resolved, []);
  });
}

test('W1: a redirect to a host that is named is followed, without the credentials of the first', async (t) => {
  const [fake, store] = [await startFakeUpstream(t), await startFakeUpstream(t)];
  addRelease(store, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  const shown: (string | undefined)[] = [];
  fake.lie = ({ url, headers }, response) => {
    shown.push(headers.authorization);
    if (headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else response.writeHead(307, { location: `http://${store.host}${url}` }).end();
    return true;
  };
  store.lie = ({ headers }) => {
    assert.equal(headers.authorization, undefined);
    return false;
  };
  const credentials = { username: 'me', password: 'secret' };
  const upstream = openOciUpstream(placeOf(fake.host, { hosts: [store.host], credentials }));
  assert.notEqual(await upstream.manifest(REPOSITORY, TAG), null);
  assert.deepEqual(shown, [undefined, `Basic ${Buffer.from('me:secret').toString('base64')}`]);
});

test('W1: what a redirect ends at does not say where the password of the first goes', async (t) => {
  const [fake, store] = [await startFakeUpstream(t), await startFakeUpstream(t)];
  const shown: (string | undefined)[] = [];
  fake.lie = ({ url }, response) => {
    response.writeHead(307, { location: `http://${store.host}${url}` }).end();
    return true;
  };
  store.lie = ({ headers }, response) => {
    shown.push(headers.authorization);
    response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${store.host}/token"` }).end();
    return true;
  };
  const credentials = { username: 'me', password: 'secret' };
  const upstream = openOciUpstream(placeOf(fake.host, { hosts: [store.host], credentials }));
  await throwsCode(upstream.manifest(REPOSITORY, TAG), 'upstream/failed');
  assert.deepEqual(shown, [undefined]);
});

test('a page with more tags than a list may have is refused for that', async (t) => {
  const fake = await startFakeUpstream(t);
  const bytes = utf8(JSON.stringify({ tags: Array.from({ length: 500_000 }, () => 'a') }));
  fake.files.set(`/v2/${REPOSITORY}/tags/list`, { bytes, type: 'application/json' });
  await throwsCode(openOciUpstream(placeOf(fake.host)).tags(REPOSITORY), 'upstream/failed');
});

test('W1: an address is named by its network, not by its host', async (t) => {
  const fake = await startFakeUpstream(t);
  await throwsCode(openOciUpstream(placeOf(fake.host, { networks: [] })).manifest(REPOSITORY, TAG), 'upstream/refused');
  assert.deepEqual(fake.requests, []);
});

test('W1: a name is resolved for each connection, and what it then means is connected to or refused', async (t) => {
  const fake = await startFakeUpstream(t);
  addRelease(fake, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  const port = new URL(`http://${fake.host}`).port;
  // The second answer is another one, as of whoever hopes that the first was only looked at.
  const answers = ['127.0.0.1', '127.0.0.2', '169.254.169.254', '::1', '::ffff:127.0.0.2'];
  const asked: string[] = [];
  const resolve: Resolver = async (hostname) => {
    asked.push(hostname);
    const address = answers[asked.length - 1] ?? '';
    return [{ address, family: address.includes(':') ? 6 : 4 }];
  };
  const upstream = openOciUpstream(placeOf(`registry.example:${port}`), resolve);
  assert.notEqual(await upstream.manifest(REPOSITORY, TAG), null);
  for (let i = 1; i < answers.length; i++) await throwsCode(upstream.manifest(REPOSITORY, TAG), 'upstream/refused');
  assert.equal(asked.length, answers.length);
  assert.equal(fake.requests.length, 1);
});

test('W1: of the addresses of a name those that may not be connected to are left out', async (t) => {
  const fake = await startFakeUpstream(t);
  addRelease(fake, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  const port = new URL(`http://${fake.host}`).port;
  const resolve: Resolver = async () => [
    { address: '169.254.169.254', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ];
  const upstream = openOciUpstream(placeOf(`registry.example:${port}`), resolve);
  assert.notEqual(await upstream.manifest(REPOSITORY, TAG), null);
});

test('W1: a name without an address fails', async () => {
  const resolve: Resolver = async () => [];
  await throwsCode(openOciUpstream(placeOf('registry.example'), resolve).tags(REPOSITORY), 'upstream/refused');
});

test('W1: plain http is taken where it is said only', async (t) => {
  const fake = await startFakeUpstream(t);
  const upstream = openOciUpstream(placeOf(fake.host, { isPlainHttp: false }));
  // TLS fails at a server that has none.
  await throwsCode(upstream.manifest(REPOSITORY, TAG), 'upstream/failed');
  assert.deepEqual(fake.requests, []);
});

test('a token is fetched from where the registry says, for pulling this repository and nothing more', async (t) => {
  const [fake, other] = [await startFakeUpstream(t), await startFakeUpstream(t)];
  addRelease(fake, { repository: REPOSITORY, tag: '1.0.0', layer: LAYER });
  let realm = `http://${fake.host}/token`;
  fake.lie = ({ url, headers }, response) => {
    if (url?.startsWith('/token')) {
      assert.equal(new URL(url, 'http://x').searchParams.get('scope'), `repository:${REPOSITORY}:pull`);
      response.writeHead(200).end(JSON.stringify({ token: 'abc', expires_in: 300 }));
      return true;
    }
    if (headers.authorization === 'Bearer abc') return false;
    const challenge = `Bearer realm="${realm}",service="x",scope="repository:${REPOSITORY}:pull,push repository:all:*"`;
    response.writeHead(401, { 'www-authenticate': challenge }).end();
    return true;
  };
  const upstream = openOciUpstream(placeOf(fake.host));
  assert.notEqual(await upstream.manifest(REPOSITORY, TAG), null);
  assert.deepEqual(await upstream.tags(REPOSITORY), ['1.0.0']);
  assert.equal(fake.requests.filter((line) => line.includes('/token')).length, 1);

  realm = `http://${other.host}/token`;
  await throwsCode(openOciUpstream(placeOf(fake.host)).manifest(REPOSITORY, TAG), 'upstream/refused');
  assert.deepEqual(other.requests, []);
});
