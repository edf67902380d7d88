// A large file, from one server: `waybill get` by somebody who has nothing of it, beside `curl`, which believes what it is given.
import { spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { digestOf } from '@waybill/protocol';
import { median, startWaybill } from './servers.mjs';

const COMMAND = path.join(import.meta.dirname, '..', 'packages', 'cli', 'bin', 'waybill.mjs');
const LARGE_BYTES = 100_000_000;
const SMALL_BYTES = 1_000;
const PREAMBLE = Buffer.from('0061736d0d000100', 'hex');

/** Medians of seconds of whole processes; the three take turns. `null` without curl. */
export async function benchGet({ runs, folder, quick }) {
  const below = path.join(folder, 'get');
  mkdirSync(below);
  const server = await startWaybill(path.join(below, 'data'));
  const bytes = quick ? LARGE_BYTES / 10 : LARGE_BYTES;
  try {
    const url = await publishBoth(server.url, below, bytes);
    const seconds = { curl: [], get: [], small: [] };
    for (let turn = 0; turn <= runs; turn++) {
      const curl = await timed('curl', ['-sSf', '-o', path.join(below, 'curl.bin'), url]);
      const get = await timedGet('bench:large', server.url, below);
      const small = await timedGet('bench:small', server.url, below);
      // The first of each warms what others share: the server, and the system's cache of files.
      if (turn === 0) continue;
      seconds.curl.push(curl);
      seconds.get.push(get);
      seconds.small.push(small);
    }
    const [curl, get, small] = [seconds.curl, seconds.get, seconds.small].map(median);
    return { megabytes: bytes / 1e6, curl, get, small };
  } finally {
    await server.stop();
    rmSync(below, { recursive: true });
  }
}

/** A table in Markdown. */
export function getTable({ megabytes, curl, get, small }) {
  const speed = (seconds) => (megabytes / seconds).toFixed(0);
  return [
    '| | s | MB/s | of curl’s |',
    '|---|---|---|---|',
    `| \`curl -o\` | ${curl.toFixed(3)} | ${speed(curl)} | |`,
    `| \`waybill get -o\`, the bytes: without what it takes for ${SMALL_BYTES} bytes | ${(get - small).toFixed(3)} | ${speed(get - small)} | ${(curl / (get - small)).toFixed(2)} |`,
    `| \`waybill get -o\`, the whole process | ${get.toFixed(3)} | ${speed(get)} | ${(curl / get).toFixed(2)} |`,
    `| \`waybill get -o\` of ${SMALL_BYTES} bytes | ${small.toFixed(3)} | | |`,
    '',
    `${megabytes.toFixed(0)} MB that no compression makes smaller, with an empty cache: fetched, hashed, held against the release and the log, kept in the cache, ` +
      'and written. Start of Node.js, first contact, log and proofs are what the small one takes. Aimed at: ≥ 0.8 × for the bytes.',
  ].join('\n');
}

/** The address of the large one's content. */
async function publishBoth(registry, below, bytes) {
  const home = path.join(below, 'author');
  mkdirSync(home);
  await run(process.execPath, [COMMAND, 'key', 'new'], home);
  const operator = ['--registry', registry];
  const contents = { small: component(1, SMALL_BYTES), large: component(2, bytes) };
  for (const [name, content] of Object.entries(contents)) {
    const file = path.join(below, `${name}.bin`);
    writeFileSync(file, content);
    await run(
      process.execPath,
      [COMMAND, 'publish', file, '--package', `bench:${name}`, '--version', '1.0.0', ...operator],
      home,
    );
  }
  return new URL(`content/${digestOf(contents.large).replace(':', '-')}`, registry).href;
}

/** A component with one section that nobody reads, of bytes that no compression makes smaller. */
function component(seed, bytes) {
  const noise = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(bytes));
  const name = Buffer.from('\u0005noise');
  return Buffer.concat([PREAMBLE, Buffer.from([0]), uleb(name.length + noise.length), name, noise]);
}

function uleb(value) {
  return Buffer.from(value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...uleb(Math.floor(value / 0x80))]);
}

/** By somebody who has never been here. */
async function timedGet(name, registry, below) {
  const home = mkdtempSync(path.join(below, 'reader-'));
  const seconds = await timed(
    process.execPath,
    [COMMAND, 'get', name, '-o', path.join(home, 'got.bin'), '--registry', registry],
    home,
  );
  rmSync(home, { recursive: true });
  return seconds;
}

async function timed(file, args, home) {
  const start = performance.now();
  await run(file, args, home);
  return (performance.now() - start) / 1000;
}

async function run(file, args, home = '/') {
  const env = { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: path.join(home, 'cache'), WAYBILL_KEYRING: 'file' };
  const child = spawn(file, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const errors = [];
  child.stderr.on('data', (chunk) => errors.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${Buffer.concat(errors).toString()}`);
}
