import { isRegistryError, messageOf, RegistryError, type JsonValue } from '@waybill/protocol';
import type { CliContext } from './context.ts';
import { EXIT, EXIT_CODE, nextStep } from './exit-code.ts';
import { openProgress, type Progress } from './progress.ts';
import { visibleLine, withVisibleOutput } from './visible-text.ts';

/** A command's result, for a person and for a program. `text` is written with a line end. */
export interface CommandResult {
  readonly text: string;
  readonly json: JsonValue;
  /** Other than 0 for a result that is an answer and yet a failure. */
  readonly exitCode?: number;
}

/** Flags of every command. */
export interface CommonFlags {
  readonly json?: boolean;
}

/** The work of a command. `null`: it has written its own output. */
export type CommandWork<F, A extends readonly string[]> = (
  context: CliContext,
  flags: F,
  progress: Progress,
  ...args: A
) => Promise<CommandResult | null>;

/** Makes the function that the parser calls: prints the result or the error, and sets the exit code. */
export function action<F extends CommonFlags, A extends readonly string[]>(
  work: CommandWork<F, A>,
): (this: CliContext, flags: F, ...args: A) => Promise<void> {
  return async function run(this: CliContext, flags: F, ...args: A): Promise<void> {
    const context = withVisibleOutput(this);
    const progress = await openProgress(context);
    try {
      const result = await work(context, flags, progress, ...args);
      progress.stop();
      if (result === null) return;
      const text = flags.json ? JSON.stringify(result.json) : result.text;
      if (text !== '') context.process.stdout.write(`${text}\n`);
      this.process.exitCode = result.exitCode ?? EXIT.ok;
    } catch (failure) {
      progress.stop();
      reportFailure(this, failure, flags.json ?? false);
    }
  };
}

/** Writes an error to standard error: what happened, where the evidence is, what to type next. Sets the exit code. */
export function reportFailure(context: CliContext, failure: unknown, asJson: boolean): void {
  const error = asRegistryError(failure);
  const { process } = withVisibleOutput(context);
  context.process.exitCode = error === null ? EXIT.other : EXIT_CODE[error.code];
  if (asJson) {
    const body = { error: { code: error?.code ?? null, message: messageOf(failure), detail: { ...error?.detail } } };
    process.stderr.write(`${JSON.stringify(body)}\n`);
    return;
  }
  process.stderr.write(`error: ${visibleLine(messageOf(failure))}\n`);
  const conflict = error?.detail['conflict'];
  if (typeof conflict === 'string') {
    for (const line of conflict.split('\n')) process.stderr.write(`  ${visibleLine(line)}\n`);
  }
  const evidence = error?.detail['evidence'];
  if (evidence !== undefined) process.stderr.write(`evidence: ${evidence}\n`);
  const next = error && nextStep(error);
  if (next) process.stderr.write(`next: ${next}\n`);
  if (error === null && process.env['WAYBILL_DEBUG'] && failure instanceof Error)
    process.stderr.write(`${failure.stack}\n`);
}

function asRegistryError(failure: unknown): RegistryError | null {
  if (isRegistryError(failure)) return failure;
  if (!(failure instanceof Error) || !('code' in failure)) return null;
  // Files that the user named.
  if (failure.code === 'ENOENT' || failure.code === 'EISDIR' || failure.code === 'EACCES') {
    return new RegistryError('usage/invalid', failure.message, {}, { cause: failure });
  }
  return null;
}
