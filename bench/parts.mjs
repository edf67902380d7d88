// Content from parts: the client puts a file together from what its cache has, and the server one that it keeps as slices of
// another. Beside each, the same machine's copy and read of a whole file, hashed as well.
import { createCipheriv, createHash } from 'node:crypto';
import { createReadStream, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fetchContent, RegistryApi, Transport, TRANSPORT_LIMITS } from '@waybill/client';
import { fileWriter, openContentCache } from '@waybill/client/node';
import { digestHex, digestOf } from '@waybill/protocol';
import { ContentSplitter, encodePartsList } from '@waybill/protocol/content';
import { openContentFiles, openContentSharing } from '@waybill/server';
import { median } from './servers.mjs';

/** Modules of 12 MB in a component. */
const SIZES = [1, 8];
const CODE_BYTES = 7_000_000;
const DATA_BYTES = 5_000_000;
/** Changes in a module, as a heap that is stored anew has them. */
const CHANGES = 200;

const MODULE = Buffer.from('0061736d01000000', 'hex');
const COMPONENT = Buffer.from('0061736d0d000100', 'hex');

/** Medians of MB/s by size; ours and the plain one take turns. */
export async function benchParts({ runs, folder, quick }) {
  const rows = [];
  for (const modules of quick ? SIZES.slice(0, 1) : SIZES) {
    const below = path.join(folder, `parts-${modules}`);
    mkdirSync(below);
    const wanted = component(modules, () => true);
    const client = await openClient(path.join(below, 'client'), wanted, modules);
    const server = await openServer(path.join(below, 'server'), wanted, component(modules, isEven));
    rows.push({
      megabytes: wanted.length / 1e6,
      parts: partsOf(wanted).length,
      slices: server.slices,
      client: await turns(runs, wanted.length, client),
      server: await turns(runs, wanted.length, server),
    });
    rmSync(below, { recursive: true });
  }
  return rows;
}

/** A table in Markdown. */
export function partsTable(rows) {
  const cells = ({ ours, plain }) => `${ours.toFixed(0)} | ${plain.toFixed(0)} | ${(ours / plain).toFixed(2)}`;
  return [
    '| MB | parts | client: from parts, MB/s | copy, MB/s | of that | MB for a second of CPU | slices | server: from slices, MB/s | whole file, MB/s | of that |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ megabytes, parts, slices, client, server }) =>
        `| ${megabytes.toFixed(0)} | ${parts} | ${cells(client)} | ${client.oursOfCpu.toFixed(0)} | ${slices} | ${cells(server)} |`,
    ),
    '',
    'Client: from a list and two cached contents, whose lists are kept and which have the changed parts by turns, to the file under its name: found, put ' +
      'together, hashed and synced. Copy: one cached content through the same writer, hashed and synced. Server: everything read and hashed; whole file: the base of the slices.',
  ].join('\n');
}

const isEven = (change) => change % 2 === 0;

/** A component of modules with code and data, in which some of the changes are made. */
function component(modules, isMade) {
  const sections = Array.from({ length: modules }, (_, i) => {
    const [code, data] = [noise(2 * i, CODE_BYTES), noise(2 * i + 1, DATA_BYTES)];
    for (let change = 0; change < CHANGES; change++) {
      if (isMade(change)) data[Math.floor((change * DATA_BYTES) / CHANGES)] ^= 1;
    }
    return section(1, Buffer.concat([MODULE, section(10, code), section(11, data)]));
  });
  return Buffer.concat([COMPONENT, ...sections]);
}

