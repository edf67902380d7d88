// OCI clients against a running registry: `node bench/oci-load.mjs --url URL --repositories plain/r1- --clients 8 --artifacts 40 --bytes 20000`.
// Each client has a repository of its own. All push their artifacts, then all pull them, as oras does: for a blob a POST and a PUT with
// all of it, over a connection that is kept. With `--blob BYTES` it is one blob instead, streamed up and down.
// Prints one line of JSON.
import { createHash, randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { Readable } from 'node:stream';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    /** What the names of all repositories begin with. */
    repositories: { type: 'string' },
    clients: { type: 'string', default: '8' },
    /** Of each client; as many again as `--warmup` says come before, and are not counted. */
    artifacts: { type: 'string', default: '10' },
    warmup: { type: 'string', default: '2' },
    bytes: { type: 'string', default: '20000' },
    blob: { type: 'string', default: '0' },
  },
});
const CLIENTS = Number(values.clients);
const WARMUP = Number(values.warmup);
const BLOB_BYTES = Number(values.blob);
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const MODULE = Buffer.from('0061736d01000000', 'hex');
const PIECE_BYTES = 1 << 20;

const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS, maxFreeSockets: CLIENTS });
console.log(JSON.stringify(BLOB_BYTES > 0 ? await measureBlob() : await measureArtifacts()));
agent.destroy();

async function measureArtifacts() {
  const clients = Array.from({ length: CLIENTS }, (_, i) => artifactsOf(`${values.repositories}${i}`));
  await Promise.all(clients.map((artifacts) => inTurn(artifacts.slice(0, WARMUP), push)));
  const counted = clients.map((artifacts) => artifacts.slice(WARMUP));
  const pushSeconds = await secondsOf(() => Promise.all(counted.map((artifacts) => inTurn(artifacts, push))));
  await Promise.all(clients.map((artifacts) => inTurn(artifacts.slice(0, WARMUP), pull)));
  const pullSeconds = await secondsOf(() => Promise.all(counted.map((artifacts) => inTurn(artifacts, pull))));
  const count = counted.flat().length;
  return { pushPerSecond: count / pushSeconds, pullPerSecond: count / pullSeconds };
}

/** Made before anything is measured: this machine is the client's, too. */
function artifactsOf(repository) {
  return Array.from({ length: WARMUP + Number(values.artifacts) }, (_, i) => {
    const layer = moduleOf(Number(values.bytes));
    const layerDigest = digestOf(layer);
    const config = Buffer.from(
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
      config: {
        mediaType: 'application/vnd.wasm.config.v0+json',
        digest: digestOf(config),
        size: config.length,
      },
      layers: [{ mediaType: 'application/wasm', digest: layerDigest, size: layer.length }],
    };
    const blobs = [layer, config].map((bytes) => ({ bytes, digest: digestOf(bytes) }));
    return { repository, tag: `${i + 1}.0.0`, blobs, manifest: Buffer.from(JSON.stringify(manifest)) };
  });
}

/** A module with one custom section of random bytes. */
function moduleOf(bytes) {
  const payload = Buffer.concat([Buffer.from([1, 0x78]), randomBytes(bytes)]);
  return Buffer.concat([MODULE, Buffer.from([0]), uleb(payload.length), payload]);
}

function uleb(value) {
  const bytes = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

async function push({ repository, tag, blobs, manifest }) {
  for (const { bytes, digest } of blobs) await pushBlob(repository, digest, bytes);
  const route = `/v2/${repository}/manifests/${tag}`;
  const headers = { 'content-type': MANIFEST_TYPE, 'content-length': manifest.length };
  expect(await send('PUT', route, { headers, body: manifest }), 201);
}

async function pushBlob(repository, digest, body, length = body.length) {
  const started = await send('POST', `/v2/${repository}/blobs/uploads/`, { headers: { 'content-length': 0 } });
  expect(started, 202);
  const place = new URL(started.headers.location, values.url);
  place.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': length };
  expect(await send('PUT', place.href, { headers, body }), 201);
}

async function pull({ repository, tag, blobs, manifest }) {
  const headers = { accept: MANIFEST_TYPE };
  const found = await send('GET', `/v2/${repository}/manifests/${tag}`, { headers });
  expect(found, 200);
  if (found.bytes !== manifest.length) throw new Error(`the manifest has ${found.bytes} bytes`);
  for (const { bytes, digest } of blobs) await pullBlob(repository, digest, bytes.length);
}

async function pullBlob(repository, digest, length) {
  const found = await send('GET', `/v2/${repository}/blobs/${digest}`);
  expect(found, 200);
  if (found.bytes !== length) throw new Error(`the blob has ${found.bytes} bytes`);
}

/** One blob that no memory holds: pieces of random bytes, each with its number. */
async function measureBlob() {
  const piece = randomBytes(PIECE_BYTES);
  const pieces = function* () {
    for (let i = 0; i < BLOB_BYTES / PIECE_BYTES; i++) {
      piece.writeUInt32LE(i);
      yield Buffer.from(piece);
    }
  };
  const hash = createHash('sha256');
  for (const each of pieces()) hash.update(each);
  const digest = `sha256:${hash.digest('hex')}`;
  const repository = `${values.repositories}0`;
  const length = Math.ceil(BLOB_BYTES / PIECE_BYTES) * PIECE_BYTES;
  const upSeconds = await secondsOf(() => pushBlob(repository, digest, Readable.from(pieces()), length));
  const downSeconds = await secondsOf(() => pullBlob(repository, digest, length));
  return { upMbPerSecond: length / 1e6 / upSeconds, downMbPerSecond: length / 1e6 / downSeconds };
}

function send(method, route, { headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(new URL(route, values.url), { method, agent, headers }, (answer) => {
      let bytes = 0;
      let text = '';
      answer.on('data', (chunk) => {
        bytes += chunk.length;
        if (answer.statusCode >= 300) text += String(chunk);
      });
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, bytes, text }));
    });
    sent.on('error', reject);
    if (body instanceof Readable) body.pipe(sent);
    else sent.end(body);
  });
}

function expect({ status, text }, expected) {
  if (status !== expected) throw new Error(`${status} instead of ${expected}: ${text}`);
}

function digestOf(bytes) {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function inTurn(list, act) {
  for (const each of list) await act(each);
}

async function secondsOf(act) {
  const startedMs = performance.now();
  await act();
  return (performance.now() - startedMs) / 1_000;
}
