// Fetches the binaries that list.json names, by the tools that its registries have: `npm pack`, `pip download` and `cargo info`,
// so they come from wherever those are set up to ask. What is kept is named by its SHA-256, and nothing else is kept.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
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

function fetchPackage(folder, { registry, package: name, version, files }) {
  const missing = files.filter(({ sha256 }) => !existsSync(join(folder, `${sha256}.wasm`)));
  if (missing.length === 0) return true;
  const scratch = join(folder, 'unpacking');
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  const source = UNPACKERS[registry](name, version, scratch);
  const ok = source !== null && missing.every((file) => keep(join(source, file.path), file.sha256, folder));
  rmSync(scratch, { recursive: true });
  return ok;
}

function keep(source, sha256, folder) {
  if (!existsSync(source)) {
    console.error(`corpus: ${source} is not in its package`);
    return false;
  }
  const content = readFileSync(source);
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== sha256) {
    console.error(`corpus: ${source} has SHA-256 ${found}, and the list says ${sha256}`);
    return false;
  }
  const target = join(folder, `${sha256}.wasm`);
  writeFileSync(`${target}.new`, content);
  renameSync(`${target}.new`, target);
  return true;
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
