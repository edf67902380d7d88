import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Newcomer, Person } from './person.ts';
import type { Registry, RegistryStart } from './registry.ts';

/** A registry and the people who use it. Everything is gone at the end of its test. */
export interface Scene {
  readonly folder: string;
  readonly registry: Registry;
  newcomer(): Promise<Person>;
}

interface SceneParts {
  readonly start: RegistryStart;
  readonly newcomer: Newcomer;
  /** Text of the file of who may publish; `null`: anybody. */
  readonly publishers?: string;
}

export async function openScene(t: TestContext, { start, newcomer, publishers }: SceneParts): Promise<Scene> {
  const folder = openFolder(t);
  const publishersFile = publishers === undefined ? null : path.join(folder, 'publishers.toml');
  if (publishersFile !== null) writeFileSync(publishersFile, publishers ?? '');
  const registry = await start(path.join(folder, 'registry'), publishersFile);
  t.after(() => registry.stop());
  return { folder, registry, newcomer: () => newcomer(registry.url, newHome(folder)) };
}

/** A folder that is deleted when the test is over. */
export function openFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'waybill-interop-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** An empty home for one more person. */
export function newHome(folder: string): string {
  const homes = path.join(folder, 'homes');
  mkdirSync(homes, { recursive: true });
  return mkdtempSync(path.join(homes, 'home-'));
}

export function assertSameBytes(file: string, expected: string): void {
  assert.ok(readFileSync(file).equals(readFileSync(expected)), `${file} differs from ${expected}`);
}
