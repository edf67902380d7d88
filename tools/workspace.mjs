// The parts that npm test, npm run demo and npm run check share. Plain JavaScript without dependencies: this runs before `npm ci`.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's folder. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** Generated or foreign folders: nothing in them is ours to read. */
const SKIPPED_FOLDERS = new Set(['node_modules', '.git', 'dist', 'target']);

/**
 * Runs one command in the repository.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ shown?: boolean, env?: Record<string, string> }} [options] `shown`: the command writes to our own output.
 * @returns {Promise<{ code: number, output: string }>} `output` is empty when shown; a signal counts as code 1.
 */
export function run(command, args, { shown = false, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      // Kept output is searched and printed later: colours would only be in the way.
      env: { ...process.env, ...(shown ? {} : { NO_COLOR: '1' }), ...env },
      stdio: shown ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += chunk));
    child.stderr?.on('data', (chunk) => (output += chunk));
    child.on('error', (error) => resolve({ code: 127, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/**
 * Installs and compiles what is missing or out of date, saying what it does only when it takes time.
 * @returns {Promise<boolean>} false when a step failed; its output has been printed.
 */
export async function prepare() {
  return (await install()) && (await build());
}

async function install() {
  if (isInstalled()) return true;
  console.log('Installing dependencies: npm ci');
  // No dependency needs its install script, and a script of a dependency is code that nobody here has read.
  const { code, output } = await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  if (code !== 0) console.log(output);
  return code === 0;
}

/** npm writes its hidden lock file last, so a newer package-lock.json has not been installed yet. */
function isInstalled() {
  const installed = join(ROOT, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  return statSync(installed).mtimeMs >= statSync(join(ROOT, 'package-lock.json')).mtimeMs;
}

/**
 * Compiles every package and the interop programs, only what changed.
 * @returns {Promise<boolean>} false when something does not compile; the errors have been printed.
 */
export async function build() {
  const projects = ['.', 'interop'].filter((folder) => existsSync(join(ROOT, folder, 'tsconfig.json')));
  const { code, output } = await run(process.execPath, [binary('tsc'), '-b', ...projects]);
  if (code !== 0) console.log(output);
  return code === 0;
}

/**
 * The file behind a command of an installed package.
 * @param {string} name
 */
export function binary(name) {
  return join(ROOT, 'node_modules', '.bin', name);
}

/**
 * Every file below a folder whose path ends in `suffix`, sorted; none if the folder is missing.
 * @param {string} folder absolute
 * @param {string} suffix
 * @returns {string[]} absolute paths
 */
export function filesBelow(folder, suffix) {
  if (!existsSync(folder)) return [];
  const files = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) files.push(...filesBelow(path, suffix));
    if (entry.isFile() && entry.name.endsWith(suffix)) files.push(path);
  }
  return files.toSorted();
}
