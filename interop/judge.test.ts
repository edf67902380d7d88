import assert from 'node:assert/strict';
import {
  encodeHex,
  isRegistryError,
  parseAnyHash,
  parsePackageName,
  parsePrivateKey,
  parsePublicKey,
  parseSignature,
  parseVersion,
  formatPrivateKey,
} from '@waybill/protocol';
import { drawKeys, drawLogs, type DrawnLog } from './drawn-log.ts';
import { decodesOurs, drawMessages } from './drawn-message.ts';
import {
  decodeMessagesTheirs,
  judgeOurs,
  judgeTheirs,
  readTextsTheirs,
  RULE_CODES,
  UNREACHABLE_CODES,
  type Verdict,
} from './judge.ts';
import { drawText, TEXT_KINDS, type TextKind } from './odd-text.ts';
import { peerTest } from './peers.ts';
import { Random, testSeed } from './random.ts';
import { FULL } from './scale.ts';

const LOGS = FULL ? 10_000 : 1_000;
const TEXTS_OF_A_KIND = FULL ? 5_000 : 1_000;
const MESSAGES = FULL ? 200_000 : 20_000;
const SHOWN_MAX = 10;
/** Streams of the seed that no log has. */
const TEXT_STREAM = 0xffff_ffff;
const MESSAGE_STREAM = 0xffff_fffe;

const seed = testSeed();

peerTest('every drawn log gets the same verdict from the Rust crate and from us', ['judge'], async () => {
  const startedMs = performance.now();
  const logs = await drawLogs(seed, LOGS);
  const theirs = judgeTheirs(logs);
  assert.equal(theirs.length, logs.length);
  const differences: string[] = [];
  const counts = new Map<string, number>();
  for (const [number, log] of logs.entries()) {
    const ours = await judgeOurs(log);
    const kind = ours.ok ? 'ok' : ours.code;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (!isSame(ours, theirs[number])) differences.push(describe(number, log, ours, theirs[number]));
  }
  const records = logs.reduce((sum, log) => sum + log.records.length, 0);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${logs.length} logs of ${records} records, ${differences.length} differences, ${seconds} s`);
  console.log(
    [...counts]
      .toSorted((a, b) => b[1] - a[1])
      .map((count) => count.join(' '))
      .join(', '),
  );
  assert.equal(differences.length, 0, differences.slice(0, SHOWN_MAX).join('\n'));
  const neverDrawn = RULE_CODES.filter((code) => !counts.has(code) && !UNREACHABLE_CODES.includes(code));
  // A sample may by chance leave one out.
  if (FULL) assert.deepEqual(neverDrawn, [], 'every rule must be broken by some log');
});

function isSame(ours: Verdict, theirs: Verdict | undefined): boolean {
  return JSON.stringify(ours) === JSON.stringify(theirs);
}

function describe(
  number: number,
  { kind, records, labels }: DrawnLog,
  ours: Verdict,
  theirs: Verdict | undefined,
): string {
  const at = Math.min(
    ...[ours, theirs].map((verdict) => (verdict?.ok === false ? verdict.recordIndex : records.length)),
  );
  const record = encodeHex(records[at] ?? new Uint8Array());
  return `log ${number} of seed ${seed} (${kind}; ${labels.join('; ')}): we ${JSON.stringify(ours)}, they ${JSON.stringify(theirs)}\n  ${record}`;
}

peerTest('every drawn message is decoded, or refused, alike', ['judge'], async () => {
  const startedMs = performance.now();
  const random = new Random(seed, MESSAGE_STREAM);
  const messages = drawMessages(random, drawKeys(random), MESSAGES);
  const theirs = decodeMessagesTheirs(messages);
  assert.equal(theirs.length, messages.length);
  const ours = messages.map((message) => (decodesOurs(message) ? 'ok' : 'err'));
  const differences = messages.flatMap(({ kind, bytes }, i) =>
    ours[i] === theirs[i] ? [] : [`${kind} ${encodeHex(bytes)}: we ${ours[i]}, they ${theirs[i]}`],
  );
  const decoded = ours.filter((answer) => answer === 'ok').length;
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${messages.length} messages, ${decoded} decoded, ${differences.length} differences, ${seconds} s`);
  assert.equal(differences.length, 0, `seed ${seed}\n${differences.slice(0, SHOWN_MAX).join('\n')}`);
});

const READ_OURS: Readonly<Record<TextKind, (text: string) => string>> = {
  hash: parseAnyHash,
  key: (text) => parsePublicKey(text).text,
  signature: (text) => parseSignature(text).text,
  'private-key': (text) => formatPrivateKey(parsePrivateKey(text)),
  'package-name': parsePackageName,
  version: parseVersion,
};

peerTest('every drawn text is read, or refused, alike', ['judge'], async () => {
  const random = new Random(seed, TEXT_STREAM);
  const keys = drawKeys(random);
  const texts: [TextKind, string][] = [];
  for (const kind of TEXT_KINDS) {
    for (let i = 0; i < TEXTS_OF_A_KIND; i++) texts.push([kind, await drawText(kind, random, keys)]);
  }
  const theirs = readTextsTheirs(texts);
  assert.equal(theirs.length, texts.length);
  const ours = texts.map(([kind, text]) => readOurs(kind, text));
  const differences = texts.flatMap((text, i) =>
    ours[i] === theirs[i] ? [] : [JSON.stringify([...text, ours[i], theirs[i]])],
  );
  for (const kind of TEXT_KINDS) {
    const accepted = texts.filter(([other], i) => other === kind && ours[i] !== null).length;
    console.log(`${kind}: ${TEXTS_OF_A_KIND} texts, ${accepted} accepted`);
    assert.ok(accepted > 0 && accepted < TEXTS_OF_A_KIND, kind);
  }
  assert.equal(
    differences.length,
    0,
    `seed ${seed}: [kind, text, we, they]\n${differences.slice(0, SHOWN_MAX).join('\n')}`,
  );
});

function readOurs(kind: TextKind, text: string): string | null {
  try {
    return READ_OURS[kind](text);
  } catch (failure) {
    if (isRegistryError(failure)) return null;
    throw failure;
  }
}
