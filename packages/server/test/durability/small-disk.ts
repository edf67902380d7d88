import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What keeps disks from being mounted here; `null` when nothing does. */
export function mountObstacle(): string | null {
  try {
    new SmallDisk('1m').dispose();
    return null;
  } catch {
    return 'mounting a tmpfs takes the rights of root';
  }
}

/** A disk of its own, in memory. */
export class SmallDisk {
  readonly #parent = mkdtempSync(path.join(tmpdir(), 'waybill-disk-'));
  readonly folder = path.join(this.#parent, 'disk');
  readonly #mounted: string[] = [];

  /** `size` as `mount` takes it, such as `8m`. Throws when it may not be mounted. */
  constructor(size: string) {
    mkdirSync(this.folder);
    try {
      this.#mount(this.folder, '-t', 'tmpfs', '-o', `size=${size}`, 'waybill-test');
    } catch (failure) {
      rmSync(this.#parent, { recursive: true });
      throw failure;
    }
  }

  #mount(folder: string, ...args: readonly string[]): void {
    run('mount', ...args, folder);
    this.#mounted.push(folder);
  }

  /** A disk that files are open on for writing cannot be made so. */
  setReadOnly(readOnly: boolean): void {
    run('mount', '-o', `remount,${readOnly ? 'ro' : 'rw'}`, this.folder);
  }

  /** Makes a folder read-only for whoever opens something in it from now on. Returns the end of it. */
  coverReadOnly(folder: string): () => void {
    this.#mount(folder, '--bind', folder);
    run('mount', '-o', 'remount,bind,ro', folder);
    return () => {
      run('umount', folder);
      this.#mounted.splice(this.#mounted.indexOf(folder), 1);
    };
  }

  dispose(): void {
    for (const folder of this.#mounted.splice(0).toReversed()) run('umount', folder);
    rmdirSync(this.folder);
    rmdirSync(this.#parent);
  }
}

function run(command: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  assert.equal(status, 0, stderr);
}
