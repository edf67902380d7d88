// A reader at a steady pace: `node bench/reads.mjs --url URL --packages 1000 --seconds 30`. Each read is one of the requests of a
// verified get of a package of a built store: the checkpoint, a log, the proofs. Times count from the moment at which a read was due, so that
// a server that stops for a while cannot hide it. Prints one line of JSON.
import { Agent } from 'node:http';
import os from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { packageLogId } from '@waybill/protocol';
import { scalePackage } from './build-store.mjs';
import { quantile, senderTo } from './servers.mjs';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    packages: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    /** Reads that are due in a second. */
    pace: { type: 'string', default: '50' },
  },
});
const SECONDS = Number(values.seconds);
const PACE = Number(values.pace);

// Ahead of the publishers' process where that is allowed: a reader that waits for a processor of this machine measures nothing.
try {
  os.setPriority(-10);
} catch {
  // Only root may.
}
const agent = new Agent({ keepAlive: true });
const send = senderTo(values.url, agent);
const logIds = Array.from({ length: Number(values.packages) }, (_, i) => packageLogId(scalePackage(i)));
const { contents } = JSON.parse((await send('GET', 'v1/fetch/checkpoint')).text);
const { logLength } = contents;
/** By their number, each of another package than the one before. */
const QUESTIONS = [
  () => ['GET', 'v1/fetch/checkpoint'],
  (n) => ask('v1/fetch/logs', { logLength, packages: { [logIds[n % logIds.length]]: null } }),
  (n) => ask('v1/proof/inclusion', { logLength, leafs: [n % logIds.length] }),
  (n) => ask('v1/proof/consistency', { from: 1 + (n % logIds.length), to: logLength }),
];

const took = [];
const statuses = {};
const startedMs = performance.now();
const reads = [];
for (let i = 0; i < SECONDS * PACE; i++) {
  const dueMs = startedMs + (i * 1000) / PACE;
  const early = dueMs - performance.now();
  if (early > 0) await pause(early);
  reads.push(read(QUESTIONS[i % QUESTIONS.length](i), dueMs));
}
await Promise.all(reads);
agent.destroy();
console.log(
  JSON.stringify({
    reads: took.length,
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
    maxMs: Math.max(...took),
    statuses,
  }),
);

async function read(question, dueMs) {
  const { status } = await send(...question);
  statuses[status] = (statuses[status] ?? 0) + 1;
  took.push(performance.now() - dueMs);
}

function ask(path, question) {
  return ['POST', path, JSON.stringify(question), 'application/json'];
}
