import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { refuses, succeeds, type Outcome } from './command.ts';
import { COMPONENT_FILE, MODULE_FILE, writeWitPackage } from './content.ts';
import { peerTest, type PeerName } from './peers.ts';
import type { Newcomer, Person } from './person.ts';
import type { RegistryStart } from './registry.ts';
import { assertSameBytes, openScene, type Scene } from './scene.ts';

/** What people do with a registry, whichever command line and server they have. */
interface Story {
  readonly title: string;
  readonly tell: (scene: Scene) => Promise<void>;
}

const RACE_ROUNDS = 3;
/** A core module that holds nothing but a custom section: content that differs and is quick to send. */
const EMPTY_MODULE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** Tells every story, each with packages of its own, side by side against one registry. */
export function tellStories(
  who: string,
  needs: readonly PeerName[],
  parts: { readonly start: RegistryStart; readonly newcomer: Newcomer },
): void {
  peerTest(who, needs, async (t) => {
    const scene = await openScene(t, parts);
    await Promise.all(STORIES.map(({ title, tell }) => t.test(`${who}: ${title}`, () => tell(scene))));
  });
}

const STORIES: readonly Story[] = [
  { title: 'a component, a core module and a WIT package come back byte for byte', tell: tellIdenticalContent },
  { title: 'a granted key releases, and no more once it is revoked', tell: tellGrantAndRevoke },
  { title: 'a yanked version is not resolved', tell: tellYank },
  { title: 'several entries in one record', tell: tellSeveralEntries },
  { title: 'two publishers at once both succeed', tell: tellRace },
  { title: 'two publishers start a log at once', tell: tellStartRace },
  { title: 'a reader sees what was released since', tell: tellUpdate },
  { title: 'a version is released once', tell: tellReleaseTwice },
];

async function tellIdenticalContent(scene: Scene): Promise<void> {
  const [owner, reader] = [await scene.newcomer(), await scene.newcomer()];
  // A WIT package says its name, and ours publishes it under no other.
  const files = {
    'test:component': COMPONENT_FILE,
    'test:module': MODULE_FILE,
    'test:greeting': await writeWitPackage(scene.folder),
  };
  for (const [name, file] of Object.entries(files)) {
    await succeeds(owner.release(name, '1.0.0', file));
    const received = path.join(reader.home, `${name.slice('test:'.length)}.wasm`);
    await succeeds(reader.download(name, null, received));
    assertSameBytes(received, file);
  }
}

async function tellGrantAndRevoke(scene: Scene): Promise<void> {
  const name = 'test:granted';
  const [owner, friend] = [await scene.newcomer(), await scene.newcomer()];
  await succeeds(owner.release(name, '1.0.0', MODULE_FILE));
  await refuses(friend.release(name, '1.1.0', moduleFile(scene, 'refused')));
  await succeeds(owner.grant(name, friend.publicKey));
  const file = moduleFile(scene, 'granted');
  await succeeds(friend.release(name, '1.1.0', file));
  await succeeds(owner.revoke(name, friend.keyId));
  await refuses(friend.release(name, '1.2.0', moduleFile(scene, 'revoked')));
  const received = path.join(owner.home, 'granted.wasm');
  await succeeds(owner.download(name, null, received));
  assertSameBytes(received, file);
}

async function tellYank(scene: Scene): Promise<void> {
  const name = 'test:yanked';
  const [owner, reader] = [await scene.newcomer(), await scene.newcomer()];
  await succeeds(owner.release(name, '1.0.0', MODULE_FILE));
  await succeeds(owner.release(name, '1.1.0', moduleFile(scene, 'bad')));
  await succeeds(owner.yank(name, '1.1.0'));
  const received = path.join(reader.home, 'yanked.wasm');
  await downloadsYanked(reader, reader.download(name, '1.1.0', received));
  await succeeds(reader.download(name, null, received));
  assertSameBytes(received, MODULE_FILE);
  await refuses(owner.yank(name, '1.1.0'));
  await refuses(owner.yank(name, '3.0.0'));
}

