import assert from 'node:assert/strict';
import path from 'node:path';
import { refuses, succeeds } from './command.ts';
import { MODULE_FILE } from './content.ts';
import { PLAIN } from './oci-registry.ts';
import { copyInto, openStage, readFiles, writeFiles, type OciStage, type OciStart } from './oci-stage.ts';
import { WASM_TYPE } from './oci-tools.ts';
import { peerTest, type PeerName } from './peers.ts';
import { assertSameBytes } from './scene.ts';
import { moduleFile } from './stories.ts';

const NOTE_TYPE = 'application/vnd.example.note';

/** What every registry does with repositories that are no packages: told once, acted by every server. */
export function tellPlainStories(title: string, needs: readonly PeerName[], start: OciStart): void {
  peerTest(`${title}: plain repositories`, ['oras', 'crane', ...needs], async (t) => {
    const stage = await openStage(t, start);
    await t.test('oras pushes, moves a tag, pulls and deletes', () => orasWorks(stage));
    await t.test('oras attaches, and discovers what was attached', () => orasAttaches(stage));
    await t.test('oras pushes a folder of files, and pulls it', () => orasPushesFiles(stage));
    await t.test('crane copies between repositories, and lists', () => craneCopies(stage));
  });
  peerTest(`${title}: wkg pushes and pulls what is no package`, ['wkg', ...needs], async (t) =>
    wkgWorks(await openStage(t, start)),
  );
}

async function orasWorks(stage: OciStage): Promise<void> {
  const oras = stage.oras();
  const artifact = stage.at(`${PLAIN}/oras:v1`);
  for (const text of ['before', 'after']) {
    copyInto(oras, moduleFile(stage, text), 'hello.wasm');
    await succeeds(oras.push(artifact, [`hello.wasm:${WASM_TYPE}`]));
    await succeeds(oras.pull(artifact, text));
    assertSameBytes(path.join(oras.home, text, 'hello.wasm'), moduleFile(stage, text));
  }
  const { stdout } = await succeeds(oras.run('repo', 'tags', '--plain-http', stage.at(`${PLAIN}/oras`)));
  assert.equal(stdout.trim(), 'v1');
  await succeeds(oras.run('manifest', 'delete', '--plain-http', '--force', artifact));
  await refuses(oras.pull(artifact, 'gone'), 1, /not found/i);
}

async function orasAttaches(stage: OciStage): Promise<void> {
  const oras = stage.oras();
  const artifact = stage.at(`${PLAIN}/attached:v1`);
  writeFiles(oras.home, { 'a.txt': 'a', 'note.txt': 'a note' });
  await succeeds(oras.push(artifact, ['a.txt:text/plain']));
  await succeeds(oras.run('attach', '--plain-http', '--artifact-type', NOTE_TYPE, artifact, 'note.txt:text/plain'));
  const { stdout } = await succeeds(oras.discover(artifact));
  assert.ok(stdout.includes(NOTE_TYPE), stdout);
}

async function orasPushesFiles(stage: OciStage): Promise<void> {
  const oras = stage.oras();
  const artifact = stage.at(`${PLAIN}/files:v1`);
  const files = { 'a.txt': 'first', 'sub/b.txt': 'second', 'sub/deeper/c.txt': '' };
  writeFiles(oras.home, files);
  const named = Object.keys(files).map((name) => `${name}:text/plain`);
  await succeeds(oras.push(artifact, named, '--artifact-type', 'application/vnd.example.files'));
  await succeeds(oras.pull(artifact, 'pulled'));
  assert.deepEqual(readFiles(path.join(oras.home, 'pulled')), files);
}

async function craneCopies(stage: OciStage): Promise<void> {
  const [oras, crane] = [stage.oras(), stage.crane()];
  const source = stage.at(`${PLAIN}/crane-source:v1`);
  const copy = stage.at(`${PLAIN}/deep/er/crane-copy:v2`);
  copyInto(oras, MODULE_FILE, 'hello.wasm');
  await succeeds(oras.push(source, [`hello.wasm:${WASM_TYPE}`]));
  await succeeds(crane.copy(source, copy));
  assert.deepEqual(await crane.list(stage.at(`${PLAIN}/deep/er/crane-copy`)), ['v2']);
  const [one, other] = [await succeeds(crane.manifest(source)), await succeeds(crane.manifest(copy))];
  assert.equal(one.stdout, other.stdout);
  await succeeds(oras.pull(copy, 'pulled'));
  assertSameBytes(path.join(oras.home, 'pulled', 'hello.wasm'), MODULE_FILE);
  const { stdout } = await succeeds(crane.run('catalog', stage.server.host));
  assert.ok(stdout.split('\n').includes(`${PLAIN}/deep/er/crane-copy`), stdout);
}

async function wkgWorks(stage: OciStage): Promise<void> {
  const wkg = stage.wkg();
  const artifact = stage.at(`${PLAIN}/wkg:1.0.0`);
  await succeeds(wkg.oci('push', artifact, MODULE_FILE));
  const file = path.join(wkg.home, 'pulled.wasm');
  await succeeds(wkg.oci('pull', artifact, '--output', file));
  assertSameBytes(file, MODULE_FILE);
}
