import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { COMMAND, type TestUser } from './registry.ts';

/** When a command is killed: after a time from its start, or from when it has begun to write beside a place. */
export interface KillMoment {
  /** Folders in which a hidden temporary says that writing has begun; none for the start of the command. */
  readonly staging: readonly string[];
  readonly afterMs: number;
}

const LOOK_MS = 2;

/** Runs a command as a process of its own and kills it, so that it has no say in it. False where it had ended before. */
export function killedRun(user: TestUser, args: readonly string[], moment: KillMoment): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: user.home, WAYBILL_KEYRING: 'off' };
    const child = spawn(process.execPath, [COMMAND, ...args], { cwd: user.home, env, stdio: 'ignore' });
    const timers: NodeJS.Timeout[] = [];
    const kill = (): void => void child.kill('SIGKILL');
    const killAfter = (): void => void timers.push(setTimeout(kill, moment.afterMs));
    const look = (): void => {
      if (moment.staging.some(isStagedIn)) killAfter();
      else timers.push(setTimeout(look, LOOK_MS));
    };
    if (moment.staging.length === 0) killAfter();
    else look();
    child.once('error', reject);
    child.once('close', (_code, signal) => {
      for (const timer of timers) clearTimeout(timer);
      resolve(signal === 'SIGKILL');
    });
  });
}

function isStagedIn(folder: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.startsWith('.') && name.endsWith('.tmp'));
  } catch {
    return false;
  }
}
