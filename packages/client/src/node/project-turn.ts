import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '@waybill/protocol';
import { hasCode, unlessMissing } from './file-failure.ts';
import { clearTemporaries, isRunning, temporaryBeside } from './temporary-file.ts';

const TURN_FILE = '.waybill-turn';
const LOOK_MS = 100;
const LOOKS_MAX = 1_200;
const NAMELESS_MS_MAX = 2_000;

/** Turns of this process: the system says of a process only that it runs. */
const OWN = new Set<string>();

/**
 * One at a time changes a project: two that install at once would clear away what the other has staged, and of two that add a
 * package one would lose. Whoever comes second waits; what a killed process has left is taken from it. Throws `usage/invalid`
 * after two minutes.
 */
export async function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const file = path.join(folder, TURN_FILE);
  const own = JSON.stringify({ host: hostname(), process: process.pid, id: randomUUID() });
  await take(file, own);
  OWN.add(own);
  try {
    await clearTemporaries(folder);
    return await work();
  } finally {
    OWN.delete(own);
    if ((await heldBy(file)) === own) await rm(file, { force: true });
  }
}

async function take(file: string, own: string): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    if (await created(file, own)) return;
    const holder = await heldBy(file);
    if (holder !== null && (await hasEnded(file, holder))) await takeAway(file, holder);
    else await sleep(LOOK_MS);
  }
  const message = `another waybill has been changing this project for ${(LOOK_MS * LOOKS_MAX) / 1000} s (${(await heldBy(file)) ?? ''}): wait for it; if there is none, remove ${file}`;
  throw new RegistryError('usage/invalid', message, { file });
}

async function created(file: string, own: string): Promise<boolean> {
  try {
    await writeFile(file, own, { flag: 'wx' });
    return true;
  } catch (failure) {
    if (hasCode(failure, 'EEXIST')) return false;
    throw failure;
  }
}

async function heldBy(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return null;
    throw failure;
  }
}

/** Whoever cannot be told, as one of another machine, or one that is just writing its name, is taken to be at work. */
async function hasEnded(file: string, holder: string): Promise<boolean> {
  if (OWN.has(holder)) return false;
  if (holder === '') return isNameless(file);
  const [, host, id] = /^\{"host":"([^"]*)","process":(\d{1,10}),/.exec(holder) ?? [];
  if (id === undefined || host !== hostname()) return false;
  return Number(id) === process.pid || !isRunning(Number(id));
}

/** Of a process that was killed before it wrote its name. */
async function isNameless(file: string): Promise<boolean> {
  const found = await stat(file).catch(unlessMissing);
  return found !== undefined && found.size === 0 && Date.now() - found.mtimeMs > NAMELESS_MS_MAX;
}

async function takeAway(file: string, holder: string): Promise<void> {
  const aside = await temporaryBeside(file);
  try {
    await rename(file, aside);
  } catch (failure) {
    if (hasCode(failure, 'ENOENT')) return;
    throw failure;
  }
  const found = await readFile(aside, 'utf8');
  // Somebody else was quicker, and it is their new turn that was moved.
  if (found !== holder) await created(file, found);
  await rm(aside, { force: true });
}
