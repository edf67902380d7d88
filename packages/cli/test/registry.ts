import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FULL } from '@waybill/tools/test-scale';
import { runCommandLine } from '../src/main.ts';
import { parseConfig, startServer, type RunningServer, type ServerOptions } from '@waybill/server';

export const COMMAND = fileURLToPath(new URL('../../bin/waybill.mjs', import.meta.url));
const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url));

/** A real component, built by people who do not know of Waybill. */
export const COMPONENT = path.join(REPOSITORY, 'node_modules/@bytecodealliance/jco/obj/wasm-tools.component.wasm');
/** A real core module. */
export const CORE_MODULE = path.join(
  REPOSITORY,
  'node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm',
);

/** A registry of its own in a temporary folder. */
export interface TestRegistry extends RunningServer {
  readonly folder: string;
  dispose(): Promise<void>;
}

export async function openRegistry(options: Partial<ServerOptions> = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(path.join(tmpdir(), 'waybill-registry-'));
  const config = await parseConfig({
    data: folder,
    listen: '127.0.0.1:0',
    namespaces: ['test'],
    publishers: null,
    open: false,
    anyContent: false,
    publicUrl: null,
    logLevel: 'silent',
    ...options,
  });
  const server = await startServer(config, (failure) => {
    throw failure;
  });
  return {
    ...server,
    folder,
    async dispose() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The code of the error that a command with `--json` ended with. */
export function codeOf({ stderr }: CommandOutcome): string {
  return JSON.parse(stderr).error.code;
}

/** A user with an own home: keys, caches and memory of nobody else. */
export interface TestUser {
  readonly home: string;
  /** The path of a file in it. */
  file(name: string): string;
  /** Runs a command with the user's home as its folder: as a process of its own in full scale, else in this process. */
  run(...args: readonly string[]): Promise<CommandOutcome>;
  /** Runs a command as a process of its own. */
  spawn(...args: readonly string[]): Promise<CommandOutcome>;
  /** The same, with a text on its standard input. */
  pipe(input: string, ...args: readonly string[]): Promise<CommandOutcome>;
  /** As {@link run}, but an exit code other than 0 is an error. */
  ok(...args: readonly string[]): Promise<string>;
  dispose(): Promise<void>;
}

export async function openUser(environment: Readonly<Record<string, string>> = {}): Promise<TestUser> {
  const home = await mkdtemp(path.join(tmpdir(), 'waybill-user-'));
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, WAYBILL_KEYRING: 'off', ...environment };
  const spawnCommand = (...args: readonly string[]): Promise<CommandOutcome> => runCommand(args, { cwd: home, env });
  const run = FULL
    ? spawnCommand
    : (...args: readonly string[]): Promise<CommandOutcome> => runHere(args, { cwd: home, env });
  return {
    home,
    file: (name) => path.join(home, name),
    run,
    spawn: spawnCommand,
    pipe: (input, ...args) => runCommand(args, { cwd: home, env }, input),
    async ok(...args) {
      const { code, stdout, stderr } = await run(...args);
      if (code !== 0) throw new Error(`waybill ${args.join(' ')} ended with ${code}: ${stderr}`);
      return stdout;
    },
    async dispose() {
      process.chdir(tmpdir());
      await rm(home, { recursive: true });
    },
  };
}

function runCommand(
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  input = '',
): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [COMMAND, ...args], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
    child.stdin.on('error', () => undefined).end(input);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

async function runHere(
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<CommandOutcome> {
  let stdout = '';
  let stderr = '';
  process.chdir(cwd);
  const streams = {
    stdout: { write: (text: string) => void (stdout += text) },
    stderr: { write: (text: string) => void (stderr += text) },
  };
  const code = await runCommandLine(args, { process: { ...streams, env, exitCode: null }, interactive: false });
  return { code, stdout, stderr };
}
