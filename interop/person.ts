import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand, succeeds, type Outcome } from './command.ts';
import { peerPath, ROOT } from './peers.ts';

/** Entries of one record. */
export interface RecordPlan {
  readonly releases: readonly { readonly version: string; readonly file: string }[];
  readonly grants: readonly string[];
  readonly yanks: readonly string[];
}

/** Somebody with a key, a home folder and a command line: ours or the Rust one. */
export interface Person {
  readonly home: string;
  readonly publicKey: string;
  readonly keyId: string;
  /** Whether their client fetches a yanked version that is named exactly. */
  readonly givesYanked: boolean;
  /** With the same key at another registry. */
  moveTo(registry: URL): Promise<Person>;
  release(name: string, version: string, file: string): Promise<Outcome>;
  grant(name: string, publicKey: string): Promise<Outcome>;
  revoke(name: string, keyId: string): Promise<Outcome>;
  yank(name: string, version: string): Promise<Outcome>;
  record(name: string, plan: RecordPlan): Promise<Outcome>;
  /** Of the newest log, `version` or the newest release, into `file`. */
  download(name: string, version: string | null, file: string): Promise<Outcome>;
  update(name: string): Promise<Outcome>;
}

/** Makes a person of a registry, at home in an empty folder. */
export type Newcomer = (registry: URL, home: string) => Promise<Person>;

const WAYBILL = path.join(ROOT, 'packages', 'cli', 'bin', 'waybill.mjs');

export async function newWaybillPerson(registry: URL, home: string): Promise<WaybillPerson> {
  const { stdout } = await succeeds(runWaybill(home, registry, ['key', 'new', '--json']));
  const keyId = field(stdout, /"keyId":"([^"]+)"/);
  return new WaybillPerson({ home, registry, keyId, publicKey: field(stdout, /"publicKey":"([^"]+)"/) });
}

function runWaybill(home: string, registry: URL, args: readonly string[]): Promise<Outcome> {
  const env = { WAYBILL_KEYRING: 'off', WAYBILL_REGISTRY: registry.href };
  return runCommand(process.execPath, [WAYBILL, ...args], { home, env });
}

interface Identity {
  readonly home: string;
  readonly registry: URL;
  readonly publicKey: string;
  readonly keyId: string;
}

/** `waybill`, as built in this repository. */
export class WaybillPerson implements Person {
  readonly givesYanked = true;
  readonly home: string;
  readonly publicKey: string;
  readonly keyId: string;
  readonly #registry: URL;

  constructor({ home, registry, publicKey, keyId }: Identity) {
    this.home = home;
    this.publicKey = publicKey;
    this.keyId = keyId;
    this.#registry = registry;
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return runWaybill(this.home, this.#registry, args);
  }

  async moveTo(registry: URL): Promise<WaybillPerson> {
    return new WaybillPerson({ home: this.home, publicKey: this.publicKey, keyId: this.keyId, registry });
  }

  release(name: string, version: string, file: string): Promise<Outcome> {
    return this.run('publish', file, '--package', name, '--version', version);
  }

  grant(name: string, publicKey: string): Promise<Outcome> {
    return this.run('grant', name, '--to', publicKey);
  }

  revoke(name: string, keyId: string): Promise<Outcome> {
    return this.run('revoke', name, '--from', keyId);
  }

  yank(name: string, version: string): Promise<Outcome> {
    return this.run('yank', `${name}@${version}`);
  }

  record(name: string, { releases, grants, yanks }: RecordPlan): Promise<Outcome> {
    const flags = [
      ...releases.flatMap(({ version, file }) => ['--release', `${version}=${file}`]),
      ...grants.flatMap((key) => ['--grant', key]),
      ...yanks.flatMap((version) => ['--yank', version]),
    ];
    return this.run('record', name, ...flags);
  }

  download(name: string, version: string | null, file: string): Promise<Outcome> {
    return this.run('get', version === null ? name : `${name}@${version}`, '--output', file);
  }

  update(name: string): Promise<Outcome> {
    return this.run('head', name);
  }
}

export async function newWargPerson(registry: URL, home: string): Promise<WargPerson> {
  await configureWarg(registry, home);
  const { stdout } = await succeeds(runWarg(home, ['key', 'new']));
  const [keyId, publicKey] = [field(stdout, /Key ID: (\S+)/), field(stdout, /Public Key: (\S+)/)];
  return new WargPerson({ home, registry, keyId, publicKey });
}

async function configureWarg(registry: URL, home: string): Promise<void> {
  await succeeds(runWarg(home, ['config', '--registry', registry.href, '--keyring-backend', 'flat-file']));
}

function runWarg(home: string, args: readonly string[]): Promise<Outcome> {
  return runCommand(peerPath('warg'), args, { home });
}

/** The published `warg`. */
export class WargPerson implements Person {
  readonly givesYanked = false;
  readonly home: string;
  readonly publicKey: string;
  readonly keyId: string;
  readonly #registryLabel: string;
  readonly #registryFolder: string;

