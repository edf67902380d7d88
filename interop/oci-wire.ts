import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { RegistryError, utf8Text } from '@waybill/protocol';
import { WASM_CONFIG_TYPE, WASM_TYPE } from './oci-tools.ts';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** What was pushed under a tag. */
export interface Pushed {
  readonly repository: string;
  readonly tag: string;
  readonly manifestDigest: string;
  readonly layerDigest: string;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

/** How one manifest was answered. */
export interface PushAnswer {
  readonly status: number;
  readonly text: string;
  readonly pushed: Pushed;
}

/** OCI over plain HTTP, a request at a time: what clients do, without what they do besides. */
export class OciWire {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  send(
    method: string,
    target: string,
    body?: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    return fetch(new URL(target, this.#url), {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    });
  }

  /** A new upload: where its bytes go. */
  async startUpload(repository: string): Promise<string> {
    const answer = await this.send('POST', `/v2/${repository}/blobs/uploads/`);
    await expectStatus(answer, 202);
    return locationOf(answer);
  }

  /** Gives where the next bytes go. */
  async append(location: string, bytes: Uint8Array): Promise<string> {
    const answer = await this.send('PATCH', location, bytes, { 'content-type': 'application/octet-stream' });
    await expectStatus(answer, 202);
    return locationOf(answer);
  }

  async finish(location: string, digest: string): Promise<void> {
    const target = `${location}${location.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`;
    await expectStatus(await this.send('PUT', target), 201);
  }

  async pushBlob(repository: string, bytes: Uint8Array): Promise<string> {
    const digest = sha256(bytes);
    await this.finish(await this.append(await this.startUpload(repository), bytes), digest);
    return digest;
  }

  /** A module, as `wkg` lays it out, without its tag. */
  async prepare(repository: string, layer: Uint8Array): Promise<Uint8Array> {
    const layerDigest = await this.pushBlob(repository, layer);
    const config = new TextEncoder().encode(
      JSON.stringify({
        created: '2026-01-01T00:00:00Z',
        architecture: 'wasm',
        os: 'wasip2',
        layerDigests: [layerDigest],
        component: { exports: [], imports: [] },
      }),
    );
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: WASM_CONFIG_TYPE, digest: await this.pushBlob(repository, config), size: config.length },
      layers: [{ mediaType: WASM_TYPE, digest: layerDigest, size: layer.length }],
    };
    return new TextEncoder().encode(JSON.stringify(manifest));
  }

  async putManifest(repository: string, tag: string, manifest: Uint8Array): Promise<PushAnswer> {
    const answer = await this.send('PUT', `/v2/${repository}/manifests/${tag}`, manifest, {
      'content-type': MANIFEST_TYPE,
    });
    const [layer = assert.fail('a manifest without a layer')] = namedBy(manifest).slice(1);
    const pushed = { repository, tag, manifestDigest: sha256(manifest), layerDigest: layer.digest };
    return { status: answer.status, text: await answer.text(), pushed };
  }

  async push(repository: string, tag: string, layer: Uint8Array): Promise<PushAnswer> {
    return this.putManifest(repository, tag, await this.prepare(repository, layer));
  }

  async repositories(): Promise<string[]> {
    return this.#names('/v2/_catalog', 'repositories');
  }

  async tags(repository: string): Promise<string[]> {
    return this.#names(`/v2/${repository}/tags/list`, 'tags');
  }

  async #names(target: string, field: 'repositories' | 'tags'): Promise<string[]> {
    const answer = await this.send('GET', target);
    await expectStatus(answer, 200);
    const body: unknown = await answer.json();
    const list: unknown = typeof body === 'object' && body !== null && field in body ? Reflect.get(body, field) : null;
    if (!Array.isArray(list)) throw new TypeError(`${target} is answered without ${field}`);
    return list.map(String);
  }

  async bytes(target: string): Promise<Uint8Array> {
    const answer = await this.send('GET', target, undefined, { accept: MANIFEST_TYPE });
    await expectStatus(answer, 200);
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** Reads everything that a tag leads to; each is what its digest says. */
  async readWhole(repository: string, tag: string): Promise<Pushed> {
    const manifest = await this.bytes(`/v2/${repository}/manifests/${tag}`);
    const named = namedBy(manifest);
    for (const { digest, size } of named) {
      const bytes = await this.bytes(`/v2/${repository}/blobs/${digest}`);
      assert.equal(sha256(bytes), digest, `${repository}:${tag}`);
      assert.equal(bytes.length, size, `${repository}:${tag}`);
    }
    const layerDigest = named[1]?.digest ?? assert.fail(`${repository}:${tag} has no layer`);
    return { repository, tag, manifestDigest: sha256(manifest), layerDigest };
  }
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The configuration, then the layers. */
function namedBy(manifest: Uint8Array): Descriptor[] {
  const value: { config: Descriptor; layers: Descriptor[] } = JSON.parse(utf8Text(manifest) ?? '');
  return [value.config, ...value.layers];
}

function locationOf(answer: Response): string {
  return answer.headers.get('location') ?? assert.fail('an answer without a Location');
}

async function expectStatus(answer: Response, status: number): Promise<void> {
  if (answer.status === status) return;
  throw new RegistryError('registry/refused', `${answer.url}: ${answer.status} ${await answer.text()}`);
}
