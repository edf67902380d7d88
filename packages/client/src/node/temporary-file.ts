import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { hasCode, unlessMissing } from './file-failure.ts';

/** Whose number a process has: that of another machine, or of another container, says nothing here. */
const MACHINE = createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex').slice(0, 8);

const TEMPORARY = /\.([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{16}\.tmp$/;

/** Folders that this process has cleared: the cache may hold very many files. */
const CLEARED = new Set<string>();

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

/**
 * A name beside `target` for a file that is to take its place. It says who writes it, so that what a killed process has left is
 * known for that: the first call for a folder clears it away.
 */
export async function temporaryBeside(target: string): Promise<string> {
  await clearOnce(path.dirname(target));
  return `${target}.${MACHINE}-${process.pid}-${randomBytes(8).toString('hex')}.tmp`;
}

/** For a folder that is read more often than written. */
export async function clearOnce(folder: string): Promise<void> {
  if (CLEARED.has(folder)) return;
  CLEARED.add(folder);
  await clearTemporaries(folder);
}

/**
 * Removes the temporaries of this user whose processes have ended. Where a later process has the number of one of them, its file
 * stays until that has ended, too; so does what cannot be removed, and all of it in a folder that cannot be read: nobody's work
 * waits for this.
 */
export async function clearTemporaries(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, machine, id] = TEMPORARY.exec(name) ?? [];
    if (id === undefined || machine !== MACHINE || isRunning(Number(id))) continue;
    const file = path.join(folder, name);
    const found = await lstat(file).catch(() => undefined);
    // In a folder of all, such as /tmp, a name says nothing about others.
    if (found === undefined || found.uid !== (process.getuid?.() ?? found.uid)) continue;
    await removeIfPossible(file);
  }
}

/** What stays, as a folder that may not be written, is no fault of whoever has done his work. */
async function removeIfPossible(file: string): Promise<void> {
  await rm(file, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
}

/** Removes at once what stands in a place, whatever it is: a kill on the way leaves nothing of it there. */
export async function removeAtOnce(place: string): Promise<void> {
  const aside = await temporaryBeside(place);
  if ((await rename(place, aside).then(always, unlessMissing)) === undefined) return;
  await removeIfPossible(aside);
}

function always(): true {
  return true;
}

/** Whether a process of this machine runs: this one does. */
export function isRunning(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (failure) {
    return !hasCode(failure, 'ESRCH');
  }
}
