import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

/** How a command ended. */
export interface Outcome {
  readonly line: string;
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program without a terminal, in its own home: nothing of this user's configuration reaches it. */
export function runCommand(
  program: string,
  args: readonly string[],
  { home, env = {} }: { readonly home: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home, NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    child.on('error', reject);
    child.on('close', (code) => resolve({ line: [program, ...args].join(' '), code, stdout, stderr }));
  });
}

/** Asserts that it ended well, and shows what it said if not. */
export async function succeeds(running: Promise<Outcome>): Promise<Outcome> {
  const outcome = await running;
  assert.equal(outcome.code, 0, textOf(outcome));
  return outcome;
}

/** Asserts that it refused, with this exit code, saying something like this. */
export async function refuses(running: Promise<Outcome>, code?: number, pattern?: RegExp): Promise<Outcome> {
  const outcome = await running;
  assert.notEqual(outcome.code, 0, textOf(outcome));
  // A panic of Rust, or a signal.
  assert.ok(outcome.code !== null && outcome.code !== 101, textOf(outcome));
  if (code !== undefined) assert.equal(outcome.code, code, textOf(outcome));
  if (pattern !== undefined) assert.match(outcome.stdout + outcome.stderr, pattern);
  return outcome;
}

function textOf({ line, code, stdout, stderr }: Outcome): string {
  return `${line}\nexit code ${code}\n${stdout}${stderr}`;
}
