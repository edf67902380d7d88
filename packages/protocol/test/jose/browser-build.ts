import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import * as node from '../../src/index.ts';

export type Protocol = typeof node;

/** The protocol as a browser gets it, with WebCrypto and noble, loaded here. */
async function browserBuild(): Promise<Protocol> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-bundle-'));
  try {
    const entry = fileURLToPath(new URL('../../src/index.js', import.meta.url));
    const options = { bundle: true, format: 'esm', platform: 'browser', logLevel: 'silent', write: false } as const;
    const { outputFiles } = await build({ ...options, entryPoints: [entry] });
    const file = path.join(folder, 'protocol.mjs');
    await writeFile(file, outputFiles[0]?.contents ?? '');
    return await import(pathToFileURL(file).href);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export const PLATFORMS: readonly (readonly [name: string, protocol: Protocol])[] = [
  ['node', node],
  ['browser', await browserBuild()],
];
