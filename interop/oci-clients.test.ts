import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { refuses, succeeds } from './command.ts';
import { COMPONENT_FILE, MODULE_FILE } from './content.ts';
import { tellPlainStories } from './oci-plain-stories.ts';
import { LOGGED, PLAIN, startDistribution, startOciWaybill } from './oci-registry.ts';
import { copyInto, openStage, readFiles, writeFiles, type OciStage } from './oci-stage.ts';
import { buildApp, publishWit, WIT_PACKAGES, type Release } from './oci-wit.ts';
import { WASM_CONFIG_TYPE, WASM_TYPE } from './oci-tools.ts';
import { peerTest } from './peers.ts';
import { assertSameBytes } from './scene.ts';
import { moduleFile } from './stories.ts';

const CLIENTS = ['wkg', 'oras', 'crane', 'warg'] as const;

tellPlainStories('our server', [], (data) => startOciWaybill(data));
// Else what none of them does would pass as what ours does not do.
tellPlainStories('distribution', ['distribution'], startDistribution);

peerTest('distribution: wkg publishes packages of WIT, and builds with them', ['wkg', 'distribution'], async (t) => {
  const stage = await openStage(t, startDistribution);
  await publishWit(stage);
  await buildApp(stage);
});

peerTest('what OCI clients push into packages are releases', CLIENTS, async (t) => {
  const stage = await openStage(t);
  await t.test('wkg publishes packages of WIT, gets them, and builds with them', () => wkgPublishes(stage));
  await t.test('wkg pushes a component', () => wkgPushes(stage));
  await t.test('oras pushes a module', () => orasPushes(stage));
  await t.test('oras pushes a tree', () => orasPushesTree(stage));
  await t.test('crane copies a component out of a plain repository', () => craneCopies(stage));
  await t.test('a version that is there is refused, and stays', () => keepsVersions(stage));
});

peerTest('what is published through the log is read by OCI clients', CLIENTS, async (t) => {
  const stage = await openStage(t);
  await t.test('a component that waybill has published', async () => {
    const author = await stage.waybill();
    await succeeds(author.release('test:by-waybill', '1.0.0', COMPONENT_FILE));
    await readByAll(stage, { name: 'by-waybill', version: '1.0.0', file: COMPONENT_FILE });
  });
  await t.test('a component that warg has published', async () => {
    const author = await stage.warg();
    await succeeds(author.release('test:by-warg', '1.0.0', COMPONENT_FILE));
    await readByAll(stage, { name: 'by-warg', version: '1.0.0', file: COMPONENT_FILE });
  });
  await t.test('a tree', () => treeIsRead(stage));
  await t.test('packages of WIT, by a project of wkg', () => witIsRead(stage));
  await t.test('a yanked version is listed no more, and still given', () => yankIsSeen(stage));
});

/** By those who read the log: each checks its proofs. */
async function readFromLog(stage: OciStage, { name, version, file }: Release): Promise<void> {
  for (const reader of [await stage.waybill(), await stage.warg()]) {
    const received = path.join(reader.home, 'received.wasm');
    await succeeds(reader.download(`${LOGGED}:${name}`, version, received));
    assertSameBytes(received, file);
  }
}

async function readByAll(stage: OciStage, release: Release): Promise<void> {
  await readByWkg(stage, release);
  await readByOras(stage, release);
  const crane = stage.crane();
  const repository = stage.at(`${LOGGED}/${release.name}`);
  assert.deepEqual(await crane.list(repository), [release.version]);
  const { stdout } = await succeeds(crane.manifest(`${repository}:${release.version}`));
  assert.ok(stdout.includes(WASM_TYPE) && stdout.includes(WASM_CONFIG_TYPE), stdout);
  await succeeds(crane.copy(`${repository}:${release.version}`, stage.at(`${PLAIN}/copy-of/${release.name}:copy`)));
  const latest = await succeeds(crane.manifest(`${repository}:latest`));
  assert.equal(latest.stdout, stdout);
}

/** What it fetched is held against the log; the same file with one more byte is not what was released. */
async function readByWkg(stage: OciStage, { name, version, file }: Release): Promise<void> {
  const [wkg, verifier] = [stage.wkg(), await stage.waybill()];
  const [got, pulled] = [path.join(wkg.home, 'got.wasm'), path.join(wkg.home, 'pulled.wasm')];
  await succeeds(wkg.get(`${LOGGED}:${name}`, version, got));
  await succeeds(wkg.oci('pull', stage.at(`${LOGGED}/${name}:${version}`), '--output', pulled));
  for (const received of [got, pulled]) {
    assertSameBytes(received, file);
    await succeeds(verifier.run('verify', received, '--package', `${LOGGED}:${name}@${version}`));
  }
  await refuses(verifier.run('verify', moduleFile(stage, 'other'), '--package', `${LOGGED}:${name}@${version}`));
}

async function readByOras(stage: OciStage, { name, version, file }: Release): Promise<void> {
  const oras = stage.oras();
  const artifact = stage.at(`${LOGGED}/${name}:${version}`);
  await succeeds(oras.pull(artifact, 'pulled'));
  const [received = assert.fail('oras pulled nothing')] = Object.keys(readFiles(path.join(oras.home, 'pulled')));
  assertSameBytes(path.join(oras.home, 'pulled', received), file);
  const { stdout } = await succeeds(oras.discover(artifact));
  assert.ok(stdout.includes('application/vnd.waybill.log-proof.v1+json'), stdout);
}

