// npm run bench: what the core costs on this machine, beside the Rust peers where they are built (node interop/peers.mjs).
//   npm run bench                        publishing, validation, validation in Chromium, signatures, verdicts, OCI …
//   npm run bench -- --scale             at 10^3, 10^5 and 10^6 records; builds the stores first, some half an hour
//   npm run bench -- --overload          more publishers than can be served
//   npm run bench -- --only validate     one part: publish, validate, chromium, signatures, authority, resolve, content,
//                                        parts, get, oci, overload, scale
//   npm run bench -- --write             keeps the tables in bench/RESULTS.md, each in its section
//   npm run bench -- --quick             every part once and small: whether it runs, not what it costs
// The figures of one run are compared with each other, never with another machine's.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { authorityTable, benchAuthority } from './authority.mjs';
import { benchChromium } from './chromium.mjs';
import { benchContent, contentTable } from './content.mjs';
import { benchGet, getTable } from './get.mjs';
import { benchOci, ociTable } from './oci.mjs';
import { benchOverload, overloadTable } from './overload.mjs';
import { benchParts, partsTable } from './parts.mjs';
import { benchPublish, publishTable } from './publish.mjs';
import { benchResolve, resolveTable } from './resolve.mjs';
import { benchScale, scaleTable } from './scale.mjs';
import { benchSignatures, signaturesTable } from './signatures.mjs';
import { benchValidate, validateTable } from './validate.mjs';

const RESULTS = path.join(import.meta.dirname, 'RESULTS.md');

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    only: { type: 'string' },
    scale: { type: 'boolean', default: false },
    overload: { type: 'boolean', default: false },
    /** Where the stores of `--scale` are kept between runs. */
    stores: { type: 'string', default: path.join(os.tmpdir(), 'waybill-scale') },
    sizes: { type: 'string', default: '1000,100000,1000000' },
    records: { type: 'string', default: '10000' },
    write: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const QUICK = values.quick;
if (QUICK && values.write) throw new Error('--quick measures nothing that could be kept: leave out --write');
const RECORDS = QUICK ? 300 : Number(values.records);
const SIZES = (QUICK ? '100,300' : values.sizes).split(',').map(Number);

/** By name: the heading of a part, how often it is run unless `--runs` says otherwise, and its table. */
const PARTS = {
  publish: {
    title: 'Publishing',
    runs: 5,
    table: async (options) => publishTable(await benchPublish(options)),
  },
  validate: {
    title: `Validating a log of ${RECORDS.toLocaleString('en')} records`,
    runs: 5,
    table: async (options) => validateTable(await benchValidate({ ...options, records: RECORDS })),
  },
  chromium: {
    title: `Validating a log of ${RECORDS.toLocaleString('en')} records in Chromium`,
    runs: 5,
    table: async (options) => validateTable({ chromium: await benchChromium({ ...options, records: RECORDS }) }),
  },
  signatures: {
    title: 'Signatures',
    runs: 5,
    table: async (options) => signaturesTable(benchSignatures(options)),
  },
  authority: {
    title: 'Verdicts of version 1',
    runs: 5,
    table: async (options) => authorityTable(benchAuthority(options)),
  },
  resolve: {
    title: 'Choosing releases',
    runs: 3,
    table: async (options) => resolveTable(benchResolve(options)),
  },
  parts: {
    title: 'Content from parts',
    runs: 9,
    table: async (options) => partsTable(await benchParts(options)),
  },
  content: {
    title: 'Reading WebAssembly',
    runs: 5,
    table: async (options) => contentTable(await benchContent(options)),
  },
  get: {
    title: 'Getting a large file',
    runs: 7,
    table: async (options) => getTable(await benchGet(options)),
  },
  oci: {
    title: 'OCI',
    runs: 5,
    table: async (options) => ociTable(await benchOci(options)),
  },
  overload: {
    title: 'Overload',
    runs: 3,
    table: async (options) => overloadTable(await benchOverload(options)),
  },
  scale: {
    title: 'Scale',
    runs: 5,
    table: async (options) =>
      scaleTable(await benchScale({ ...options, stores: QUICK ? options.folder : values.stores, sizes: SIZES })),
  },
};

const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-bench-'));
try {
  for (const name of chosenParts()) await runPart(name, PARTS[name]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function chosenParts() {
  if (values.only !== undefined) {
    const names = values.only.split(',');
    const unknown = names.find((name) => PARTS[name] === undefined);
    if (unknown !== undefined) throw new Error(`there is no part ${unknown}: ${Object.keys(PARTS).join(', ')}`);
    return names;
  }
  if (values.scale || values.overload) return ['overload', 'scale'].filter((name) => values[name]);
  return QUICK
    ? Object.keys(PARTS)
    : ['publish', 'validate', 'chromium', 'signatures', 'authority', 'resolve', 'content', 'parts', 'get', 'oci'];
}

async function runPart(name, { title, runs: usualRuns, table }) {
  const runs = QUICK ? 1 : Number(values.runs ?? usualRuns);
  const began = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const body = await table({ runs, folder, quick: QUICK, write: values.write });
  const times = QUICK ? 'one run, far smaller than the rows say' : `medians of ${runs} runs that take turns`;
  const how = `\`npm run bench -- --only ${name}\`: ${began} UTC, ${machine()}; ${times}.`;
  console.log(`## ${title}\n\n${how}\n\n${body}\n`);
  if (values.write) keep(name, `## ${title}\n\n${how}\n\n${body}`);
}

function machine() {
  const memory = `${Math.round(os.totalmem() / 2 ** 30)} GiB`;
  return `${os.cpus().length} × ${os.cpus()[0]?.model.trim() ?? 'unknown'}, ${memory}, Node.js ${process.versions.node}`;
}

/** Replaces what stands between the marks of a part. */
function keep(name, text) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const results = readFileSync(RESULTS, 'utf8');
  const [from, to] = [results.indexOf(begin), results.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`bench/RESULTS.md has no place for ${name}: ${begin} … ${end}`);
  writeFileSync(RESULTS, `${results.slice(0, from)}${begin}\n\n${text}\n\n${results.slice(to)}`);
}
