// What the worst texts of a megabyte cost each parser of the protocol (SECURITY.md W4), in milliseconds: `node bench/long-texts.mjs`.
import {
  decodeBase64,
  decodeEnvelope,
  decodeHex,
  decodeLogProofBundle,
  decodeMapProofBundle,
  decodeSignedRecord,
  PACKAGE_LOG,
  parseAnyHash,
  parseDigest,
  parseJson,
  parseLogId,
  parseNamespace,
  parsePackageName,
  parsePrivateKey,
  parsePublicKey,
  parseSignature,
  parseVersion,
  utf8,
} from '@waybill/protocol';

const LENGTH = 1_000_000;
const RUNS = 5;

const TEXT_PARSERS = {
  decodeBase64,
  decodeHex,
  parseAnyHash,
  parseDigest,
  parseJson,
  parseLogId,
  parseNamespace,
  parsePackageName,
  parsePrivateKey,
  parsePublicKey,
  parseSignature,
  parseVersion,
};
const BYTE_PARSERS = {
  decodeEnvelope,
  decodeLogProofBundle,
  decodeMapProofBundle,
  decodeRecord: (contents) => decodeSignedRecord(PACKAGE_LOG, { contents, keyId: 'sha256:0', signature: '' }),
};

/** Repetitions and near misses of each grammar: what a parser that looks back, or cuts piece by piece, is slow at. */
const TEXTS = [
  'a',
  '-',
  'a-',
  ':',
  'a:',
  '.',
  '1',
  '1.',
  '0.',
  '=',
  'A',
  '+',
  '/',
  ' ',
  '\u0000',
  'é',
  '😀',
  '\ud800',
  '[',
  '{"a":',
  '"',
  '\\',
  '"\\',
  '\\\\',
  '\\u0041',
  '\\ud83d\\ude00',
  '[],',
  '0,',
  '"a",',
  '1e9,',
  '\\n',
  '9',
  '0',
  'f',
  '%41',
].flatMap((part) => {
  const long = part.repeat(Math.floor(LENGTH / part.length));
  return [
    long,
    `"${long}"`,
    `[${long}0]`,
    `test:${long}`,
    `test:a${long}!`,
    `1.0.0-${long}`,
    `1.0.0+${long}`,
    `sha256:${long}`,
    `ecdsa-p256:${long}=`,
    `{"${long}":1}`,
  ];
});

/** Bytes of which a protobuf reader makes as many small things as it can. */
const BYTES = [
  [0x0a, 0x00],
  [0x08, 0x01],
  [0x18],
  [0x12, 0x02, 0x0a, 0x00],
  [0x80],
  [0xff],
  [0x00],
  [0x0a, 0x01, 0x00],
  [0x0b],
  [0x1a, 0x00],
].map((part) => Uint8Array.from({ length: LENGTH }, (_, i) => part[i % part.length]));

const slowest = [];
measure(TEXT_PARSERS, TEXTS, (text) => JSON.stringify(text.slice(0, 24)));
measure(BYTE_PARSERS, [...BYTES, ...TEXTS.filter((_, i) => i % 10 === 0).map(utf8)], (bytes) =>
  Buffer.from(bytes.subarray(0, 8)).toString('hex'),
);
const ranked = slowest.toSorted((a, b) => b.ms - a.ms);
console.log(
  `${Object.keys({ ...TEXT_PARSERS, ...BYTE_PARSERS }).length} parsers, ${TEXTS.length} texts and ${BYTES.length} byte strings of 1 MB, median of ${RUNS}:`,
);
for (const { name, input, ms } of ranked.slice(0, 10))
  console.log(`${ms.toFixed(1).padStart(8)} ms  ${name}  ${input}…`);

function measure(parsers, inputs, show) {
  for (const [name, parse] of Object.entries(parsers)) {
    for (const input of inputs) {
      const times = Array.from({ length: RUNS }, () => timed(() => parse(input)));
      slowest.push({ name, input: show(input), ms: times.toSorted((a, b) => a - b)[Math.floor(RUNS / 2)] });
    }
  }
}

function timed(work) {
  const started = performance.now();
  try {
    work();
  } catch {
    // Refused, as most are.
  }
  return performance.now() - started;
}