function noise(seed, bytes) {
  return createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

function section(id, contents) {
  const head = [id];
  let left = contents.length;
  for (; left >= 128; left = Math.floor(left / 128)) head.push((left % 128) | 128);
  return Buffer.concat([Buffer.from([...head, left]), contents]);
}

function partsOf(content) {
  const splitter = new ContentSplitter();
  splitter.update(content);
  return splitter.finish();
}

async function openClient(folder, wanted, modules) {
  const cache = openContentCache(folder);
  const cached = [component(modules, isEven), component(modules, (change) => !isEven(change))];
  for (const bytes of cached) await kept(await cache.writer(digestOf(bytes)), bytes);
  const digest = digestOf(wanted);
  const list = encodePartsList(partsOf(wanted));
  const fetch = async (url, { method }) => {
    if (method === 'POST' && url.endsWith('/parts')) throw new Error('parts were asked for that the cache has');
    if (url.endsWith('/parts')) return new Response(list);
    const source = { type: 'httpGet', url: 'whole', size: wanted.length };
    return Response.json({ contentSources: { [digest]: [source] } });
  };
  const api = new RegistryApi(new Transport(new URL('http://registry.test/'), fetch, {}, TRANSPORT_LIMITS));
  const copied = path.join(folder, 'sha256', digestHex(digestOf(cached[0])));
  return {
    before: () => cache.forget(digest),
    ours: () => fetchContent(digest, { client: { api }, cache, onProgress: () => undefined }),
    plain: () => copy(copied, path.join(folder, 'copy')),
  };
}

async function kept(writer, bytes) {
  await writer.write(bytes);
  await writer.keep();
}

async function copy(from, to) {
  const writer = await fileWriter(to);
  await hashed(createReadStream(from, { highWaterMark: 1024 * 1024 }), (chunk) => writer.write(chunk));
  await writer.keep();
}

async function hashed(chunks, onChunk = async () => undefined) {
  const hash = createHash('sha256');
  for await (const chunk of chunks) {
    hash.update(chunk);
    await onChunk(chunk);
  }
  return `sha256:${hash.digest('hex')}`;
}

async function openServer(folder, wanted, base) {
  const content = await openContentFiles(folder);
  const [digest, baseDigest] = [digestOf(wanted), digestOf(base)];
  for (const [name, bytes] of [
    [digest, wanted],
    [baseDigest, base],
  ]) {
    const upload = await content.startUpload();
    await upload.write(bytes);
    await upload.keep(name);
  }
  const slices = slicesOf(partsOf(wanted), partsOf(base));
  await openContentSharing(folder).share(digest, baseDigest, slices);
  const read = async (name, end) => {
    if ((await hashed(content.read(name, { start: 0, end }))) !== name) throw new Error(`${name} was read wrong`);
  };
  return {
    slices: slices.length,
    before: async () => undefined,
    ours: () => read(digest, wanted.length),
    plain: () => read(baseDigest, base.length),
  };
}

/** As the server finds them: parts in a row of the base, or of its own. */
function slicesOf(parts, baseParts) {
  const starts = new Map();
  let at = 0;
  for (const { digest, length } of baseParts) {
    starts.set(digest, at);
    at += length;
  }
  const slices = [];
  for (const { digest, length } of parts) {
    const baseStart = starts.get(digest) ?? null;
    const last = slices.at(-1);
    const goesOn =
      last !== undefined && (baseStart === null ? last.baseStart === null : last.baseStart + last.length === baseStart);
    if (goesOn && (baseStart === null || last.baseStart !== null)) last.length += length;
    else slices.push({ baseStart, length });
  }
  return slices;
}

/** After one round that nobody counts: it makes the lists, and warms what a long process has warm. */
async function turns(runs, bytes, { before, ours, plain }) {
  const speeds = { ours: [], plain: [] };
  const oursOfCpu = [];
  for (let run = 0; run <= runs; run++) {
    for (const [name, work] of Object.entries({ ours, plain })) {
      await before();
      const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
      await work();
      const { user, system } = process.cpuUsage(cpu);
      if (run > 0 && name === 'ours') oursOfCpu.push(bytes / (user + system));
      if (run > 0) speeds[name].push(bytes / 1e3 / (performance.now() - startedMs));
    }
  }
  return { ours: median(speeds.ours), plain: median(speeds.plain), oursOfCpu: median(oursOfCpu) };
}
