import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand, succeeds, type Outcome } from './command.ts';
import { LOGGED } from './oci-registry.ts';
import { peerPath } from './peers.ts';

/** As the title of the first layer of what is pushed here. */
export const WASM_TYPE = 'application/wasm';
export const WASM_CONFIG_TYPE = 'application/vnd.wasm.config.v0+json';

/** Whoever has a home, and so credentials and a cache of their own. */
interface Home {
  readonly home: string;
}

type Env = Readonly<Record<string, string>>;

/** The published `oras`. Files are named as they lie in its home. */
export class Oras {
  readonly home: string;
  readonly #env: Env;

  constructor({ home }: Home, env: Env = {}) {
    this.home = home;
    this.#env = env;
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return runCommand(peerPath('oras'), args, { home: this.home, env: this.#env });
  }

  /** `files`: name, a colon, and media type. */
  push(artifact: string, files: readonly string[], ...options: readonly string[]): Promise<Outcome> {
    return this.run('push', '--plain-http', ...options, artifact, ...files);
  }

  /** Into `folder` of its home. */
  pull(artifact: string, folder: string): Promise<Outcome> {
    return this.run('pull', '--plain-http', '--output', folder, artifact);
  }

  manifest(artifact: string): Promise<Outcome> {
    return this.run('manifest', 'fetch', '--plain-http', artifact);
  }

  discover(artifact: string): Promise<Outcome> {
    return this.run('discover', '--plain-http', '--format', 'json', artifact);
  }

  login(host: string, user: string, password: string): Promise<Outcome> {
    return this.run('login', '--plain-http', '--username', user, '--password', password, host);
  }
}

/** The published `crane`, which speaks plain HTTP to this machine. */
export class Crane {
  readonly home: string;
  readonly #env: Env;

  constructor({ home }: Home, env: Env = {}) {
    this.home = home;
    this.#env = env;
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return runCommand(peerPath('crane'), args, { home: this.home, env: this.#env });
  }

  copy(from: string, to: string): Promise<Outcome> {
    return this.run('copy', from, to);
  }

  /** Tags. */
  async list(repository: string): Promise<string[]> {
    const { stdout } = await succeeds(this.run('ls', repository));
    return stdout.split('\n').filter((line) => line !== '');
  }

  manifest(artifact: string): Promise<Outcome> {
    return this.run('manifest', artifact);
  }

  login(host: string, user: string, password: string): Promise<Outcome> {
    return this.run('auth', 'login', '--username', user, '--password', password, host);
  }
}

interface WkgSettings extends Home {
  readonly host: string;
  /** As the configuration says it; `null` for nobody. */
  readonly login?: { readonly username: string; readonly password: string } | null;
  readonly env?: Env;
}

/** The published `wkg`, which has the packages of {@link LOGGED} at one registry. */
export class OciWkg {
  readonly home: string;
  readonly #config: string;
  readonly #host: string;
  readonly #env: Env;

  constructor({ home, host, login = null, env = {} }: WkgSettings) {
    this.home = home;
    this.#host = host;
    this.#env = env;
    this.#config = path.join(home, 'wkg-config.toml');
    const auth = login === null ? '' : `auth = { username = "${login.username}", password = "${login.password}" }\n`;
    writeFileSync(
      this.#config,
      `[namespace_registries]\n${LOGGED} = "${host}"\n\n[registry."${host}"]\ndefault = "oci"\n\n` +
        `[registry."${host}".oci]\nprotocol = "http"\n${auth}`,
    );
  }

  /** Of packages. `project` is where it runs. */
  run(args: readonly string[], project = this.home): Promise<Outcome> {
    const env = { HOME: this.home, WKG_CACHE_DIR: path.join(this.home, 'wkg-cache'), ...this.#env };
    return runCommand(peerPath('wkg'), [...args, '--config', this.#config], { home: project, env });
  }

  /** Of a release, into a file by its whole path. */
  get(name: string, version: string, file: string): Promise<Outcome> {
    return this.run(['get', `${name}@${version}`, '--output', file, '--overwrite']);
  }

  /** `wkg oci`, which knows of no packages. */
  oci(command: 'push' | 'pull', ...args: readonly string[]): Promise<Outcome> {
    const insecure = ['--insecure', this.#host];
    return runCommand(peerPath('wkg'), ['oci', command, ...insecure, ...args], { home: this.home, env: this.#env });
  }
}
