// The same replay in headless Chromium, through the browser build (WebCrypto and noble).
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findChromium, launchChromium, servePage } from '@waybill/tools/chromium';
import { build } from 'esbuild';
import { judgeSeconds, rates, sampleLog } from './sample-log.mjs';
import { findPeer } from './servers.mjs';

/** Replays in one page. */
const REPLAYS = 3;

/** Runs in the page: seconds of one replay. */
const PAGE_SCRIPT = `
  import { emptyLogState, PACKAGE_LOG, readLogFile, replayLog } from '@waybill/protocol';
  let log;
  globalThis.replaySeconds = async () => {
    log ??= new Uint8Array(await (await fetch('/log')).arrayBuffer());
    const startedMs = performance.now();
    await replayLog(PACKAGE_LOG, emptyLogState(null), readLogFile(log));
    return (performance.now() - startedMs) / 1000;
  };
`;

/**
 * Records per second in Chromium, medians of `runs` runs, each in a page of its own and in turn with Rust: `first` is the
 * page's first replay, `warm` its last. `null` when no Chromium is found ($WAYBILL_CHROMIUM, or one on the PATH).
 */
export async function benchChromium({ records, runs, folder }) {
  const executablePath = findChromium();
  if (executablePath === null) return null;
  const file = path.join(folder, `chromium-${records}.log`);
  writeFileSync(file, await sampleLog(records));
  const judge = findPeer('judge');
  const site = await servePage(await bundle(), { '/log': readFileSync(file) });
  const browser = await launchChromium(executablePath);
  const seconds = { first: [], warm: [], rust: [] };
  try {
    for (let run = 0; run < runs; run++) {
      const replays = await pageSeconds(browser, site.url);
      seconds.first.push(replays[0]);
      seconds.warm.push(replays.at(-1));
      if (judge !== null) seconds.rust.push(judgeSeconds(judge, file));
    }
    return { records, runs, browser: browser.version(), ...rates(records, seconds) };
  } finally {
    await browser.close();
    site.close();
  }
}

/** The page's script as a browser would get it: the conditions of a browser choose the platform. */
async function bundle() {
  const { outputFiles } = await build({
    stdin: { contents: PAGE_SCRIPT, resolveDir: import.meta.dirname, sourcefile: 'page.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    minify: true,
    write: false,
  });
  return outputFiles[0].contents;
}

async function pageSeconds(browser, url) {
  const page = await browser.newPage();
  await page.goto(url, { waitUntil: 'load' });
  const took = [];
  for (let i = 0; i < REPLAYS; i++) took.push(await page.evaluate(() => globalThis.replaySeconds()));
  await page.close();
  return took;
}
