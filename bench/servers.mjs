// Registries in processes of their own, for what is measured from outside: ours, and the Rust one where it is built.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { formatPrivateKey, privateKeyFromRandom } from '@waybill/protocol';

const START_MS_MAX = 20_000;
const CHECKPOINT = 'v1/fetch/checkpoint';
const TICKS_PER_SECOND = 100;
/** What `load.mjs` prints when it begins to count. */
export const COUNTING_LINE = 'counting';

/** Ours on `data`, with the namespace `bench`: address, process and the milliseconds until it answered. */
export async function startWaybill(data, args = []) {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'serve.mjs'), data, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.setEncoding('utf8');
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  if (typeof line !== 'string') throw new Error('the server did not start');
  const url = line.trim();
  await untilServing(url, child, CHECKPOINT);
  return { url, pid: child.pid, startMs: performance.now() - startedMs, stop: () => stop(child) };
}

/** Where a peer's program is; `null` when `node interop/peers.mjs` has not built it. */
export function findPeer(name) {
  const peers = path.join(import.meta.dirname, '..', 'interop', 'peers.mjs');
  return JSON.parse(execFileSync(process.execPath, [peers, '--list'], { encoding: 'utf8' }))[name] ?? null;
}

/** The Rust server on its memory store, which spares it every fsync. */
export async function startWargServer(file, data) {
  mkdirSync(data, { recursive: true });
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}/`;
  const args = [
    '--listen',
    address,
    '--content-dir',
    data,
    '--content-base-url',
    `http://${address}`,
    '--namespace',
    'bench',
  ];
  const key = privateKeyFromRandom(new Uint8Array(32).fill(9));
  const env = { PATH: process.env.PATH, HOME: data, WARG_OPERATOR_KEY: formatPrivateKey(key) };
  const child = spawn(file, args, { env, stdio: 'ignore' });
  await untilServing(url, child, CHECKPOINT);
  return { url, pid: child.pid, stop: () => stop(child) };
}

/** distribution v3 on its driver for a folder, as its own example sets it up. */
export async function startDistribution(file, data) {
  mkdirSync(data, { recursive: true });
  const url = `http://127.0.0.1:${await freePort()}/`;
  const config = path.join(data, 'config.json');
  // JSON is YAML.
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: path.join(data, 'files') }, cache: { blobdescriptor: 'inmemory' } },
    http: { addr: new URL(url).host },
  };
  writeFileSync(config, JSON.stringify(settings));
  const env = { PATH: process.env.PATH, HOME: data, OTEL_TRACES_EXPORTER: 'none' };
  const child = spawn(file, ['serve', config], { env, stdio: 'ignore' });
  await untilServing(url, child, 'v2/');
  return { url, pid: child.pid, stop: () => stop(child) };
}

/** Publishes from a process of its own, as `bench/load.mjs` does; `onCounting` is called when what is published begins to count. */
export function load(options, onCounting = () => undefined) {
  return runScript('load.mjs', options, onCounting);
}

/** Runs a script of this folder with `options` as flags. Gives the last line it prints, as JSON. */
export async function runScript(name, options, onCounting = () => undefined) {
  const flags = Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const child = spawn(process.execPath, [path.join(import.meta.dirname, name), ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let last = '';
  for await (const line of createInterface(child.stdout)) {
    last = line;
    if (line === COUNTING_LINE) onCounting();
  }
  const [code] = await closed;
  if (code !== 0) throw new Error(`${name} ${flags.join(' ')} failed`);
  return JSON.parse(last);
}

/**
 * Sends one request after another over `agent`: `send(method, route, body, type)` gives the status, the text, and the seconds of
 * `retry-after`.
 */
export function senderTo(url, agent) {
  return function send(method, route, body, type) {
    const headers = body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
    return new Promise((resolve, reject) => {
      const sent = request(new URL(route, url), { method, agent, headers }, (answer) => {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk) => (text += chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          resolve({ status: answer.statusCode, text, retryAfter: Number(answer.headers['retry-after'] ?? 1) });
        });
      });
      // A kept connection may be closed by the other side at the moment it is used again: as a client does, once more.
      sent.on('error', (failure) => {
        if (sent.reusedSocket && failure.code === 'ECONNRESET') resolve(send(method, route, body, type));
        else reject(failure);
      });
      sent.end(body);
    });
  };
}

/** User and system time of a process so far, in seconds. */
export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Memory of a process, in MB: the most it had, and what it has. */
export function memoryMb(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const of = (name) => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)[1]) / 1024);
  return { peak: of('VmHWM'), now: of('VmRSS') };
}

/** The value at a share of a list, in any order. */
export function quantile(list, share) {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(list) {
  return quantile(list, 0.5);
}

async function untilServing(url, child, route) {
  const giveUpAtMs = Date.now() + START_MS_MAX;
  while (Date.now() < giveUpAtMs && child.exitCode === null) {
    const answer = await fetch(new URL(route, url)).catch(() => null);
    if (answer?.ok) return;
    await pause(20);
  }
  child.kill();
  throw new Error(`no registry answers at ${url}`);
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill();
  await once(child, 'exit');
}

async function freePort() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
