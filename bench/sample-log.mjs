// The log that the validation benches replay, the Rust judge that replays the same file, and how runs become one figure.
import { spawnSync } from 'node:child_process';
import {
  concatBytes,
  digestOf,
  logFileRecord,
  PACKAGE_LOG,
  parseVersion,
  privateKeyFromRandom,
  signRecord,
  utf8,
} from '@waybill/protocol';

/** A package log of `records` records by one key, one release each, as the bytes of a log file. */
export async function sampleLog(records) {
  const key = newKey();
  const parts = [];
  let prev = null;
  for (let i = 0; i < records; i++) {
    const release = { type: 'release', version: parseVersion(`1.0.${i}`), content: digestOf(utf8(`content ${i}`)) };
    const entries = i === 0 ? [{ type: 'init', key: key.publicKey }, release] : [release];
    const time = { seconds: 1_700_000_000n + BigInt(i), nanos: 0 };
    const record = await signRecord(PACKAGE_LOG, { prev, time, entries }, key);
    prev = record.id;
    parts.push(logFileRecord(record.envelope));
  }
  return concatBytes(...parts);
}

function newKey() {
  return privateKeyFromRandom(crypto.getRandomValues(new Uint8Array(32))) ?? newKey();
}

/** Seconds the Rust crate takes to decode and validate the file, without the start of its process. */
export function judgeSeconds(judge, file, prefix = []) {
  const [command, ...args] = [...prefix, judge, 'package', file];
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  const took = /decode ([0-9.]+) s, validate ([0-9.]+) s/.exec(stderr);
  if (status !== 0 || took === null) throw new Error(`the Rust judge failed: ${stderr}`);
  return Number(took[1]) + Number(took[2]);
}

/** Medians of lists of seconds as records per second, and what they are of Rust's; `null` for what was not run. */
export function rates(records, { first, warm, rust }) {
  const took = { first: median(first), warm: median(warm), rust: median(rust) };
  const perSecond = (seconds) => (seconds === null ? null : Math.round(records / seconds));
  const ratio = (seconds) => (seconds === null || took.rust === null ? null : took.rust / seconds);
  return {
    firstPerSecond: perSecond(took.first),
    warmPerSecond: perSecond(took.warm),
    rustPerSecond: perSecond(took.rust),
    firstRatio: ratio(took.first),
    warmRatio: ratio(took.warm),
  };
}

function median(list) {
  const sorted = list.toSorted((a, b) => a - b);
  return sorted.length === 0 ? null : (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
