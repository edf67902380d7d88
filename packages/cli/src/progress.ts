import type { CliContext } from './context.ts';
import { visibleLine } from './visible-text.ts';

/** Says what is being done while a person waits; silent in a pipe. */
export interface Progress {
  step(message: string): void;
  stop(): void;
}

const SILENT: Progress = { step: () => undefined, stop: () => undefined };

/** A spinner on standard error, so that standard output holds the result alone. */
export async function openProgress({ interactive }: CliContext): Promise<Progress> {
  if (!interactive) return SILENT;
  const { spinner } = await import('@clack/prompts');
  const spin = spinner({ output: process.stderr, indicator: 'timer' });
  let running = false;
  return {
    step(message) {
      const line = visibleLine(message);
      if (running) spin.message(line);
      else spin.start(line);
      running = true;
    },
    stop() {
      if (running) spin.clear();
      running = false;
    },
  };
}

/** Bytes for a person: `12.3 MB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
