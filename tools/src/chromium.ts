import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { chromium, type Browser } from 'playwright-core';

/* The Chromium of this machine, for tests and for the bench. */

/** The executable of a Chromium: $WAYBILL_CHROMIUM, or one on the PATH, or `null`. */
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

/** Root has no sandbox, and a browser of its own accord asks its maker for updates. */
const LAUNCH_FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: LAUNCH_FLAGS });
}

const PAGE = '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>';

/** A browser compiles no Wasm, and runs no script, under another name. */
function typeOf(url: string): string {
  if (url.endsWith('.js')) return 'text/javascript';
  return url.endsWith('.wasm') ? 'application/wasm' : 'text/html';
}

/** A page that runs `script`, beside `files` by their paths. */
export interface ServedPage {
  readonly url: string;
  close(): void;
}

/** Loopback is a secure context, without which there is no WebCrypto. */
export async function servePage(
  script: Uint8Array,
  files: Readonly<Record<string, Uint8Array>> = {},
): Promise<ServedPage> {
  const bodies = new Map(Object.entries(files));
  const server = createServer(({ url = '' }, response) => {
    const body = url === '/page.js' ? script : url === '/' ? PAGE : bodies.get(url);
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': typeOf(url) });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}/`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
