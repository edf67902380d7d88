import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand, type Outcome } from './command.ts';
import { peerPath } from './peers.ts';

/**
 * The published `wkg`, which has a folder of packages for the registry of a namespace: its kind of registry that needs no OCI.
 * It calls the registry by the host of ours.
 */
export class Wkg {
  readonly #root: string;
  readonly #config: string;

  constructor(folder: string, { namespace, host }: { readonly namespace: string; readonly host: string }) {
    this.#root = path.join(folder, 'wkg-packages');
    this.#config = path.join(folder, 'wkg-config.toml');
    writeFileSync(
      this.#config,
      `[namespace_registries]\n${namespace} = "${host}"\n\n[registry."${host}".local]\nroot = "${this.#root}"\n`,
    );
  }

  /** Where it looks for a release. */
  fileOf(name: string, version: string): string {
    const folder = path.join(this.#root, ...name.split(':'));
    mkdirSync(folder, { recursive: true });
    return path.join(folder, `${version}.wasm`);
  }

  /** In a project, which is the home of whoever runs it: what it caches is gone with that. */
  run(project: string, ...args: readonly string[]): Promise<Outcome> {
    return runCommand(peerPath('wkg'), [...args, '--config', this.#config], { home: project });
  }
}
