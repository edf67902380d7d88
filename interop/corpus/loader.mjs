// Fetches the binaries and folders that list.json names, by the tools that its registries have: `npm pack`, `pip download` and `cargo info`,
// so they come from wherever those are set up to ask. What is kept is named by its SHA-256, and nothing else is kept.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIST_FILE = join(dirname(fileURLToPath(import.meta.url)), 'list.json');

/** By registry: unpacks one package into an empty folder, and says where its files are; `null` where that failed. */
const UNPACKERS = { npm: unpackNpm, pip: unpackPip, cargo: unpackCargo };

/** A changed list is another corpus: what is written last, beside the files. */
export function corpusMark(folder) {
  const hash = createHash('sha256').update(readFileSync(LIST_FILE)).digest('hex');
  return join(folder, `${hash.slice(0, 16)}.complete`);
}

/** Fetches what is missing. Says whether all is there. */
export function fetchCorpus(folder) {
  const packages = JSON.parse(readFileSync(LIST_FILE, 'utf8'));
  mkdirSync(folder, { recursive: true });
  // To the end, so that one run names all that is gone.
  const failed = packages.filter((one) => !fetchPackage(folder, one));
  for (const { registry, package: name, version } of failed)
    console.error(`corpus: ${registry} ${name} ${version} could not be fetched; the reason stands above`);
  if (failed.length > 0) return false;
  writeFileSync(corpusMark(folder), '');
  return true;
}

function fetchPackage(corpus, { registry, package: name, version, files, folders }) {
  const wanted = [
    ...files.map((file) => ({ ...file, target: join(corpus, `${file.sha256}.wasm`), hashOf: hashOfFile })),
    ...folders.map((folder) => ({ ...folder, target: join(corpus, folder.sha256), hashOf: hashOfFolder })),
  ];
  const missing = wanted.filter(({ target }) => !existsSync(target));
  if (missing.length === 0) return true;
  const scratch = join(corpus, 'unpacking');
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  const source = UNPACKERS[registry](name, version, scratch);
  const ok = source !== null && missing.every((one) => keep(join(source, one.path), one));
  rmSync(scratch, { recursive: true });
  return ok;
}

function keep(source, { sha256, target, hashOf }) {
  if (!existsSync(source)) {
    console.error(`corpus: ${source} is not in its package`);
    return false;
  }
  const found = hashOf(source);
  if (found !== sha256) {
    console.error(`corpus: ${source} has SHA-256 ${found}, and the list says ${sha256}`);
    return false;
  }
  rmSync(`${target}.new`, { recursive: true, force: true });
  cpSync(source, `${target}.new`, { recursive: true });
  renameSync(`${target}.new`, target);
  return true;
}

function hashOfFile(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** Of a list of all files below, sorted: path, a space, SHA-256, end of line. */
function hashOfFolder(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => relative(folder, join(entry.parentPath, entry.name))).toSorted();
  const lines = paths.map((path) => `${path} ${hashOfFile(join(folder, path))}\n`);
  return createHash('sha256').update(lines.join('')).digest('hex');
}

function unpackNpm(name, version, scratch) {
  if (!run('npm', ['pack', '--silent', `${name}@${version}`], scratch)) return null;
  return run('tar', ['-xzf', onlyFile(scratch)], scratch) ? scratch : null;
}

function unpackPip(name, version, scratch) {
  const args = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', `${name}==${version}`];
  if (!run('python3', args, scratch)) return null;
  return run('python3', ['-m', 'zipfile', '-e', onlyFile(scratch), '.'], scratch) ? scratch : null;
}

/** cargo unpacks a crate that it is asked about, without the crates that this one needs. */
function unpackCargo(name, version, scratch) {
  if (!run('cargo', ['info', '--quiet', `${name}@${version}`], scratch)) return null;
  const sources = join(process.env['CARGO_HOME'] || join(homedir(), '.cargo'), 'registry', 'src');
  const found = readdirSync(sources).map((registry) => join(sources, registry, `${name}-${version}`));
  return found.find((path) => existsSync(path)) ?? null;
}

function onlyFile(folder) {
  const [name = ''] = readdirSync(folder);
  return name;
}

/** What the tools say of success is of no interest, and long. */
function run(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) console.error(`corpus: ${[command, ...args].join(' ')}: ${error?.message ?? stdout + stderr}`);
  return status === 0;
}
