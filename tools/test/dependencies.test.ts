import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/*
 * What a user runs of others' code. Each package of it is one more owner to trust, so that their number is a decision: raise it
 * only with a reason in the commit.
 */
const PACKAGES_MAX = 44;
/** Brings its compiled file along: what its script would build is not needed, and our own set-up runs no scripts. */
const WITH_SCRIPT: ReadonlySet<string> = new Set(['node_modules/@photostructure/sqlite']);

interface Locked {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const ROOT = path.join(import.meta.dirname, '..', '..', '..');
const OURS = ['packages/protocol', 'packages/client', 'packages/server', 'packages/cli'];

test('W17: what runs beside our code is locked by hash, comes as packages, few, and runs nothing when it is installed', () => {
  const used = usedPackages(lockedPackages());
  assert.ok(used.size > 10 && used.size <= PACKAGES_MAX, `${used.size} packages`);
  for (const [place, { integrity = '', resolved = '', hasInstallScript = false }] of used) {
    assert.match(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/, place);
    assert.match(resolved, /^(?:https:\/\/.*\.tgz)?$/, place);
    assert.equal(hasInstallScript, WITH_SCRIPT.has(place), place);
  }
});

test('W17: our packages name exact versions', () => {
  const locked = lockedPackages();
  for (const place of OURS) {
    for (const [name, version] of Object.entries(locked.get(place)?.dependencies ?? {})) {
      assert.match(version, /^\d+\.\d+\.\d+$/, `${place} ${name}`);
    }
  }
});

function lockedPackages(): ReadonlyMap<string, Locked> {
  const text = readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8');
  const lock: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(text);
  return new Map(Object.entries(lock.packages));
}

/** Without our own, which are links. */
function usedPackages(locked: ReadonlyMap<string, Locked>): ReadonlyMap<string, Locked> {
  const used = new Map<string, Locked>();
  const open = [...OURS];
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    for (const name of Object.keys(locked.get(place)?.dependencies ?? {})) {
      const found = placeOf(locked, place, name);
      const entry = locked.get(found);
      if (entry === undefined || entry.link === true || used.has(found)) continue;
      used.set(found, entry);
      open.push(found);
    }
  }
  return used;
}

/** As Node looks for it: from the dependant's own folder up. */
function placeOf(locked: ReadonlyMap<string, Locked>, dependant: string, name: string): string {
  const steps = dependant.split('/');
  for (let length = steps.length; length > 0; length--) {
    const place = [...steps.slice(0, length), 'node_modules', name].join('/');
    if (locked.has(place)) return place;
  }
  assert.ok(locked.has(`node_modules/${name}`), `${name} of ${dependant} is not in the lock file`);
  return `node_modules/${name}`;
}
