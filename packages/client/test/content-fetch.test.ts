import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, isRegistryError, utf8, type Digest } from '@waybill/protocol';
import { fetchContent } from '../src/content-fetch.ts';
import type { ContentCache } from '../src/ports.ts';
import { RegistryApi } from '../src/registry-api.ts';
import { Transport, TRANSPORT_LIMITS } from '../src/transport.ts';

const CONTENT = utf8('content');
const DIGEST = digestOf(CONTENT);
/** Not a place, whatever it is read from: no host, a number too large for an address, a host that ends in a number, no web. */
const NO_PLACES = ['http://', 'http://127.0.0.256/', 'http://q27.0.0.1:45011/', 'file:///etc/passwd', 'data:,content'];

/** A registry that names `urls` for {@link DIGEST}, and has the content at `/content` alone. */
function partsOver(urls: readonly string[]) {
  const asked: string[] = [];
  const kept: Digest[] = [];
  const cache: ContentCache = {
    parts: null,
    read: async () => null,
    size: async () => null,
    writer: async (digest) => ({
      write: async () => undefined,
      keep: async () => void kept.push(digest),
      discard: async () => undefined,
    }),
    forget: async () => undefined,
  };
  const sources = urls.map((url) => ({ type: 'httpGet', url, acceptRanges: false }));
  const fetch = async (url: string): Promise<Response> => {
    asked.push(url);
    if (url.endsWith('/content')) return new Response(CONTENT.slice());
    if (url.endsWith('/withheld'))
      return Response.json({ status: 451, message: 'by order of a court' }, { status: 451 });
    return Response.json({ contentSources: { [DIGEST]: sources } });
  };
  const api = new RegistryApi(new Transport(new URL('http://registry.test/'), fetch, {}, TRANSPORT_LIMITS));
  return { asked, kept, parts: { client: { api }, cache, onProgress: () => undefined } };
}

test('a source that is no place on the web is a fault of the registry, and is not asked (threats T1, W1)', async () => {
  for (const url of NO_PLACES) {
    const { asked, kept, parts } = partsOver([url]);
    await assert.rejects(fetchContent(DIGEST, parts), (thrown) => isRegistryError(thrown, 'registry/protocol'), url);
    assert.deepEqual({ asked: asked.length, kept }, { asked: 1, kept: [] });
  }
});

test('the sources after it are tried', async () => {
  const { kept, parts } = partsOver([...NO_PLACES, 'content']);
  await fetchContent(DIGEST, parts);
  assert.deepEqual(kept, [DIGEST]);
});

test('a fault of this machine is told at once, and no other source is asked for it', async () => {
  const { asked, parts } = partsOver(['content', 'content']);
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const writer = async () => ({
    write: () => Promise.reject(full),
    keep: async () => undefined,
    discard: async () => undefined,
  });
  const cache: ContentCache = { ...parts.cache, writer };
  await assert.rejects(fetchContent(DIGEST, { ...parts, cache }), full);
  assert.equal(asked.filter((url) => url.endsWith('/content')).length, 1);
});

test('content that a source withholds comes from another, or the refusal is told as it was said', async () => {
  const { kept, parts } = partsOver(['withheld', 'content']);
  await fetchContent(DIGEST, parts);
  assert.deepEqual(kept, [DIGEST]);
  const withheld = fetchContent(DIGEST, partsOver(['withheld']).parts);
  await assert.rejects(
    withheld,
    (thrown) => isRegistryError(thrown, 'registry/refused') && thrown.detail['status'] === 451,
  );
});
