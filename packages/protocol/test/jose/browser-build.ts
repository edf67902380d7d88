import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import * as node from '../../src/index.ts';
import type { SignedCase } from '../version1/verdict.ts';
import type { Protocol, Vector } from './vector-checks.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));

/** As a browser gets it: its conditions choose WebCrypto and noble. */
async function bundle(source: string): Promise<Uint8Array> {
  const options = { bundle: true, format: 'esm', platform: 'browser', logLevel: 'silent', write: false } as const;
  const { outputFiles } = await build({ ...options, stdin: { contents: source, resolveDir: FOLDER } });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

/** The build for browsers, loaded here. */
async function browserBuild(): Promise<Protocol> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-bundle-'));
  try {
    const file = path.join(folder, 'protocol.mjs');
    await writeFile(file, await bundle("export * from '../../src/index.js';"));
    return await import(pathToFileURL(file).href);
  } finally {
    await rm(folder, { recursive: true });
  }
}

export const PLATFORMS: readonly (readonly [name: string, protocol: Protocol])[] = [
  ['node', node],
  ['browser', await browserBuild()],
];

/** The executable of a Chromium on this machine, or `null`. */
export function findChromium(): string | null {
  const given = process.env['WAYBILL_CHROMIUM'];
  if (given) return given;
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];
  return names.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';
const PAGE_SCRIPT = `
  import * as protocol from '../../src/index.js';
  import { outcomeOf } from './vector-checks.js';
  import { verdictOf } from '../version1/verdict.js';
  const judge = (kind, vector) =>
    kind === 'version1' ? verdictOf(protocol, vector) : outcomeOf(protocol, kind, vector);
  globalThis.outcomes = (files) => Promise.all(files.map(({ kind, vectors }) =>
    Promise.all(vectors.map((vector) => judge(kind, vector).catch(String)))));
`;

/** Root has no sandbox, and a browser of its own accord asks its maker for updates. */
const LAUNCH_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

interface VectorFile {
  readonly kind: string;
  readonly vectors: readonly (Vector | SignedCase)[];
}

/** The outcome of each case in a page, and every path that the page asked for. */
export async function inChromium(
  executablePath: string,
  files: readonly VectorFile[],
): Promise<{ readonly outcomes: readonly (readonly string[])[]; readonly requested: readonly string[] }> {
  const script = await bundle(PAGE_SCRIPT);
  const server = createServer((request, response) => {
    const isScript = request.url === '/page.js';
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' });
    response.end(isScript ? script : PAGE);
  });
  // Loopback is a secure context, without which there is no WebCrypto.
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;
  const browser = await chromium.launch({ executablePath, args: LAUNCH_FLAGS });
  try {
    const page = await browser.newPage();
    const requested: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith('data:')) requested.push(request.url().replace(origin, ''));
    });
    await page.goto(`${origin}/`, { waitUntil: 'load' });
    const outcomes: string[][] = await page.evaluate(`outcomes(${JSON.stringify(files)})`);
    return { outcomes, requested };
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}
