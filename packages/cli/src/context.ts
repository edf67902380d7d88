import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import type { Keyring } from '@waybill/client/node';

/** Everything a command gets from outside. */
export interface CliContext {
  readonly process: {
    readonly stdout: { write(text: string): void };
    readonly stderr: { write(text: string): void };
    readonly env: Readonly<Record<string, string | undefined>>;
    exitCode?: number | string | null;
  };
  /** A person sits at the terminal and can answer. */
  readonly interactive: boolean;
}

/** Where this user's configuration and caches are, by the XDG rules. */
export interface Folders {
  readonly config: string;
  readonly cache: string;
}

export function foldersOf(env: CliContext['process']['env']): Folders {
  const home = env['HOME'] ?? os.homedir();
  return {
    config: path.join(env['XDG_CONFIG_HOME'] || path.join(home, '.config'), 'waybill'),
    cache: path.join(env['XDG_CACHE_HOME'] || path.join(home, '.cache'), 'waybill'),
  };
}

const KEYRING_SERVICE = 'waybill-signing-key';

interface KeyringEntry {
  getPassword(): string | null;
  setPassword(secret: string): void;
}

interface KeyringModule {
  readonly Entry: new (service: string, name: string) => KeyringEntry;
}

/**
 * The operating system's keyring; `null` where its package is not installed, no service answers, or the environment says
 * `WAYBILL_KEYRING=off`. Keys are then kept in files that only their owner can read.
 */
export function openKeyring(env: CliContext['process']['env']): Keyring | null {
  if (env['WAYBILL_KEYRING'] === 'off') return null;
  // Without a session bus the package falls back to the kernel's key store, which forgets at the next start of the machine.
  if (process.platform === 'linux' && !env['DBUS_SESSION_BUS_ADDRESS']) return null;
  try {
    const module: unknown = createRequire(import.meta.url)('@napi-rs/keyring');
    if (!isKeyringModule(module)) return null;
    const keyring = {
      get: (name: string) => new module.Entry(KEYRING_SERVICE, name).getPassword(),
      set: (name: string, secret: string) => new module.Entry(KEYRING_SERVICE, name).setPassword(secret),
    };
    keyring.get('probe');
    return keyring;
  } catch {
    return null;
  }
}

function isKeyringModule(module: unknown): module is KeyringModule {
  return typeof module === 'object' && module !== null && 'Entry' in module;
}
