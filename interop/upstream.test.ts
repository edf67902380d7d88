import assert from 'node:assert/strict';
import {
  emptyLogState,
  OPERATOR_LOG,
  PACKAGE_LOG,
  parsePrivateKey,
  replayLog,
  signRecord,
  type AnyHash,
  type Envelope,
  type JsonValue,
  type LogDialect,
  type LogState,
  type RecordDraft,
} from '@waybill/protocol';
import { peerTest } from './peers.ts';
import { operatorStateJson, packageStateJson } from './state-json.ts';
import { readOperatorEntry, readPackageEntry, upstreamLogs, type UpstreamLog } from './upstream-log.ts';

/** warg.md 11.1: the ids do not depend on signatures, so a head is right only when every byte of the log is. */
const HEADS: Readonly<Record<string, RegExp>> = {
  'package minimal.json': /^sha256:c5c223c6.*ea5fb$/,
  'package longer.json': /^sha256:e85a8f3c.*b241bfe$/,
  'operator minimal.json': /^sha256:16ecafc1.*cd8f0e8$/,
  'operator longer.json': /^sha256:d81986fa.*cfa993f$/,
};

peerTest("the Rust crate's own test logs end in the same states", ['upstream-logs'], async () => {
  const packages = upstreamLogs('package');
  const operators = upstreamLogs('operator');
  assert.deepEqual([...packages, ...operators].map(({ name }) => name).toSorted(), Object.keys(HEADS).toSorted());
  for (const log of packages) await check(log, PACKAGE_LOG, readPackageEntry, packageStateJson);
  for (const log of operators) await check(log, OPERATOR_LOG, readOperatorEntry, operatorStateJson);
});

async function check<E extends { readonly type: string }, P extends string, B>(
  log: UpstreamLog,
  dialect: LogDialect<E, P, B>,
  readEntry: (value: JsonValue) => E,
  stateJson: (state: LogState<P, B>) => JsonValue,
): Promise<void> {
  const envelopes: Envelope[] = [];
  let prev: AnyHash | null = null;
  for (const { key, time, entries } of log.records) {
    const draft: RecordDraft<E> = { prev, time, entries: entries.map(readEntry) };
    const { id, envelope } = await signRecord(dialect, draft, parsePrivateKey(key));
    envelopes.push(envelope);
    prev = id;
  }
  const state = await replayLog(dialect, emptyLogState<P, B>(null), envelopes);
  assert.match(String(state.head?.id), HEADS[log.name] ?? /none/, log.name);
  assert.equal(JSON.stringify({ Valid: stateJson(state) }), JSON.stringify(log.output), log.name);
}
