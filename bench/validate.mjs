// Replaying one long log, every rule and every signature, beside the Rust crate on the same file.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { emptyLogState, PACKAGE_LOG, readLogFile, replayLog } from '@waybill/protocol';
import { judgeSeconds, rates, sampleLog } from './sample-log.mjs';
import { findPeer } from './servers.mjs';

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
  const judge = findPeer('judge');
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
    oneCore: seconds.oneCore.first.length === 0 ? null : rates(records, seconds.oneCore),
  };
}

/** A table in Markdown; of what was not measured here a row says so. */
export function validateTable(results) {
  const rows = [
    ['all cores', 'allCores'],
    ['one core', 'oneCore'],
    ['Chromium', 'chromium'],
  ].flatMap(([name, key]) => (results[key] === undefined ? [] : [validateRow(name, results[key])]));
  return [
    '| | records/s, first time | warm | Rust | first/Rust | warm/Rust |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    'First: the first replay in a fresh process or page, with every compilation. Warm: its third.',
  ].join('\n');
}

function validateRow(name, found) {
  if (found === null) return `| ${name} | not measured: what it needs is not on this machine | | | | |`;
  const { firstPerSecond, warmPerSecond, rustPerSecond, firstRatio, warmRatio, browser } = found;
  const rust =
    rustPerSecond === null ? ['not built', '', ''] : [rustPerSecond, firstRatio.toFixed(2), warmRatio.toFixed(2)];
  return `| ${[browser === undefined ? name : `${name} ${browser}`, firstPerSecond, warmPerSecond, ...rust].join(' | ')} |`;
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
    await replayLog(PACKAGE_LOG, emptyLogState(null), readLogFile(bytes));
    took.push((performance.now() - startedMs) / 1000);
  }
  return took;
}

if (process.argv[1] === import.meta.filename && process.argv[2] === '--replay') {
  console.log(JSON.stringify(await replayHere(process.argv[3])));
}
