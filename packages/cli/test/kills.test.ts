import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { parseLock, type ProjectLock } from '@waybill/client';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { filesOf, leftIn } from './folder-states.ts';
import { killedRun, type KillMoment } from './killed-commands.ts';
import { codeOf, openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { componentOf, witPackageOf } from './wasm-bytes.ts';

/* A command that is killed with SIGKILL runs no code of ours: what it leaves is what it had written. */

const GET_KILLS = FULL ? 200 : 2;
const INSTALL_KILLS = FULL ? 100 : 1;
/** Files of a tree: enough that most kills fall into their writing. */
const FILES = FULL ? 120 : 30;

const VERSIONS = ['1.0.0', '2.0.0'] as const;
type Version = (typeof VERSIONS)[number];

let registry: TestRegistry;
let author: TestUser;
let at: readonly string[];

before(async () => {
  registry = await openRegistry();
  at = ['--registry', registry.url.href];
  author = await openUser();
  await author.ok('key', 'new');
  for (const version of VERSIONS) {
    await mkdir(author.file(`site-${version}/pages`), { recursive: true });
    for (let i = 0; i < FILES; i++) {
      await writeFile(author.file(`site-${version}/pages/${i}.html`), `${version} ${i} `.repeat(100));
    }
    await author.ok('publish', `site-${version}`, '--package', 'test:site', '--version', version, ...at);
    await publish('io', version, witPackageOf('test:io', version, []));
    await publish('log', version, componentOf([], `log@${version}`));
    await publish('text', version, componentOf([`test:log/write@${version}`], `text@${version}`));
  }
});

after(async () => {
  await registry.dispose();
  await author.dispose();
});

async function publish(name: string, version: Version, bytes: Uint8Array): Promise<void> {
  await writeFile(author.file('publish.wasm'), bytes);
  await author.ok('publish', 'publish.wasm', '--package', `test:${name}`, '--version', version, ...at);
}

/** Draws moments over all of a command, and as many again over the time in which it writes. */
class Moments {
  readonly #dice = new Dice(SEED);
  readonly #staging: readonly string[];
  readonly #wholeMs: number;

  constructor(staging: readonly string[], wholeMs: number) {
    this.#staging = staging;
    this.#wholeMs = wholeMs;
  }

  draw(): KillMoment {
    if (this.#dice.oneIn(2)) return { staging: [], afterMs: this.#dice.below(this.#wholeMs) };
    return { staging: this.#staging, afterMs: this.#dice.below(Math.ceil(this.#wholeMs / 3)) };
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return Math.ceil(performance.now() - startMs);
}

type Files = Readonly<Record<string, string>>;

/** A folder as a kill has left it: which of two it is, be it that the old one still stands aside. */
async function stateOf(place: string, old: Files, next: Files): Promise<'old' | 'new'> {
  const found = await filesOf(place);
  const isAside = Object.keys(found).length === 0 && Object.keys(next).length > 0;
  const standing = isAside
    ? await filesOf(path.join(path.dirname(place), `.${path.basename(place)}.waybill-old`))
    : found;
  if (JSON.stringify(standing) === JSON.stringify(old)) return 'old';
  assert.deepEqual(standing, next, `${place} is neither`);
  return 'new';
}

test('a get of a tree that is killed leaves the old tree or the new one; the next one leaves nothing else', async () => {
  const user = await openUser();
  try {
    const trees = new Map(
      await Promise.all(
        VERSIONS.map(async (version) => [version, await filesOf(author.file(`site-${version}`))] as const),
      ),
    );
    const get = (version: Version): string[] => ['get', `test:site@${version}`, '-o', 'site', '--force', ...at];
    await user.ok(...get('1.0.0'));
    const moments = new Moments([user.home], await timed(() => user.spawn(...get('2.0.0'))));
    await user.ok(...get('1.0.0'));
    const seen = { old: 0, new: 0 };
    for (let i = 0; i < GET_KILLS; i++) {
      const [from, to] = i % 2 === 0 ? VERSIONS : VERSIONS.toReversed();
      const [old, next] = [trees.get(from ?? '1.0.0') ?? {}, trees.get(to ?? '2.0.0') ?? {}];
      // Now and then all is fetched anew, so that kills fall into that, too.
      if (i % 4 === 3) await rm(user.file('.cache/waybill/content'), { recursive: true });
      await killedRun(user, get(to ?? '2.0.0'), moments.draw());
      seen[await stateOf(user.file('site'), old, next)]++;
      const again = await user.spawn(...get(to ?? '2.0.0'));
      assert.equal(again.code, 0, again.stderr);
      assert.deepEqual(await filesOf(user.file('site')), next);
      assert.deepEqual(await leftIn(user.home), []);
    }
    if (FULL) assert.ok(seen.old > 0 && seen.new > 0, JSON.stringify(seen));
  } finally {
    await user.dispose();
  }
});

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
    const manifest = `registry = "${registry.url.href}"\n\n[dependencies]\n${lines.join('')}`;
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

test('an install that is killed leaves whole folders, and a lock that the next one does not misread', async () => {
  const states = [await stateFor('1.0.0'), await stateFor('2.0.0')] as const;
  const user = await openUser();
  try {
    await writeFile(user.file('waybill.toml'), states[0].manifest);
    await user.ok('install');
    await writeFile(user.file('waybill.toml'), states[1].manifest);
    const wholeMs = await timed(() => user.spawn('install'));
    const moments = new Moments([user.file('wit'), user.file('wasm')], wholeMs);
    for (let i = 0; i < INSTALL_KILLS; i++) {
      const [old, next] = i % 2 === 0 ? [states[1], states[0]] : states;
      await writeFile(user.file('waybill.toml'), next.manifest);
      // A lock comes by way of the manifest, or by a pull.
      const isPulled = i % 3 === 2;
      if (isPulled) await writeFile(user.file('waybill.lock'), next.lockText);
      await killedRun(user, isPulled ? ['install', '--frozen'] : ['install'], moments.draw());
      await requireWhole(user, old, next);
      const frozen = await user.spawn('install', '--frozen', '--json');
      if (frozen.code === 0) await requireInstalled(user, next);
      else assert.equal(codeOf(frozen), 'lock/outdated');
      const again = await user.spawn('install');
      assert.equal(again.code, 0, again.stderr);
      await requireInstalled(user, next);
    }
  } finally {
    await user.dispose();
  }
});
