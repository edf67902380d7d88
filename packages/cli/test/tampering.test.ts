import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  decodeLogProofBundle,
  decodeMapProofBundle,
  encodeLogProofBundle,
  encodeMapProofBundle,
  packageLogId,
  parsePackageName,
} from '@waybill/protocol';
import { COMPONENT, CORE_MODULE, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { sampleOf } from './scale.ts';
import { openLyingProxy, type Lie, type PassedAnswer } from './lying-proxy.ts';

const EXIT_TAMPERED = 65;
const VICTIM = packageLogId(parsePackageName('test:victim'));
const OTHER = packageLogId(parsePackageName('test:other'));

let registry: TestRegistry;
let evil: TestRegistry;
let publisher: TestUser;
let evilUrl: URL;

before(async () => {
  registry = await openRegistry();
  evil = await openRegistry();
  evilUrl = evil.url;
  publisher = await openUser();
  await publisher.ok('key', 'new');
  for (const [name, file] of [
    ['victim', CORE_MODULE],
    ['other', COMPONENT],
    ['third', CORE_MODULE],
  ] as const) {
    await publisher.ok(
      'publish',
      file,
      '--package',
      `test:${name}`,
      '--version',
      '1.0.0',
      '--registry',
      registry.url.href,
    );
  }
  await publisher.ok('yank', 'test:third@1.0.0', '--registry', registry.url.href);
  // The attacker's own registry: the same package name, other bytes, his own key.
  const attacker = await openUser();
  await attacker.ok('key', 'new');
  await attacker.ok(
    'publish',
    COMPONENT,
    '--package',
    'test:victim',
    '--version',
    '1.0.0',
    '--registry',
    evil.url.href,
  );
  await attacker.dispose();
});

after(async () => {
  await registry.dispose();
  await evil.dispose();
  await publisher.dispose();
});

interface RecordBody {
  contentBytes: string;
  registryIndex: number;
}

/** The members of answers that the lies below change; an answer has some of them. */
interface AnswerBody {
  packages: Record<string, RecordBody[]>;
  contents: { mapRoot: string; timestamp: number };
  log: string;
  map: string;
}

function json(answer: PassedAnswer): AnswerBody {
  return JSON.parse(answer.body.toString());
}

function recordsOf(body: AnswerBody, logId: string): RecordBody[] {
  return body.packages[logId] ?? assert.fail('no such log in the answer');
}

function firstRecord(body: AnswerBody): RecordBody {
  return recordsOf(body, VICTIM)[0] ?? assert.fail('no record');
}

const isProof = ({ path: url }: PassedAnswer): boolean => url === '/v1/proof/inclusion';
const isLogs = ({ path: url }: PassedAnswer): boolean => url === '/v1/fetch/logs';

function changed(answer: PassedAnswer, change: (body: AnswerBody) => void): Buffer {
  const body = json(answer);
  change(body);
  return Buffer.from(JSON.stringify(body));
}

/** Swaps the victim's log for the attacker's, and every content for the attacker's. */
async function swapLogAndContent(answer: PassedAnswer): Promise<Buffer> {
  if (isLogs(answer) && answer.status === 200) {
    const request = { logLength: 2, packages: { [VICTIM]: null } };
    const response = await fetch(new URL('/v1/fetch/logs', evilUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(request),
    });
    const forged: AnswerBody = JSON.parse(await response.text());
    return changed(answer, (body) => (body.packages[VICTIM] = recordsOf(forged, VICTIM)));
  }
  if (answer.path.startsWith('/content/')) return readFile(COMPONENT);
  return answer.body;
}

function withProof(change: (proof: { log: Uint8Array; map: Uint8Array }) => { log: Uint8Array; map: Uint8Array }): Lie {
  return (answer) => {
    if (!isProof(answer) || answer.status !== 200) return answer.body;
    return changed(answer, (body) => {
      const proof = change({ log: Buffer.from(body.log, 'base64'), map: Buffer.from(body.map, 'base64') });
      body.log = Buffer.from(proof.log).toString('base64');
      body.map = Buffer.from(proof.map).toString('base64');
    });
  };
}

/** The proof of other leaves than were asked for. */
const otherLeaves =
  (leafs: readonly number[]): Lie =>
  async (answer, ask) => {
    if (!isProof(answer)) return answer.body;
    const { logLength } = JSON.parse(answer.request.toString());
    return (await ask('POST', answer.path, Buffer.from(JSON.stringify({ logLength, leafs })))).body;
  };

const LIES: Readonly<Record<string, Lie>> = {
  'swapped log and content': swapLogAndContent,
  'swapped log and content, empty proofs': async (answer) =>
    isProof(answer) ? Buffer.from('{"log":"","map":""}') : swapLogAndContent(answer),
  'empty proofs': (answer) => (isProof(answer) ? Buffer.from('{"log":"","map":""}') : answer.body),
  'empty map proof': withProof(({ log }) => ({ log, map: new Uint8Array() })),
  'short map proof': withProof(({ log, map }) => {
    const { proofs } = decodeMapProofBundle(map);
    return { log, map: encodeMapProofBundle({ proofs: proofs.slice(0, 1) }) };
  }),
  'long map proof': withProof(({ log, map }) => {
    const { proofs } = decodeMapProofBundle(map);
    return { log, map: encodeMapProofBundle({ proofs: [...proofs, ...proofs] }) };
  }),
  'map proof without its lowest sibling': withProof(({ log, map }) => {
    const { proofs } = decodeMapProofBundle(map);
    return { log, map: encodeMapProofBundle({ proofs: proofs.map((proof) => proof.slice(1)) }) };
  }),
  'short log proof': withProof(({ log, map }) => {
    const bundle = decodeLogProofBundle(log);
    return { map, log: encodeLogProofBundle({ ...bundle, hashes: bundle.hashes.slice(1) }) };
  }),
  'long log proof': withProof(({ log, map }) => {
    const bundle = decodeLogProofBundle(log);
    const hashes = [...bundle.hashes, { index: 1_000, hash: new Uint8Array(32) }];
    return { map, log: encodeLogProofBundle({ ...bundle, hashes }) };
  }),
  'log proof for fewer leaves': withProof(({ log, map }) => {
    const bundle = decodeLogProofBundle(log);
    return { map, log: encodeLogProofBundle({ ...bundle, includedIndices: bundle.includedIndices.slice(1) }) };
  }),
  'log proof for another size': withProof(({ log, map }) => {
    const bundle = decodeLogProofBundle(log);
    return { map, log: encodeLogProofBundle({ ...bundle, logLength: bundle.logLength + 1 }) };
  }),
  "another package's proof": otherLeaves([0, 2]),
  'proofs in another order': otherLeaves([1, 0]),
  "another package's log": async (answer, ask) => {
    if (!isLogs(answer) || answer.status !== 200) return answer.body;
    const { logLength } = JSON.parse(answer.request.toString());
    const other = await ask(
      'POST',
      answer.path,
      Buffer.from(JSON.stringify({ logLength, packages: { [OTHER]: null } })),
    );
    return changed(answer, (body) => (body.packages = { [VICTIM]: recordsOf(json(other), OTHER) }));
  },
  'an answer for a log that was not asked for': (answer) =>
    isLogs(answer) && answer.status === 200
      ? changed(answer, (body) => (body.packages = { [OTHER]: recordsOf(body, VICTIM) }))
      : answer.body,
  'a record with another index': (answer) =>
    isLogs(answer) && answer.status === 200
      ? changed(answer, (body) => (firstRecord(body).registryIndex += 1))
      : answer.body,
  'a record with a bit changed': (answer) =>
    isLogs(answer) && answer.status === 200
      ? changed(answer, (body) => {
          const bytes = Buffer.from(firstRecord(body).contentBytes, 'base64');
          bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
          firstRecord(body).contentBytes = bytes.toString('base64');
        })
      : answer.body,
  'a checkpoint with another root': (answer) =>
    answer.path === '/v1/fetch/checkpoint'
      ? changed(answer, (body) => (body.contents.mapRoot = `sha256:${'00'.repeat(32)}`))
      : answer.body,
  'a checkpoint with another time': (answer) =>
    answer.path === '/v1/fetch/checkpoint' ? changed(answer, (body) => (body.contents.timestamp += 1)) : answer.body,
  'other content': async (answer) => (answer.path.startsWith('/content/') ? readFile(COMPONENT) : answer.body),
  'content cut short': (answer) => (answer.path.startsWith('/content/') ? answer.body.subarray(0, 1_000) : answer.body),
};

for (const [name, lie] of sampleOf(Object.entries(LIES), 4)) {
  test(`a proxy without a key: ${name}`, async () => {
    const proxy = await openLyingProxy(registry.url, lie);
    const user = await openUser();
    try {
      const { code, stderr } = await user.run('get', 'test:victim', '--registry', proxy.url, '-o', 'out.wasm');
      assert.equal(code, EXIT_TAMPERED, stderr);
      assert.ok(proxy.lies() > 0);
      assert.ok(!existsSync(path.join(user.home, 'out.wasm')), 'something was written');
      const evidence = /^evidence: (.*)$/m.exec(stderr)?.[1];
      assert.ok(evidence !== undefined && existsSync(evidence), stderr);
      assert.ok(JSON.parse(await readFile(evidence, 'utf8')).exchanges.length > 0);
    } finally {
      await proxy.close();
      await user.dispose();
    }
  });
}

test('a withheld yank: the log without its last record is refused (threats L4)', async () => {
  const third = packageLogId(parsePackageName('test:third'));
  const proxy = await openLyingProxy(registry.url, (answer) =>
    isLogs(answer) && answer.status === 200 ? changed(answer, (body) => recordsOf(body, third).pop()) : answer.body,
  );
  const user = await openUser();
  try {
    const { code, stderr } = await user.run('get', 'test:third', '--registry', proxy.url, '-o', 'out.wasm');
    assert.equal(code, EXIT_TAMPERED, stderr);
  } finally {
    await proxy.close();
    await user.dispose();
  }
});

test('a package that is there is called absent: the proof cannot be made (threats L4)', async () => {
  const proxy = await openLyingProxy(registry.url, (answer) => {
    if (answer.path === '/v1/proof/absence') return Buffer.from('{"map":""}');
    return answer.body;
  });
  const user = await openUser();
  try {
    const { code } = await user.run('get', 'test:nowhere', '--registry', proxy.url);
    assert.equal(code, EXIT_TAMPERED);
  } finally {
    await proxy.close();
    await user.dispose();
  }
});

test('the honest registry, through the same proxy: the bytes', async () => {
  const proxy = await openLyingProxy(registry.url, ({ body }) => body);
  const user = await openUser();
  try {
    await user.ok('get', 'test:victim', '--registry', proxy.url, '-o', 'out.wasm');
    assert.deepEqual(await readFile(path.join(user.home, 'out.wasm')), await readFile(CORE_MODULE));
  } finally {
    await proxy.close();
    await user.dispose();
  }
});

test('a cache that somebody changed is not believed, and does not stand in the way (threats U3)', async () => {
  const user = await openUser();
  try {
    await user.ok('get', 'test:victim', '--registry', registry.url.href, '-o', 'a.wasm');
    const files = JSON.parse(
      await user.ok('get', 'test:victim', '--registry', registry.url.href, '-o', 'b.wasm', '--json'),
    );
    const cached = path.join(user.home, '.cache/waybill/content/sha256', String(files.digest).slice('sha256:'.length));
    await writeFile(cached, 'other bytes');
    await user.ok('get', 'test:victim', '--registry', registry.url.href, '-o', 'c.wasm');
    assert.deepEqual(await readFile(path.join(user.home, 'c.wasm')), await readFile(CORE_MODULE));
  } finally {
    await user.dispose();
  }
});
