import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { succeeds } from './command.ts';
import { LOGGED } from './oci-registry.ts';
import { copyInto, openStage, type OciStage } from './oci-stage.ts';
import { WASM_TYPE } from './oci-tools.ts';
import { OciWire, type PushAnswer } from './oci-wire.ts';
import { peerTest } from './peers.ts';
import { moduleFile } from './stories.ts';

const ROUNDS = 10;
const WORDS = ['one', 'other'];

peerTest('two clients push the same version with different bytes: one release, one refusal', [], async (t) => {
  const stage = await openStage(t);
  await t.test('the first of a package', async () => {
    for (let round = 0; round < ROUNDS; round++) await raceFor(stage, { name: `first-r${round}`, before: [] });
  });
  await t.test('one more of a package', async () => {
    for (let round = 0; round < ROUNDS; round++) await raceFor(stage, { name: `later-r${round}`, before: ['0.9.0'] });
  });
});

peerTest('two clients push the same bytes as the same version: both are told so', [], async (t) => {
  const stage = await openStage(t);
  const wire = new OciWire(stage.server.url);
  for (let round = 0; round < ROUNDS; round++) {
    const repository = `${LOGGED}/same-r${round}`;
    const manifest = await wire.prepare(repository, readFileSync(moduleFile(stage, 'same')));
    const answers = await Promise.all(WORDS.map(() => wire.putManifest(repository, '1.0.0', manifest)));
    for (const { status, text } of answers) assert.equal(status, 201, text);
    assert.equal(await recordsOf(stage, `same-r${round}`), 1);
  }
});

peerTest('wkg and oras push the same version with different bytes', ['wkg', 'oras'], async (t) => {
  const stage = await openStage(t);
  const [wkg, oras] = [stage.wkg(), stage.oras()];
  const artifact = stage.at(`${LOGGED}/clients:1.0.0`);
  const files = [moduleFile(stage, 'of wkg'), moduleFile(stage, 'of oras')] as const;
  copyInto(oras, files[1], 'module.wasm');
  const outcomes = await Promise.all([
    wkg.oci('push', artifact, files[0]),
    oras.push(artifact, [`module.wasm:${WASM_TYPE}`]),
  ]);
  const winners = files.filter((_, i) => outcomes[i]?.code === 0);
  assert.equal(winners.length, 1, outcomes.map(({ code, stderr }) => `${code} ${stderr}`).join('\n'));
  await isReleased(stage, 'clients', '1.0.0', readFileSync(winners[0] ?? ''));
  assert.equal(await recordsOf(stage, 'clients'), 1);
});

interface Race {
  readonly name: string;
  /** Versions that are there. */
  readonly before: readonly string[];
}

async function raceFor(stage: OciStage, { name, before }: Race): Promise<void> {
  const wire = new OciWire(stage.server.url);
  const repository = `${LOGGED}/${name}`;
  for (const version of before) {
    const { status, text } = await wire.push(
      repository,
      version,
      readFileSync(moduleFile(stage, `${name} ${version}`)),
    );
    assert.equal(status, 201, text);
  }
  const layers = WORDS.map((word) => readFileSync(moduleFile(stage, `${name} ${word}`)));
  const manifests: Uint8Array[] = [];
  for (const layer of layers) manifests.push(await wire.prepare(repository, layer));
  const answers = await Promise.all(manifests.map((manifest) => wire.putManifest(repository, '1.0.0', manifest)));
  const won = answers.findIndex(({ status }) => status === 201);
  const lost = answers.find(({ status }) => status !== 201);
  assert.equal(lost?.status, 409, describe(answers));
  assert.match(lost.text, /"code":"DENIED"/);
  assert.deepEqual(await wire.readWhole(repository, '1.0.0'), answers[won]?.pushed);
  await isReleased(stage, name, '1.0.0', layers[won] ?? assert.fail('nobody won'));
  assert.equal(await recordsOf(stage, name), before.length + 1);
}

async function isReleased(stage: OciStage, name: string, version: string, layer: Uint8Array): Promise<void> {
  const reader = await stage.waybill();
  const received = path.join(reader.home, 'received.wasm');
  await succeeds(reader.download(`${LOGGED}:${name}`, version, received));
  assert.deepEqual(readFileSync(received), Buffer.from(layer));
}

async function recordsOf(stage: OciStage, name: string): Promise<number> {
  const reader = await stage.waybill();
  const { stdout } = await succeeds(reader.run('info', `${LOGGED}:${name}`, '--json'));
  return Number(/"records":([0-9]+)/.exec(stdout)?.[1] ?? assert.fail(stdout));
}

function describe(answers: readonly PushAnswer[]): string {
  return answers.map(({ status, text }) => `${status} ${text}`).join('\n');
}