/** Rust forgets what a yanked version was; ours gives it, with a warning, to whoever names exactly it. */
function downloadsYanked({ givesYanked }: Person, outcome: Promise<Outcome>): Promise<Outcome> {
  return givesYanked ? succeeds(outcome) : refuses(outcome);
}

async function tellSeveralEntries(scene: Scene): Promise<void> {
  const name = 'test:several';
  const [owner, friend] = [await scene.newcomer(), await scene.newcomer()];
  const [first, second, third] = ['first', 'second', 'third'].map((text) => moduleFile(scene, text));
  assert.ok(first && second && third);
  await succeeds(owner.release(name, '0.1.0', first));
  const releases = [
    { version: '0.2.0', file: second },
    { version: '0.3.0', file: third },
  ];
  await succeeds(owner.record(name, { releases, grants: [friend.publicKey], yanks: ['0.1.0'] }));
  for (const { version, file } of releases) {
    const received = path.join(friend.home, `${version}.wasm`);
    await succeeds(friend.download(name, version, received));
    assertSameBytes(received, file);
  }
  await downloadsYanked(friend, friend.download(name, '0.1.0', path.join(friend.home, 'none.wasm')));
  await succeeds(friend.release(name, '0.4.0', moduleFile(scene, 'fourth')));
}

async function tellRace(scene: Scene): Promise<void> {
  const name = 'test:race';
  const [owner, friend] = [await scene.newcomer(), await scene.newcomer()];
  await succeeds(owner.release(name, '0.0.0', MODULE_FILE));
  await succeeds(owner.grant(name, friend.publicKey));
  for (let round = 1; round <= RACE_ROUNDS; round++) {
    const files = [`owner ${round}`, `friend ${round}`].map((text) => moduleFile(scene, text));
    const runners = [owner, friend].map((person, i) => ({ person, version: `${round}.${i}.0`, file: files[i] ?? '' }));
    await Promise.all(runners.map(({ person, version, file }) => succeeds(person.release(name, version, file))));
    for (const { person, version, file } of runners) {
      const received = path.join(person.home, `${version}.wasm`);
      await succeeds(person.download(name, version, received));
      assertSameBytes(received, file);
    }
  }
}

/** One of them finds the log started by the other, whose package it then is. */
async function tellStartRace(scene: Scene): Promise<void> {
  const name = 'test:start-race';
  const people = [await scene.newcomer(), await scene.newcomer()];
  const outcomes = await Promise.all(
    people.map((person, i) => person.release(name, `${i}.0.0`, moduleFile(scene, `start ${i}`))),
  );
  const winners = outcomes.filter(({ code }) => code === 0);
  assert.equal(winners.length, 1, outcomes.map(({ code, stderr }) => `${code} ${stderr}`).join('\n'));
}

async function tellUpdate(scene: Scene): Promise<void> {
  const name = 'test:updated';
  const [owner, reader] = [await scene.newcomer(), await scene.newcomer()];
  await succeeds(owner.release(name, '1.0.0', MODULE_FILE));
  const received = path.join(reader.home, 'updated.wasm');
  await succeeds(reader.download(name, null, received));
  assertSameBytes(received, MODULE_FILE);
  const file = moduleFile(scene, 'newer');
  await succeeds(owner.release(name, '1.1.0', file));
  await succeeds(reader.update(name));
  await succeeds(reader.download(name, null, received));
  assertSameBytes(received, file);
}

async function tellReleaseTwice(scene: Scene): Promise<void> {
  const owner = await scene.newcomer();
  await succeeds(owner.release('test:twice', '1.0.0', MODULE_FILE));
  await refuses(owner.release('test:twice', '1.0.0', moduleFile(scene, 'again')));
}

/** A small module of its own content. */
export function moduleFile({ folder }: Pick<Scene, 'folder'>, text: string): string {
  const file = path.join(folder, `${text.replaceAll(' ', '-')}.wasm`);
  const name = [...new TextEncoder().encode(text)];
  writeFileSync(file, Uint8Array.of(...EMPTY_MODULE, 0, name.length + 1, name.length, ...name));
  return file;
}
