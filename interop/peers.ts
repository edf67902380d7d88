import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { test, type TestContext } from 'node:test';

/** The repository's folder; this file runs from interop/dist. */
export const ROOT = path.join(import.meta.dirname, '..', '..');

/** What `node interop/peers.mjs` installs. */
export type PeerName =
  | 'warg'
  | 'warg-server'
  | 'judge'
  | 'upstream-logs'
  | 'wycheproof'
  | 'wasm-tools'
  | 'corpus'
  | 'components'
  | 'wkg'
  | 'oras'
  | 'crane'
  | 'distribution'
  | 'oci-conformance';

const INSTALL = 'node interop/peers.mjs';

const installed = listPeers();

function listPeers(): ReadonlyMap<string, string> {
  const text = execFileSync(process.execPath, [path.join(ROOT, 'interop', 'peers.mjs'), '--list'], {
    encoding: 'utf8',
  });
  const listed: unknown = JSON.parse(text);
  if (typeof listed !== 'object' || listed === null) throw new TypeError('peers.mjs lists an object');
  return new Map(Object.entries(listed).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

/** Where a peer is. Throws when it is not installed. */
export function peerPath(name: PeerName): string {
  const found = installed.get(name);
  if (found === undefined) throw new Error(`${name} is not installed: run \`${INSTALL}\``);
  return found;
}

/**
 * Registers a test that needs other implementations. Where one is missing the test is skipped, saying why; under `CI` it
 * fails, because a suite that always skips proves nothing.
 */
export function peerTest(title: string, needs: readonly PeerName[], body: (t: TestContext) => Promise<void>): void {
  const missing = needs.filter((name) => !installed.has(name));
  const reason = `${missing.join(', ')} not installed: run \`${INSTALL}\``;
  if (missing.length === 0) {
    test(title, { concurrency: true }, body);
  } else if (process.env['CI']) {
    test(title, () => {
      throw new Error(reason);
    });
  } else {
    console.log(`skipped: ${title}: ${reason}`);
    test(title, { skip: reason }, body);
  }
}
