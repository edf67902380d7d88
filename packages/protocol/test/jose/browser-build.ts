import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { launchChromium, servePage } from '@waybill/tools/chromium';
import { build } from 'esbuild';
import * as node from '../../src/index.ts';
import type { JoseAlgorithm } from '../../src/jose/algorithms.ts';
import type { RootednessCase } from '../governance/rootedness-verdict.ts';
import type { SignedCase } from '../version1/verdict.ts';
import type { Protocol, Vector } from './vector-checks.ts';
import type { PlatformSigned } from './webcrypto-checks.ts';

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

const PAGE_SCRIPT = `
  import * as protocol from '../../src/index.js';
  import { outcomeOf } from './vector-checks.js';
  import { signWithPlatformKey } from './webcrypto-checks.js';
  import { rootednessVerdictOf } from '../governance/rootedness-verdict.js';
  import { verdictOf } from '../version1/verdict.js';
  const judges = { version1: verdictOf, rootedness: rootednessVerdictOf };
  const judge = (kind, vector) =>
    Object.hasOwn(judges, kind) ? judges[kind](protocol, vector) : outcomeOf(protocol, kind, vector);
  globalThis.outcomes = (files) => Promise.all(files.map(({ kind, vectors }) =>
    Promise.all(vectors.map((vector) => judge(kind, vector).catch(String)))));
  globalThis.signed = (algorithms) => Promise.all(algorithms.map((name) => signWithPlatformKey(protocol, name)));
`;

export interface VectorFile {
  readonly kind: string;
  readonly vectors: readonly (Vector | SignedCase | RootednessCase)[];
}

/** What a page can be asked. */
export interface JosePage {
  /** The outcome of each case. */
  outcomes(files: readonly VectorFile[]): Promise<readonly (readonly string[])[]>;
  /** A signature of each algorithm, by a key that never leaves the page. */
  signed(algorithms: readonly JoseAlgorithm[]): Promise<readonly PlatformSigned[]>;
  /** Every path that the page has asked for. */
  readonly requested: readonly string[];
}

export async function inChromium(executablePath: string, ask: (page: JosePage) => Promise<void>): Promise<void> {
  const site = await servePage(await bundle(PAGE_SCRIPT));
  const browser = await launchChromium(executablePath);
  try {
    const page = await browser.newPage();
    const requested: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith('data:')) requested.push(request.url().replace(site.url, '/'));
    });
    await page.goto(site.url, { waitUntil: 'load' });
    await ask({
      outcomes: (files) => page.evaluate(`outcomes(${JSON.stringify(files)})`),
      signed: (algorithms) => page.evaluate(`signed(${JSON.stringify(algorithms)})`),
      requested,
    });
  } finally {
    await browser.close();
    site.close();
  }
}
