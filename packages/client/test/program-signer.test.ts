import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { isRegistryError, makePrivateKey, utf8, type JosePublicKey } from '@waybill/protocol';
import { programSigner } from '../src/node/index.ts';

let folder: string;
let publicKey: JosePublicKey;

before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'waybill-signer-'));
  ({ publicKey } = await makePrivateKey('Ed25519'));
});

after(async () => {
  await rm(folder, { recursive: true });
});

async function run(script: string, signMsMax: number): Promise<Uint8Array> {
  const file = path.join(folder, 'signer');
  await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
  const environment = { PATH: process.env['PATH'], WAYBILL_KEY: 'a secret', TOKEN: 'a name' };
  return programSigner(publicKey, { file, environment, signMsMax }).sign(utf8('bytes'));
}

/** Outlives every wait of a test, and does not hold the standard error of the tests: who runs them waits for its end. */
const GRANDCHILD = 'sleep 20 2>/dev/null';

const STUCK = {
  'a grandchild holds the pipe': `${GRANDCHILD} & exit 0`,
  'a wrapper waits for a grandchild': `${GRANDCHILD}; exit 0`,
  'SIGTERM is ignored, by both': `trap '' TERM; ${GRANDCHILD} & wait`,
};

for (const [name, script] of Object.entries(STUCK)) {
  test(`a program that does not end is given up: ${name}`, { timeout: 10_000 }, async () => {
    await assert.rejects(run(script, 200), (failure) => isRegistryError(failure, 'signer/failed'));
  });
}

test('a program whose grandchild writes without end is given up at once', { timeout: 10_000 }, async () => {
  await assert.rejects(run(`yes 2>/dev/null & ${GRANDCHILD}`, 60_000), (failure) =>
    isRegistryError(failure, 'signer/failed'),
  );
});

test('the key of the environment is not handed on; the rest is', async () => {
  const seen = await run(`cat >/dev/null; printf '%s' "$TOKEN, $WAYBILL_KEY"`, 10_000);
  assert.equal(Buffer.from(seen).toString(), 'a name, ');
});
