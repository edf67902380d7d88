import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { utf8 } from '@waybill/protocol';
import { ociDigestOf } from '@waybill/protocol/oci';

/** Answers a request, or leaves it to the next. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

/** A tiny registry that serves what it is given, and lies where it is told to. */
export interface FakeUpstream {
  readonly host: string;
  readonly requests: string[];
  /** Path → bytes and type. */
  readonly files: Map<string, { readonly bytes: Uint8Array; readonly type: string }>;
  /** Asked before the files. */
  lie: Answer;
  stop(): Promise<void>;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

export async function startFakeUpstream(t: TestContext): Promise<FakeUpstream> {
  const requests: string[] = [];
  const files: FakeUpstream['files'] = new Map();
  const upstream: { lie: Answer } = { lie: () => false };
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (upstream.lie(request, response)) return;
    const found = files.get(request.url ?? '');
    if (found === undefined) {
      response.writeHead(404).end();
      return;
    }
    const digest = ociDigestOf('sha256', found.bytes);
    response.writeHead(200, {
      'content-type': found.type,
      'content-length': found.bytes.length,
      'docker-content-digest': digest,
    });
    response.end(request.method === 'HEAD' ? undefined : found.bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no address');
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  return Object.assign(upstream, { host: `127.0.0.1:${address.port}`, requests, files, stop });
}

/** Puts a release there as wkg would, and gives its manifest. */
export function addRelease(
  { files }: Pick<FakeUpstream, 'files'>,
  { repository, tag, layer }: { readonly repository: string; readonly tag: string; readonly layer: Uint8Array },
): Uint8Array {
  const config = utf8(JSON.stringify({ architecture: 'wasm', os: 'wasip2', made: tag }));
  const descriptor = (bytes: Uint8Array, mediaType: string) => ({
    mediaType,
    digest: ociDigestOf('sha256', bytes),
    size: bytes.length,
  });
  const manifest = utf8(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: descriptor(config, 'application/vnd.wasm.config.v0+json'),
      layers: [descriptor(layer, 'application/wasm')],
    }),
  );
  for (const bytes of [config, layer]) {
    files.set(`/v2/${repository}/blobs/${ociDigestOf('sha256', bytes)}`, { bytes, type: 'application/octet-stream' });
  }
  files.set(`/v2/${repository}/manifests/${tag}`, { bytes: manifest, type: MANIFEST });
  const listed = files.get(`/v2/${repository}/tags/list`)?.bytes;
  const before: { tags: string[] } = listed === undefined ? { tags: [] } : JSON.parse(new TextDecoder().decode(listed));
  const bytes = utf8(JSON.stringify({ name: repository, tags: [...before.tags, tag] }));
  files.set(`/v2/${repository}/tags/list`, { bytes, type: 'application/json' });
  return manifest;
}
