import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** What keeps strace from being used here; `null` when nothing does. */
export function straceObstacle(): string | null {
  const { status, error } = spawnSync('strace', [
    '-f',
    '--seccomp-bpf',
    '-o',
    '/dev/null',
    '-e',
    'trace=fsync',
    'true',
  ]);
  if (error !== undefined) return 'strace is not installed (apt-get install strace)';
  return status === 0 ? null : 'strace may not trace processes here';
}

/** Words that run a command under strace, with all its threads, written to `file`. */
export function traced(file: string, ...options: readonly string[]): string[] {
  // Stopping at the chosen calls only is faster, but signals get lost there.
  const filter = options.some((option) => option.includes(':signal=')) ? [] : ['--seccomp-bpf'];
  return ['strace', '-f', ...filter, '-qq', '-y', '-s', '64', '-o', file, ...options];
}

/** One call, from the line where it starts to the line where it ends: calls of several threads overlap. */
export interface SystemCall {
  readonly name: string;
  readonly args: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly result: string;
}

/** Calls that ended, in the order of their starts. */
export async function readTrace(file: string): Promise<SystemCall[]> {
  const calls: SystemCall[] = [];
  /** By thread. */
  const unfinished = new Map<string, { name: string; args: string; startLine: number }>();
  for (const [line, text] of (await readFile(file, 'utf8')).split('\n').entries()) {
    const [, pid = '', rest = ''] = /^([0-9]+) +(.*)$/.exec(text) ?? [];
    const started = /^([a-z0-9_]+)\((.*) <unfinished \.\.\.>$/.exec(rest);
    const resumed = /^<\.\.\. [a-z0-9_]+ resumed>(.*)\) += (.*)$/.exec(rest);
    const whole = /^([a-z0-9_]+)\((.*)\) += (.*)$/.exec(rest);
    if (started !== null) {
      const [, name = '', args = ''] = started;
      unfinished.set(pid, { name, args, startLine: line });
    } else if (resumed !== null) {
      const [, args = '', result = ''] = resumed;
      const start = unfinished.get(pid);
      if (start !== undefined) calls.push({ ...start, args: start.args + args, endLine: line, result });
    } else if (whole !== null) {
      const [, name = '', args = '', result = ''] = whole;
      calls.push({ name, args, startLine: line, endLine: line, result });
    }
  }
  return calls.toSorted((a, b) => a.startLine - b.startLine);
}
