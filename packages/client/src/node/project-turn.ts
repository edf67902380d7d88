import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RegistryError } from '@waybill/protocol';
import { createFile } from './durable-file.ts';
import { hasCode } from './file-failure.ts';
import { clearTemporaries, isRunning, temporaryBeside } from './temporary-file.ts';

const TURN_FILE = '.waybill-turn';
const LOOK_MS = 100;
const LOOKS_MAX = 1_200;
/** Who else changes the project has to see who has the turn. */
const TURN_MODE = 0o644;

/** What a file system without hard links says of one. */
const NO_LINKS = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

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
  // Before it is to be read there: another call in this process would take it for that of an ended one.
  OWN.add(own);
  try {
    await take(file, own);
    await clearTemporaries(folder);
    return await work();
  } finally {
    if ((await heldBy(file)) === own) await rm(file, { force: true });
    OWN.delete(own);
  }
}

async function take(file: string, own: string): Promise<void> {
  for (let looks = 0; looks < LOOKS_MAX; looks++) {
    const holder = await heldBy(file);
    if (holder === null && (await created(file, own))) return;
    if (holder !== null && hasEnded(holder)) await takeAway(file, holder);
    else await sleep(LOOK_MS);
  }
  const message = `another waybill has been changing this project for ${(LOOK_MS * LOOKS_MAX) / 1000} s (${(await heldBy(file)) ?? ''}): wait for it; if there is none, remove ${file}`;
  throw new RegistryError('usage/invalid', message, { file });
}

/** With the name in it from the start: one without would hold up all, were its process killed before it wrote that. */
async function created(file: string, own: string): Promise<boolean> {
  try {
    return await createFile(file, own, TURN_MODE);
  } catch (failure) {
    if (!NO_LINKS.some((code) => hasCode(failure, code))) throw failure;
    return createdWithoutLinks(file, own);
  }
}

async function createdWithoutLinks(file: string, own: string): Promise<boolean> {
  try {
    await writeFile(file, own, { flag: 'wx', mode: TURN_MODE });
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
function hasEnded(holder: string): boolean {
  if (OWN.has(holder)) return false;
  const [, host, id] = /^\{"host":"([^"]*)","process":(\d{1,10}),/.exec(holder) ?? [];
  if (id === undefined || host !== hostname()) return false;
  return Number(id) === process.pid || !isRunning(Number(id));
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
