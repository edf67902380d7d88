// Signing and verifying by algorithm, as the signing toolkit does both: one message after another, on one key.
import { spawnSync } from 'node:child_process';
import { isRegistryError, JOSE_ALGORITHM_NAMES, localSigner, makePrivateKey, verifySignature } from '@waybill/protocol';
import { median } from './servers.mjs';

/** About the size of a record. */
const MESSAGE = new Uint8Array(300).fill(7);
const MEASURE_MS = 500;
const WARM_MS = 100;

/** Operations per second by algorithm, medians of `runs` runs, each in a process of its own; `null` for what this platform lacks. */
export function benchSignatures({ runs, quick }) {
  const [measureMs, warmMs] = quick ? [20, 5] : [MEASURE_MS, WARM_MS];
  const found = Array.from({ length: runs }, () => runHere(['--measure', String(measureMs), String(warmMs)]));
  return JOSE_ALGORITHM_NAMES.map((name) => {
    const rates = found.map((rows) => rows[name]);
    if (rates.includes(null)) return { name, signs: null, verifies: null };
    return { name, signs: median(rates.map(({ signs }) => signs)), verifies: median(rates.map((one) => one.verifies)) };
  });
}

/** A table in Markdown. */
export function signaturesTable(rows) {
  return [
    '| | signs/s | verifications/s |',
    '|---|---|---|',
    ...rows.map(({ name, signs, verifies }) =>
      signs === null
        ? `| ${name} | not on this platform | |`
        : `| ${name} | ${rounded(signs)} | ${rounded(verifies)} |`,
    ),
    '',
    'One after another, so one core and the way to another thread and back. A message of 300 bytes; keys of RSA have 3,072 bits.',
  ].join('\n');
}

function rounded(rate) {
  return String(Math.round(rate));
}

function runHere(args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [import.meta.filename, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`measuring signatures failed: ${stderr}`);
  return JSON.parse(stdout);
}

async function measureAll(measureMs, warmMs) {
  const rows = {};
  for (const name of JOSE_ALGORITHM_NAMES) rows[name] = await measure(name, measureMs, warmMs);
  return rows;
}

async function measure(name, measureMs, warmMs) {
  const key = await makePrivateKey(name).catch((failure) => {
    if (isRegistryError(failure, 'jws/unsupported')) return null;
    throw failure;
  });
  if (key === null) return null;
  const signer = localSigner(key);
  const signature = await signer.sign(MESSAGE);
  const sign = () => signer.sign(MESSAGE);
  const verify = async () => {
    if (!(await verifySignature(key.publicKey, MESSAGE, signature))) throw new Error(`${name}: not valid`);
  };
  await perSecond(sign, warmMs);
  const signs = await perSecond(sign, measureMs);
  await perSecond(verify, warmMs);
  return { signs, verifies: await perSecond(verify, measureMs) };
}

async function perSecond(work, forMs) {
  const startedMs = performance.now();
  let count = 0;
  let tookMs = 0;
  do {
    await work();
    count += 1;
    tookMs = performance.now() - startedMs;
  } while (tookMs < forMs);
  return (count * 1_000) / tookMs;
}

if (process.argv[1] === import.meta.filename && process.argv[2] === '--measure') {
  console.log(JSON.stringify(await measureAll(Number(process.argv[3]), Number(process.argv[4]))));
}
