// npm run lock: writes package-lock.json anew from the package.json files, complete for every platform.
//
// npm leaves an optional dependency out of the lock file when the registry it asks does not have it, as a mirror may lack
// packages for other platforms, and `npm ci` then refuses the lock file everywhere. Such entries are added here from what the
// dependant says of them: the exact version, and the platform that their name states. They have no checksum.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './workspace.mjs';

const LOCK = join(ROOT, 'package-lock.json');
const PLATFORM =
  /(?<os>aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(?<cpu>[a-z0-9]+)(?:-(?<abi>\w+))?$/;

const { code, output } = await run('npm', ['install', '--package-lock-only', '--ignore-scripts']);
if (code === 0) {
  const added = complete();
  console.log(`package-lock.json: ${added.length} platform packages added that the registry does not have`);
} else {
  console.log(output);
  process.exitCode = 1;
}

function complete() {
  const lock = JSON.parse(readFileSync(LOCK, 'utf8'));
  const missing = Object.values(lock.packages).flatMap((dependant) => missingPlatforms(lock, dependant));
  for (const { path, entry } of missing) lock.packages[path] = entry;
  lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(LOCK, `${JSON.stringify(lock, null, 2)}\n`);
  return missing;
}

function missingPlatforms(lock, dependant) {
  const optional = Object.entries(dependant.optionalDependencies ?? {});
  const absent = optional.filter(([name]) => lock.packages[`node_modules/${name}`] === undefined);
  return absent.map(([name, version]) => ({
    path: `node_modules/${name}`,
    entry: platformEntry(name, version, dependant),
  }));
}

function platformEntry(name, version, dependant) {
  const platform = PLATFORM.exec(name)?.groups;
  if (platform === undefined || !/^\d/.test(version))
    throw new Error(`${name}@${version} is not a package for one platform.`);
  const { os, cpu, abi = '' } = platform;
  const libc = os === 'linux' && abi !== '' ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] } : {};
  return { version, cpu: [cpu], ...(dependant.dev ? { dev: true } : {}), ...libc, optional: true, os: [os] };
}
