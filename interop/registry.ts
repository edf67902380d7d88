import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { formatPrivateKey, privateKeyFromRandom, RegistryError, type PrivateKey } from '@waybill/protocol';
import { parseConfig, startServer, type ServerOptions } from '@waybill/server';
import { peerPath } from './peers.ts';

/** A running registry with the namespace `test`. */
export interface Registry {
  readonly url: URL;
  readonly operatorKeyId: string;
  stop(): Promise<void>;
}

const NAMESPACE = 'test';
const START_MS_MAX = 20_000;
const RETRY_MS = 50;

/** Starts a registry that keeps its files in `data`. `publishers`: a file of who may publish; `null`: anybody. */
export type RegistryStart = (data: string, publishers: string | null) => Promise<Registry>;

/** Ours, in this process. */
export function startWaybill(data: string, publishers: string | null): Promise<Registry> {
  return serveWaybill(data, { publishers });
}

/** Ours, which takes records with a token only. */
export function startWaybillWithTokens(data: string, publishers: string | null): Promise<Registry> {
  return serveWaybill(data, { publishers, tokens: 'required' });
}

/** Ours, with these namespaces instead. */
export function startWaybillOf(namespaces: readonly string[]): RegistryStart {
  return (data, publishers) => serveWaybill(data, { publishers, namespaces });
}

async function serveWaybill(data: string, options: Partial<ServerOptions>): Promise<Registry> {
  const config = await parseConfig({
    data,
    listen: '127.0.0.1:0',
    namespaces: [NAMESPACE],
    publishers: null,
    open: false,
    anyContent: false,
    publicUrl: null,
    logLevel: 'silent',
    ...options,
  });
  return startServer(config, (failure) => {
    throw failure;
  });
}

/** The published `warg-server`, on a memory store. */
export async function startWargServer(data: string, publishers: string | null): Promise<Registry> {
  mkdirSync(data, { recursive: true });
  const key = randomKey();
  const address = `127.0.0.1:${await freePort()}`;
  const url = new URL(`http://${address}/`);
  const args = ['--listen', address, '--content-dir', data, '--content-base-url', url.origin, '--namespace', NAMESPACE];
  if (publishers !== null) args.push('--authorized-keys-file', publishers);
  const env = { PATH: process.env['PATH'], HOME: data, WARG_OPERATOR_KEY: formatPrivateKey(key) };
  const child = spawn(peerPath('warg-server'), args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  await untilServing(url, child);
  const stop = async () => {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return { url, operatorKeyId: key.publicKey.id, stop };
}

export function randomKey(): PrivateKey {
  return privateKeyFromRandom(crypto.getRandomValues(new Uint8Array(32))) ?? randomKey();
}

/** Free a moment ago: the Rust server must be told its own address before it has one. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('a listening server has an address');
  return address.port;
}

async function untilServing(url: URL, child: ChildProcess): Promise<void> {
  const giveUpAtMs = Date.now() + START_MS_MAX;
  while (Date.now() < giveUpAtMs && child.exitCode === null) {
    const answer = await fetch(new URL('v1/fetch/checkpoint', url)).catch(() => null);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  child.kill();
  throw new RegistryError('registry/unreachable', 'warg-server did not start');
}
