import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { succeeds } from './command.ts';
import { writeFiles, type OciStage } from './oci-stage.ts';

/** A package in the namespace of packages. */
export interface Release {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

/** In the order in which they use each other. */
export const WIT_PACKAGES = [
  ['types', '1.0.0', 'package test:types@1.0.0;\n\ninterface api {\n  type name = string;\n}\n'],
  [
    'store',
    '1.0.0',
    'package test:store@1.0.0;\n\ninterface keys {\n  use test:types/api@1.0.0.{name};\n  get: func(name: name) -> u64;\n}\n',
  ],
  [
    'store',
    '1.1.0',
    'package test:store@1.1.0;\n\ninterface keys {\n  use test:types/api@1.0.0.{name};\n  get: func(name: name) -> u64;\n' +
      '  has: func(name: name) -> bool;\n}\n',
  ],
] as const;
const APP =
  'package test:app@0.1.0;\n\nworld app {\n  import test:store/keys@1.1.0;\n  import test:types/api@1.0.0;\n}\n';

/** By `wkg`, which fetches and builds and lists what is there. */
export async function publishWit(stage: OciStage): Promise<Release[]> {
  const wkg = stage.wkg();
  const releases: Release[] = [];
  for (const [name, version, text] of WIT_PACKAGES) {
    const project = path.join(wkg.home, `${name}-${version}`);
    writeFiles(project, { 'wit/package.wit': text });
    await succeeds(wkg.run(['wit', 'fetch'], project));
    await succeeds(wkg.run(['wit', 'build', '--output', 'built.wasm'], project));
    await succeeds(wkg.run(['publish', 'built.wasm'], project));
    releases.push({ name, version, file: path.join(project, 'built.wasm') });
  }
  return releases;
}

/** By a project that needs all of them. Gives the file. */
export async function buildApp(stage: OciStage): Promise<string> {
  const wkg = stage.wkg();
  writeFiles(wkg.home, { 'wit/app.wit': APP });
  await succeeds(wkg.run(['wit', 'fetch']));
  const lock = readFileSync(path.join(wkg.home, 'wkg.lock'), 'utf8');
  for (const name of ['test:store', 'test:types']) assert.ok(lock.includes(`name = "${name}"`), lock);
  await succeeds(wkg.run(['wit', 'build', '--output', 'app.wasm']));
  return path.join(wkg.home, 'app.wasm');
}
