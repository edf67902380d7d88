import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { RegistryError } from '@waybill/protocol';
import { peerPath, ROOT } from './peers.ts';
import { freePort } from './registry.ts';

/** A registry in a process of its own. */
export interface OciServer {
  readonly url: URL;
  /** As the names of artifacts begin. */
  readonly host: string;
  readonly data: string;
  /** SIGKILL: no handler runs, nothing is tidied up. */
  kill(): Promise<void>;
  /** Throws when it did not end well. */
  stop(): Promise<void>;
}

/** Repositories below it are plain. */
export const PLAIN = 'scratch';
/** The namespace whose repositories are packages. */
export const LOGGED = 'test';

const WAYBILL = path.join(ROOT, 'packages', 'cli', 'bin', 'waybill.mjs');
const START_MS_MAX = 30_000;
const END_MS_MAX = 30_000;
const RETRY_MS = 50;

/** None outlives the tests, however these end. */
const living = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});

/**
 * `waybill serve` with plain repositories below {@link PLAIN} and packages in {@link LOGGED}, on a free port unless `args` name
 * one. It is killed at the signal.
 */
export async function startOciWaybill(
  data: string,
  args: readonly string[] = [],
  signal: AbortSignal | null = null,
): Promise<OciServer> {
  const listen = args.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
  const options = ['--data', data, ...listen, '--namespace', LOGGED, '--oci-prefix', PLAIN];
  const child = spawn(process.execPath, [WAYBILL, 'serve', '--json', '--log-level', 'error', ...options, ...args], {
    env: { ...process.env, WAYBILL_KEYRING: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  signal?.addEventListener('abort', () => child.kill('SIGKILL'));
  const ready: unknown = JSON.parse((await firstLine(child, child.stdout)) ?? '{}');
  if (typeof ready !== 'object' || ready === null || !('url' in ready)) {
    throw new RegistryError('registry/unreachable', 'waybill serve did not start');
  }
  return serverOf(child, new URL(String(ready.url)), data);
}

async function firstLine(child: ChildProcess, output: Readable): Promise<string | null> {
  living.add(child);
  for await (const line of createInterface({ input: output })) return line;
  return null;
}

/** The registry that all others are compared with, which keeps everything in a folder, and lets everybody do everything. */
export async function startDistribution(data: string): Promise<OciServer> {
  const url = new URL(`http://127.0.0.1:${await freePort()}/`);
  mkdirSync(data, { recursive: true });
  const config = path.join(data, 'config.json');
  // JSON is YAML.
  const settings = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: path.join(data, 'files') }, delete: { enabled: true } },
    http: { addr: url.host, relativeurls: true },
  };
  writeFileSync(config, JSON.stringify(settings));
  const env = { PATH: process.env['PATH'], HOME: data, OTEL_TRACES_EXPORTER: 'none' };
  // It reports every answer that is not a success.
  const child = spawn(peerPath('distribution'), ['serve', config], { env, stdio: 'ignore' });
  living.add(child);
  await untilServing(url, child);
  return serverOf(child, url, data);
}

async function untilServing(url: URL, child: ChildProcess): Promise<void> {
  const giveUpAtMs = Date.now() + START_MS_MAX;
  while (Date.now() < giveUpAtMs && child.exitCode === null) {
    const answer = await fetch(new URL('v2/', url)).catch(() => null);
    if (answer !== null) return;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  child.kill('SIGKILL');
  throw new RegistryError('registry/unreachable', 'the registry did not start');
}

function serverOf(child: ChildProcess, url: URL, data: string): OciServer {
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const late = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    clearTimeout(late);
    living.delete(child);
  };
  return {
    url,
    host: url.host,
    data,
    kill: () => end('SIGKILL'),
    async stop() {
      await end('SIGTERM');
      if (child.signalCode !== 'SIGKILL') return;
      throw new RegistryError('registry/unreachable', 'the registry did not end');
    },
  };
}