  constructor({ home, registry, publicKey, keyId }: Identity) {
    this.home = home;
    this.publicKey = publicKey;
    this.keyId = keyId;
    this.#registryLabel = `${registry.hostname}-${registry.port}`;
    this.#registryFolder = path.join(home, '.cache', 'warg', 'registries', this.#registryLabel);
  }

  /** As `warg login` does, which asks for the token at a terminal. */
  keepToken(token: string): void {
    const folder = path.join(this.home, '.config', 'warg');
    const entry = `service=warg-auth-token%3A${this.#registryLabel}&user=${this.#registryLabel}`;
    writeFileSync(path.join(folder, 'keyring', entry), token, { mode: 0o600 });
    const configFile = path.join(folder, 'config.json');
    const config: unknown = JSON.parse(readFileSync(configFile, 'utf8'));
    if (typeof config !== 'object') throw new TypeError('the configuration has another shape');
    writeFileSync(configFile, JSON.stringify({ ...config, keyringAuth: true }));
  }

  run(...args: readonly string[]): Promise<Outcome> {
    return runWarg(this.home, args);
  }

  async moveTo(registry: URL): Promise<WargPerson> {
    await configureWarg(registry, this.home);
    return new WargPerson({ home: this.home, publicKey: this.publicKey, keyId: this.keyId, registry });
  }

  release(name: string, version: string, file: string): Promise<Outcome> {
    return this.run('publish', 'release', '--name', name, '--version', version, file);
  }

  grant(name: string, publicKey: string): Promise<Outcome> {
    return this.run('publish', 'grant', '--name', name, publicKey);
  }

  revoke(name: string, keyId: string): Promise<Outcome> {
    return this.run('publish', 'revoke', '--name', name, keyId);
  }

  /** `publish yank` asks at a terminal; the file that `publish submit` reads can be written by hand. */
  async yank(name: string, version: string): Promise<Outcome> {
    mkdirSync(this.#registryFolder, { recursive: true });
    await this.#writePending({ name, head: null, entries: [{ type: 'yank', version }] });
    return this.run('publish', 'submit');
  }

  async record(name: string, { releases, grants, yanks }: RecordPlan): Promise<Outcome> {
    await succeeds(this.run('publish', 'start', name));
    for (const { version, file } of releases) await succeeds(this.release(name, version, file));
    for (const key of grants) await succeeds(this.grant(name, key));
    const pending: unknown = JSON.parse(await readFile(this.#pendingFile, 'utf8'));
    if (!isPending(pending)) throw new TypeError('pending-publish.json has another shape');
    const entries = [...pending.entries, ...yanks.map((version) => ({ type: 'yank', version }))];
    await this.#writePending({ ...pending, entries });
    return this.run('publish', 'submit');
  }

  /** A log that is cached is not looked up again by `download` alone. */
  async download(name: string, version: string | null, file: string): Promise<Outcome> {
    if (existsSync(this.#registryFolder)) await succeeds(this.update());
    return this.run('download', name, ...(version === null ? [] : ['--version', version]), '--output', file);
  }

  /** Of everything it has seen. */
  update(): Promise<Outcome> {
    return this.run('update');
  }

  get #pendingFile(): string {
    return path.join(this.#registryFolder, 'pending-publish.json');
  }

  #writePending(pending: PendingPublish): Promise<void> {
    return writeFile(this.#pendingFile, JSON.stringify(pending));
  }
}

interface PendingPublish {
  readonly name: string;
  readonly head: string | null;
  readonly entries: readonly object[];
}

function isPending(value: unknown): value is PendingPublish {
  return typeof value === 'object' && value !== null && 'entries' in value && Array.isArray(value.entries);
}

function field(text: string, pattern: RegExp): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new TypeError(`no ${pattern.source} in: ${text}`);
  return found;
}