async function wkgPublishes(stage: OciStage): Promise<void> {
  for (const release of await publishWit(stage)) {
    await readFromLog(stage, release);
    await readByWkg(stage, release);
  }
  const app = await buildApp(stage);
  const { stdout } = await succeeds((await stage.waybill()).run('wit', app, '--output', '-'));
  assert.match(stdout, /import test:store\/keys@1\.1\.0/);
}

async function wkgPushes(stage: OciStage): Promise<void> {
  const wkg = stage.wkg();
  await succeeds(wkg.oci('push', stage.at(`${LOGGED}/pushed:1.0.0`), COMPONENT_FILE));
  const release = { name: 'pushed', version: '1.0.0', file: COMPONENT_FILE };
  await readFromLog(stage, release);
  await readByAll(stage, release);
}

async function orasPushes(stage: OciStage): Promise<void> {
  const oras = stage.oras();
  copyInto(oras, MODULE_FILE, 'module.wasm');
  await succeeds(oras.push(stage.at(`${LOGGED}/by-oras:1.0.0`), [`module.wasm:${WASM_TYPE}`]));
  const release = { name: 'by-oras', version: '1.0.0', file: MODULE_FILE };
  await readFromLog(stage, release);
  await readByOras(stage, release);
}

async function orasPushesTree(stage: OciStage): Promise<void> {
  const [oras, reader] = [stage.oras(), await stage.waybill()];
  const files = { 'README.md': 'A tree.\n', 'src/lib.txt': 'one', 'src/deep/empty.txt': '' };
  writeFiles(oras.home, files);
  const named = Object.keys(files).map((name) => `${name}:text/plain`);
  await succeeds(oras.push(stage.at(`${LOGGED}/tree-by-oras:1.0.0`), named));
  const received = path.join(reader.home, 'tree');
  await succeeds(reader.download(`${LOGGED}:tree-by-oras`, '1.0.0', received));
  assert.deepEqual(readFiles(received), files);
  await succeeds(oras.pull(stage.at(`${LOGGED}/tree-by-oras:1.0.0`), 'pulled'));
  assert.deepEqual(readFiles(path.join(oras.home, 'pulled')), files);
}

async function craneCopies(stage: OciStage): Promise<void> {
  const [wkg, crane] = [stage.wkg(), stage.crane()];
  const source = stage.at(`${PLAIN}/to-copy:dev`);
  await succeeds(wkg.oci('push', source, COMPONENT_FILE));
  await succeeds(crane.copy(source, stage.at(`${LOGGED}/by-crane:1.0.0`)));
  const release = { name: 'by-crane', version: '1.0.0', file: COMPONENT_FILE };
  await readFromLog(stage, release);
  await readByWkg(stage, release);
  const [plain, logged] = [crane.manifest(source), crane.manifest(stage.at(`${LOGGED}/by-crane:1.0.0`))];
  assert.equal((await succeeds(logged)).stdout, (await succeeds(plain)).stdout);
}

async function keepsVersions(stage: OciStage): Promise<void> {
  const [wkg, crane] = [stage.wkg(), stage.crane()];
  const artifact = stage.at(`${LOGGED}/kept:1.0.0`);
  const [first, second] = [moduleFile(stage, 'first'), moduleFile(stage, 'second')];
  await succeeds(wkg.oci('push', artifact, first));
  const { stdout } = await succeeds(crane.manifest(artifact));
  // The same layer in another manifest: nothing to release, and nothing to refuse.
  await succeeds(wkg.oci('push', artifact, first));
  await refuses(wkg.oci('push', artifact, second));
  await refuses(crane.run('delete', artifact), undefined, /yank/);
  assert.equal((await succeeds(crane.manifest(artifact))).stdout, stdout);
  await readFromLog(stage, { name: 'kept', version: '1.0.0', file: first });
}

async function treeIsRead(stage: OciStage): Promise<void> {
  const [author, oras] = [await stage.waybill(), stage.oras()];
  const files = { 'README.md': 'A tree.\n', 'src/lib.txt': 'one', 'src/empty.txt': '' };
  const folder = path.join(author.home, 'tree');
  writeFiles(folder, files);
  await succeeds(author.release('test:tree', '1.0.0', folder));
  await succeeds(oras.pull(stage.at(`${LOGGED}/tree:1.0.0`), 'pulled'));
  assert.deepEqual(readFiles(path.join(oras.home, 'pulled')), files);
}

async function witIsRead(stage: OciStage): Promise<void> {
  const author = await stage.waybill();
  for (const [i, [name, version, text]] of WIT_PACKAGES.entries()) {
    const folder = path.join(author.home, `package-${i}`);
    writeFiles(folder, { 'package.wit': text, ...(i === 0 ? {} : { 'deps/types.wit': WIT_PACKAGES[0][2] }) });
    await succeeds(author.run('publish', folder, '--wit', '--package', `${LOGGED}:${name}`, '--version', version));
  }
  await buildApp(stage);
}

async function yankIsSeen(stage: OciStage): Promise<void> {
  const [author, crane] = [await stage.waybill(), stage.crane()];
  for (const version of ['1.0.0', '1.1.0'])
    await succeeds(author.release('test:yanked', version, moduleFile(stage, version)));
  await succeeds(author.yank('test:yanked', '1.1.0'));
  const repository = stage.at(`${LOGGED}/yanked`);
  assert.deepEqual(await crane.list(repository), ['1.0.0']);
  const oras = stage.oras();
  await succeeds(oras.pull(`${repository}:1.1.0`, 'pulled'));
  const [received = ''] = Object.keys(readFiles(path.join(oras.home, 'pulled')));
  assert.deepEqual(readFileSync(path.join(oras.home, 'pulled', received)), readFileSync(moduleFile(stage, '1.1.0')));
}
