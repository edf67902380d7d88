// The demo: a registry on this machine, one component published to it, fetched, and verified against the signed log.
// Every command is the one a user would type; nothing is called behind the command line's back.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, binary } from './workspace.mjs';

/** The component that is published: a file of a development dependency, built by people who do not know of Waybill. */
const COMPONENT = {
  package: 'demo:wasm-tools',
  version: '1.0.0',
  npmPackage: '@bytecodealliance/jco',
  file: 'obj/wasm-tools.component.wasm',
};

const START_MS_MAX = 20_000;
const COMMAND_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;

/**
 * Runs the demo and prints it.
 * @returns {Promise<boolean>} whether the fetched file verified and equals the published one, and the server stopped cleanly.
 */
export async function tellStory() {
  const source = join(ROOT, 'node_modules', COMPONENT.npmPackage, COMPONENT.file);
  if (!existsSync(source)) {
    console.log(`The demo's component is missing: ${COMPONENT.npmPackage}/${COMPONENT.file} (run npm ci).`);
    return false;
  }
  const folder = mkdtempSync(join(tmpdir(), 'waybill-demo-'));
  const home = userFolders(folder);
  try {
    return await withRegistry(folder, home, (url) => publishFetchVerify({ url, source, folder, home }));
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The demo neither reads nor changes the keys and the remembered checkpoints of whoever runs it. */
function userFolders(folder) {
  const home = join(folder, 'home');
  return {
    HOME: home,
    XDG_CONFIG_HOME: join(home, 'config'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_STATE_HOME: join(home, 'state'),
    XDG_CACHE_HOME: join(home, 'cache'),
    WAYBILL_KEYRING: 'off',
  };
}

async function withRegistry(folder, home, story) {
  const args = ['serve', '--data', join(folder, 'data'), '--listen', '127.0.0.1:0', '--namespace', 'demo'];
  announce(args, folder);
  const server = waybill(args, { folder, home });
  try {
    const told = await story(await printedAddress(server));
    return (await stop(server)) && told;
  } finally {
    server.kill('SIGKILL');
  }
}

async function publishFetchVerify({ url, source, folder, home }) {
  const name = COMPONENT.package;
  const commands = [
    ['key', 'new'],
    ['publish', source, '--package', name, '--version', COMPONENT.version, '--registry', url],
    ['get', `${name}@${COMPONENT.version}`, '--registry', url, '-o', 'out.wasm'],
    ['verify', 'out.wasm', '--package', name, '--registry', url],
  ];
  for (const args of commands) {
    announce(args, folder);
    if (!(await succeeds(args, { folder, home }))) return false;
  }
  return compare(readFileSync(source), readFileSync(join(folder, 'out.wasm')));
}

function compare(published, fetched) {
  if (!published.equals(fetched)) {
    console.log(
      `\nThe fetched file differs: ${published.length} bytes were published, ${fetched.length} were fetched.`,
    );
    return false;
  }
  const sha256 = createHash('sha256').update(fetched).digest('hex');
  console.log('\nThe component was published, fetched and verified, and the two files are identical:');
  console.log(`${fetched.length} bytes, sha256:${sha256}`);
  return true;
}

/** Prints a command as a user would type it; the demo's own folders are shortened to what matters. */
function announce(args, folder) {
  const typed = args.map((arg) => arg.replace(`${folder}/`, './').replace(`${ROOT}/`, ''));
  console.log(`\n$ waybill ${typed.join(' ')}`);
}

/** The program is started with this very Node.js, so that the demo tests the version it runs on. */
function waybill(args, { folder, home }) {
  return spawn(process.execPath, [binary('waybill'), ...args], {
    cwd: folder,
    env: { ...process.env, ...home },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

async function succeeds(args, place) {
  const child = waybill(args, place);
  child.stdout.pipe(process.stdout, { end: false });
  const code = await exitCode(child, COMMAND_MS_MAX);
  if (code !== 0) console.log(`\nwaybill ${args[0]} failed (exit code ${code ?? 'none'}).`);
  return code === 0;
}

/** Shows what the server prints, and resolves with the address as soon as it has named it. */
async function printedAddress(server) {
  let printed = '';
  const address = new Promise((resolve, reject) => {
    server.stdout.on('data', (chunk) => {
      process.stdout.write(chunk);
      printed += chunk;
      const match = /http:\/\/127\.0\.0\.1:\d+(?=\D)/.exec(printed);
      if (match !== null) resolve(match[0]);
    });
    server.on('close', () => reject(new Error('The registry stopped before it named its address.')));
    setTimeout(() => reject(new Error('The registry named no address in time.')), START_MS_MAX).unref();
  });
  return address;
}

async function stop(server) {
  server.kill('SIGTERM');
  const code = await exitCode(server, STOP_MS_MAX);
  if (code !== 0) console.log(`\nThe registry did not stop cleanly (exit code ${code ?? 'none'}).`);
  return code === 0;
}

/** The exit code; null if the process was ended by a signal, or by us because it took too long. */
async function exitCode(child, msMax) {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const timer = setTimeout(() => child.kill('SIGKILL'), msMax);
  const [code] = await once(child, 'close');
  clearTimeout(timer);
  return code;
}
