import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { parseLock, type ProjectLock } from '@waybill/client';
import { FULL } from '@waybill/tools/test-scale';
import { filesOf, leftIn } from './folder-states.ts';
import {
  inLanes,
  LANES,
  Moments,
  openKillStage,
  stateOf,
  timed,
  type Files,
  type KillStage,
  type Version,
} from './kill-stage.ts';
import { killedRun } from './killed-commands.ts';
import { codeOf, openUser, type TestUser } from './registry.ts';

const KILLS = Math.ceil((FULL ? 60 : 1) / LANES);

let stage: KillStage;

before(async () => {
  stage = await openKillStage();
});
after(() => stage.dispose());

/** A state of a project: what it asks for, what was locked for that, and what was installed by it. */
interface ProjectState {
  readonly manifest: string;
  readonly lockText: string;
  readonly lock: ProjectLock;
  readonly wit: Files;
  readonly wasm: Files;
}

async function stateFor(version: Version): Promise<ProjectState> {
  const user = await openUser();
  try {
    const lines = ['io', 'text', 'site'].map((name) => `"test:${name}" = "=${version}"\n`);
    const manifest = `registry = "${stage.registry.url.href}"\n\n[dependencies]\n${lines.join('')}`;
    await writeFile(user.file('waybill.toml'), manifest);
    await user.ok('install');
    const lockText = await readFile(user.file('waybill.lock'), 'utf8');
    const [wit, wasm] = [await filesOf(user.file('wit/deps')), await filesOf(user.file('wasm/deps'))];
    return { manifest, lockText, lock: parseLock(lockText), wit, wasm };
  } finally {
    await user.dispose();
  }
}

async function lockIn(user: TestUser): Promise<ProjectLock> {
  return parseLock(await readFile(user.file('waybill.lock'), 'utf8'));
}

async function requireInstalled(user: TestUser, { lock, wit, wasm }: ProjectState): Promise<void> {
  assert.deepEqual((await lockIn(user)).releases, lock.releases);
  assert.deepEqual(await filesOf(user.file('wit/deps')), wit);
  assert.deepEqual(await filesOf(user.file('wasm/deps')), wasm);
  assert.deepEqual(await leftIn(user.home), []);
}

/** After a kill: each folder and the lock is the old or the new one. */
async function requireWhole(user: TestUser, old: ProjectState, next: ProjectState): Promise<void> {
  for (const kind of ['wit', 'wasm'] as const) await stateOf(user.file(`${kind}/deps`), old[kind], next[kind]);
  const { releases } = await lockIn(user);
  const isOld = JSON.stringify(releases) === JSON.stringify(old.lock.releases);
  assert.deepEqual(releases, (isOld ? old : next).lock.releases);
}

type TwoStates = readonly [ProjectState, ProjectState];

async function killInstalls(lane: number, states: TwoStates): Promise<void> {
  const user = await openUser();
  try {
    await writeFile(user.file('waybill.toml'), states[0].manifest);
    await user.spawn('install');
    await writeFile(user.file('waybill.toml'), states[1].manifest);
    const wholeMs = await timed(() => user.spawn('install'));
    const moments = new Moments(lane, [user.file('wit'), user.file('wasm')], wholeMs);
    for (let i = 0; i < KILLS; i++) {
      const [old, next] = i % 2 === 0 ? [states[1], states[0]] : states;
      await writeFile(user.file('waybill.toml'), next.manifest);
      // A lock comes by way of the manifest, or by a pull.
      const isPulled = i % 3 === 2;
      if (isPulled) await writeFile(user.file('waybill.lock'), next.lockText);
      await killedRun(user, isPulled ? ['install', '--frozen'] : ['install'], moments.draw());
      await requireWhole(user, old, next);
      await requireMended(user, next);
    }
  } finally {
    await user.dispose();
  }
}

/** What stands is taken by the lock, which is that of the manifest, or is refused; then the next install ends it. */
async function requireMended(user: TestUser, next: ProjectState): Promise<void> {
  const frozen = await user.spawn('install', '--frozen', '--json');
  if (frozen.code !== 0) {
    assert.equal(codeOf(frozen), 'lock/outdated');
    const again = await user.spawn('install');
    assert.equal(again.code, 0, again.stderr);
  }
  await requireInstalled(user, next);
}

test('an install that is killed leaves whole folders, and a lock that the next one does not misread', async () => {
  const states = [await stateFor('1.0.0'), await stateFor('2.0.0')] as const;
  await inLanes((lane) => killInstalls(lane, states));
});
