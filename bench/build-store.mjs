// A store of many records, made by the production commit code: `node bench/build-store.mjs FOLDER RECORDS`. Each record starts
// a package `scale:p<N>` of its own with one release of one small content; batches are as large as a busy server's.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  digestOf,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  parseVersion,
  privateKeyFromRandom,
  signRecord,
} from '@waybill/protocol';
import { openContentFiles, openWriteDesk, parseConfig, startServer } from '@waybill/server';

const BATCH = 1_000;
/** Every so many batches the pages that only older heads need are pruned, as an hour of service would. */
const PRUNE_EVERY = 50;
const PRUNE_PAGES = 100_000;

/** The content of every release: the smallest WebAssembly module. */
export const SCALE_CONTENT = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** The name of package `n` of a built store. */
export function scalePackage(n) {
  return parsePackageName(`scale:p${n}`);
}

/** The key that all of its packages trust. */
export function scaleKey() {
  const key = privateKeyFromRandom(new Uint8Array(32).fill(7));
  if (key === null) throw new Error('32 bytes of 7 are a key');
  return key;
}

/** Resolves with the number of records in the log, those of the operator counted too. */
export async function buildStore(data, records, onProgress = () => undefined) {
  mkdirSync(data, { recursive: true });
  await startOnce(data);
  const upload = await (await openContentFiles(path.join(data, 'content'))).startUpload();
  await upload.write(SCALE_CONTENT);
  await upload.keep(digestOf(SCALE_CONTENT));
  const places = {
    storeFile: path.join(data, 'registry.sqlite'),
    dataDirectory: data,
    lastSignedFile: path.join(data, 'last-signed'),
  };
  const desk = await openWriteDesk(places);
  let next = desk.head.checkpoint.contents.logLength;
  for (let first = 0, batch = 1; first < records; first += BATCH, batch++) {
    const count = Math.min(BATCH, records - first);
    const made = await Promise.all(Array.from({ length: count }, (_, i) => makeRecord(first + i, next + i)));
    const { committed } = await desk.run({
      type: 'commit',
      batch: {
        records: made.map(({ record }) => record),
        names: made.map(({ name }) => name),
        holdings: made.map(({ record }) => holdingOf(record)),
        settled: [],
      },
    });
    next = committed.head.checkpoint.contents.logLength;
    if (batch % PRUNE_EVERY === 0 || first + count === records) await prune(desk, next);
    onProgress(next);
  }
  await desk.run({ type: 'close' });
  return next;
}

/** Makes keys, the operator's first record and the namespace, as a first start does. */
async function startOnce(data) {
  const options = {
    data,
    listen: '127.0.0.1:0',
    namespaces: ['scale', 'bench'],
    publishers: null,
    open: false,
    anyContent: false,
    publicUrl: null,
    logLevel: 'silent',
  };
  const server = await startServer(await parseConfig(options), (failure) => {
    throw failure;
  });
  await server.stop();
}

async function makeRecord(n, registryIndex) {
  const key = scaleKey();
  const name = scalePackage(n);
  const logId = packageLogId(name);
  const entries = [
    { type: 'init', key: key.publicKey },
    { type: 'release', version: parseVersion('1.0.0'), content: digestOf(SCALE_CONTENT) },
  ];
  // A time of its own for each package: the same bytes would be the same record.
  const time = { seconds: 1_700_000_000n + BigInt(n), nanos: 0 };
  const { id, envelope } = await signRecord(PACKAGE_LOG, { prev: null, time, entries }, key);
  return { record: { registryIndex, logId, logPosition: 0, recordId: id, envelope }, name: { logId, name } };
}

/** The release is the second entry. */
function holdingOf({ registryIndex }) {
  return { digest: digestOf(SCALE_CONTENT), registryIndex, entryIndex: 1 };
}

async function prune(desk, floor) {
  for (let cursor = null; ;) {
    const answer = await desk.run({ type: 'prune', floor, after: cursor, pages: PRUNE_PAGES });
    cursor = answer.cursor;
    if (cursor === null) return;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , data, records] = process.argv;
  const startedMs = performance.now();
  const length = await buildStore(data, Number(records), (done) => {
    if (done % 10_000 < BATCH) console.log(`${done} records, ${Math.round((performance.now() - startedMs) / 1000)} s`);
  });
  console.log(`${length} records in ${data}`);
}
