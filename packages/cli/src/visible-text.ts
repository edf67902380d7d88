import type { CliContext } from './context.ts';

/*
 * What others wrote into records and answers is shown, and never obeyed: an escape sequence, a carriage return or a mark that
 * turns the direction would have a person sign something other than what the terminal shows (SECURITY.md W11).
 */

/**
 * Joiners and variation selectors are in it, though some scripts and emoji need them: two names that differ in one alone look
 * the same, and a text with its joiners escaped can still be read.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Each character that is not seen by itself, but the line end, as JSON escapes it: JSON stays JSON with the same meaning. */
export function visibleText(text: string): string {
  return text.replace(UNSEEN, (character) => (character === '\n' ? character : escaped(character)));
}

/** The same with line ends: a text within a line cannot begin another. */
export function visibleLine(text: string): string {
  return text.replace(UNSEEN, escaped);
}

function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => String.raw`\u` + character.charCodeAt(i).toString(16).padStart(4, '0'),
  ).join('');
}

/** The same context; whatever is written goes through {@link visibleText}. */
export function withVisibleOutput(context: CliContext): CliContext {
  const { stdout, stderr } = context.process;
  return { ...context, process: { ...context.process, stdout: visibleStream(stdout), stderr: visibleStream(stderr) } };
}

type TextStream = CliContext['process']['stdout'];

function visibleStream(stream: TextStream): TextStream {
  return { write: (text) => stream.write(visibleText(text)) };
}
