import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Dice, FULL, SEED } from '@waybill/tools/test-scale';
import { filesOf } from './folder-states.ts';
import type { KillMoment } from './killed-commands.ts';
import { openRegistry, openUser, type TestRegistry, type TestUser } from './registry.ts';
import { componentOf, witPackageOf } from './wasm-bytes.ts';

/* A command that is killed with SIGKILL runs no code of ours: what it leaves is what it had written. */

/** Users that are at it at once; each has a part of the kills. */
export const LANES = FULL ? 8 : 1;

/** Files of a tree: enough that most kills fall into their writing. */
const FILES = FULL ? 120 : 30;

export const VERSIONS = ['1.0.0', '2.0.0'] as const;
export type Version = (typeof VERSIONS)[number];

/** A registry with a tree and packages in two versions. */
export interface KillStage {
  readonly registry: TestRegistry;
  /** Has the folders `site-<version>`. */
  readonly author: TestUser;
  readonly at: readonly string[];
  dispose(): Promise<void>;
}

export async function openKillStage(): Promise<KillStage> {
  const registry = await openRegistry();
  const at = ['--registry', registry.url.href];
  const author = await openUser();
  const publish = async (name: string, version: Version, bytes: Uint8Array): Promise<void> => {
    await writeFile(author.file('publish.wasm'), bytes);
    await author.ok('publish', 'publish.wasm', '--package', `test:${name}`, '--version', version, ...at);
  };
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
  return {
    registry,
    author,
    at,
    async dispose() {
      await registry.dispose();
      await author.dispose();
    },
  };
}

/** Draws moments over all of a command, and as many again over the time in which it writes. */
export class Moments {
  readonly #dice: Dice;
  readonly #staging: readonly string[];
  readonly #wholeMs: number;

  constructor(lane: number, staging: readonly string[], wholeMs: number) {
    this.#dice = new Dice(SEED + lane);
    this.#staging = staging;
    this.#wholeMs = wholeMs;
  }

  draw(): KillMoment {
    if (this.#dice.oneIn(2)) return { staging: [], afterMs: this.#dice.below(this.#wholeMs) };
    return { staging: this.#staging, afterMs: this.#dice.below(Math.ceil(this.#wholeMs / 3)) };
  }
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return Math.ceil(performance.now() - startMs);
}

export type Files = Readonly<Record<string, string>>;

/** A folder as a kill has left it: which of two it is, be it that the old one still stands aside. */
export async function stateOf(place: string, old: Files, next: Files): Promise<'old' | 'new'> {
  const found = await filesOf(place);
  const isAside = Object.keys(found).length === 0 && Object.keys(next).length > 0;
  const standing = isAside
    ? await filesOf(path.join(path.dirname(place), `.${path.basename(place)}.waybill-old`))
    : found;
  if (JSON.stringify(standing) === JSON.stringify(old)) return 'old';
  assert.deepEqual(standing, next, `${place} is neither`);
  return 'new';
}

/** Does the same in all lanes at once. */
export async function inLanes(work: (lane: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: LANES }, (_, lane) => work(lane)));
}
