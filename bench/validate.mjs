// node bench/validate.mjs: replaying one long log, every rule and every signature, beside the Rust crate on the same file.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { emptyLogState, PACKAGE_LOG, readLogFile, replayLog } from '@waybill/protocol';
import { findJudge, judgeSeconds, rates, sampleLog } from './sample-log.mjs';

/** Replays in one process: the first is what a command feels, the later ones what a service does. */
const REPLAYS = 3;
const ONE_CORE = ['taskset', '-c', '0'];

/**
 * Records per second, medians of `runs` runs; in each run we and Rust take turns. A run of ours is a fresh process: `first`
 * is its first replay, `warm` its last. Figures are `null` for what this machine lacks: the judge, or `taskset`.
 */
export async function benchValidate({ records, runs, folder }) {
  const file = path.join(folder, `validate-${records}.log`);
  writeFileSync(file, await sampleLog(records));
  const judge = findJudge();
  const kinds = { allCores: [], ...(hasTaskset() ? { oneCore: ONE_CORE } : {}) };
  const seconds = { allCores: noRuns(), oneCore: noRuns() };
  for (let run = 0; run < runs; run++) {
    for (const [kind, prefix] of Object.entries(kinds)) {
      const replays = replaySeconds(file, prefix);
      seconds[kind].first.push(replays[0]);
      seconds[kind].warm.push(replays.at(-1));
      if (judge !== null) seconds[kind].rust.push(judgeSeconds(judge, file, prefix));
    }
  }
  return {
    records,
    runs,
    cores: os.availableParallelism(),
    allCores: rates(records, seconds.allCores),
    oneCore: rates(records, seconds.oneCore),
  };
}

function noRuns() {
  return { first: [], warm: [], rust: [] };
}

function hasTaskset() {
  return spawnSync('taskset', ['-c', '0', 'true']).status === 0;
}

/** The seconds of each replay in one fresh process, without its start. */
function replaySeconds(file, prefix) {
  const [command, ...args] = [...prefix, process.execPath, import.meta.filename, '--replay', file];
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the replay failed: ${stderr}`);
  return JSON.parse(stdout);
}

async function replayHere(file) {
  const bytes = readFileSync(file);
  const took = [];
  for (let i = 0; i < REPLAYS; i++) {
    const startedMs = performance.now();
    await replayLog(PACKAGE_LOG, emptyLogState(), readLogFile(bytes));
    took.push((performance.now() - startedMs) / 1000);
  }
  return took;
}

async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      records: { type: 'string', default: '10000' },
      replay: { type: 'string' },
    },
  });
  if (values.replay !== undefined) return replayHere(values.replay);
  const folder = mkdtempSync(path.join(os.tmpdir(), 'waybill-bench-'));
  try {
    return await benchValidate({ records: Number(values.records), runs: Number(values.runs), folder });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(await main(), null, 2));
