import { visibleText } from './visible-text.ts';

/** Asks a person at the terminal; true for a yes alone. */
export async function isConfirmed(message: string): Promise<boolean> {
  const { confirm } = await import('@clack/prompts');
  return (await confirm({ message: visibleText(message), initialValue: false, output: process.stderr })) === true;
}
