// Reading WebAssembly: what the client and the server ask of a file, beside jco's build of `wasm-tools`, over the binaries of
// interop/corpus/list.json.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeWit, printWit, readWasm } from '@waybill/protocol/content';
import { findPeer, median } from './servers.mjs';

const LIST = path.join(import.meta.dirname, '..', 'interop', 'corpus', 'list.json');
const MISSING = 'The corpus is not here: run `node interop/peers.mjs`, which fetches it. Nothing was measured.';
/** The peer prints the code of a module, too, and takes seconds for each larger one. */
const MODULE_BYTES_MAX = 2 * 1024 * 1024;
/** Ours takes microseconds: so many calls are one measurement. */
const CALLS = 15;

/** Milliseconds of both by file and question, medians of `runs`; `null` where there is no corpus. */
export async function benchContent({ runs, quick, write }) {
  const corpus = findPeer('corpus');
  if (corpus === null) {
    if (write) throw new Error(MISSING);
    console.error(MISSING);
    return null;
  }
  const readAsPeer = await loadPeer();
  const files = binaries(path.dirname(corpus)).slice(0, quick ? 8 : Infinity);
  for (const { bytes, kind } of files) await warm(bytes, kind, readAsPeer);
  const rows = [];
  for (const { bytes, kind } of files) {
    rows.push({
      what: kind,
      ...(await compare(
        runs,
        () => readWasm(bytes),
        () => readAsPeer[kind](bytes),
      )),
    });
    if (kind !== 'component') continue;
    rows.push({
      what: 'text',
      ...(await compare(
        runs,
        () => printWit(decodeWit(bytes)),
        () => readAsPeer[kind](bytes),
      )),
    });
  }
  return rows;
}

/** By kind of file. Loaded here, for it would take memory and time from every other part. */
async function loadPeer() {
  const { componentWit, print } = await import('@bytecodealliance/jco-transpile/wasm-tools');
  return { component: componentWit, 'wit-package': print, module: print };
}

/** Compiles what will be measured; the peer comes compiled, and prints only what is small. */
async function warm(bytes, kind, readAsPeer) {
  for (let call = 0; call < CALLS; call++) {
    readWasm(bytes);
    if (kind === 'component') printWit(decodeWit(bytes));
  }
  if (kind !== 'module') await readAsPeer[kind](bytes);
}

/** A table in Markdown. */
export function contentTable(rows) {
  if (rows === null) return MISSING;
  const reading = rows.filter(({ what }) => what !== 'text');
  const parts = [
    ['imports and exports, components', rows.filter(({ what }) => what === 'component')],
    ['imports and exports, WIT packages', rows.filter(({ what }) => what === 'wit-package')],
    ['imports and exports, core modules up to 2 MB', rows.filter(({ what }) => what === 'module')],
    ['**imports and exports, all of these**', reading],
    ['**WIT text, components**', rows.filter(({ what }) => what === 'text')],
  ];
  return [
    '| | files | ms, all of them | jco | jco/ours, of sums | geometric mean | least | greatest |',
    '|---|---|---|---|---|---|---|---|',
    ...parts.filter(([, found]) => found.length > 0).map(([title, found]) => rowOf(title, found)),
    '',
    'Ours: `readWasm`, and for the text `decodeWit` and `printWit`. Peer: `@bytecodealliance/jco-transpile/wasm-tools`, in the same',
    'process after both are warm, in processor time. It tells what a component imports and exports by `componentWit` alone, which knows neither WIT',
    'packages nor core modules: for those there is `print`, which writes everything else as well. Its text leaves out the packages',
    'that a world takes something from; ours has them. Aimed at: reading ≥ 100 ×, text ≥ 1 ×.',
  ].join('\n');
}

function rowOf(title, found) {
  const sum = (key) => found.reduce((total, each) => total + each[key], 0);
  const ratios = found.map(({ ours, peer }) => peer / ours);
  const mean = Math.exp(ratios.reduce((total, ratio) => total + Math.log(ratio), 0) / ratios.length);
  const numbers = [sum('peer') / sum('ours'), mean, Math.min(...ratios), Math.max(...ratios)];
  const shown = numbers.map((number) => (number < 20 ? number.toFixed(1) : number.toFixed(0)));
  return `| ${title} | ${found.length} | ${sum('ours').toFixed(2)} | ${sum('peer').toFixed(0)} | ${shown.join(' | ')} |`;
}

/** With their kind; larger modules are left out. */
function binaries(folder) {
  const listed = JSON.parse(readFileSync(LIST, 'utf8')).flatMap(({ files }) => files);
  return listed.flatMap(({ sha256 }) => {
    const bytes = readFileSync(path.join(folder, `${sha256}.wasm`));
    const { kind } = readWasm(bytes);
    return kind === 'module' && bytes.length > MODULE_BYTES_MAX ? [] : [{ bytes, kind }];
  });
}

/** Milliseconds of a call, in turns. */
async function compare(runs, ours, peer) {
  const found = [];
  for (let run = 0; run < runs; run++) {
    found.push({ ours: (await timed(ours, CALLS)) / CALLS, peer: await timed(peer, 1) });
  }
  return { ours: median(found.map((each) => each.ours)), peer: median(found.map((each) => each.peer)) };
}

/** In processor time, with what collects garbage: other programs of the machine do not count. */
async function timed(work, calls) {
  const start = process.cpuUsage();
  for (let call = 0; call < calls; call++) await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
