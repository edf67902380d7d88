import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import { utf8 } from '@waybill/protocol';
import { printWit } from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, textFlag } from '../flags.ts';
import { interfaceBody, readInterfaceArgument } from '../interface-argument.ts';
import { OUTPUT_MODE, writeOutput, writeStandardOutput } from '../output.ts';
import type { Progress } from '../progress.ts';
import type { RegistryFlags } from '../session.ts';

interface WitFlags extends RegistryFlags {
  readonly output?: string;
  readonly json?: boolean;
}

export const witCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Print what a component or a WIT package says, as WIT text',
    fullDescription: `Of a release, fetched and verified, of a tree its component.wasm, or of a file. A component is printed as its world, and a
core module as the one that it was made for. Packages that it takes something from stand below it, as far as it uses them. Characters that a
terminal would obey are escaped, unless the text goes to a file or, with -o -, as it is.

  waybill wit hello.wasm
  waybill wit wasi:clocks@0.2.3
  waybill wit demo:hello -o hello.wit
  waybill wit demo:hello -o - | less`,
  },
  parameters: {
    flags: {
      output: textFlag("Where to write; '-' is standard output, as it is", 'file'),
      ...registryFlags,
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted, or a file', 'file|ns:name[@range]')],
    },
  },
  func: action<WitFlags, [string]>(wit),
});

async function wit(
  context: CliContext,
  flags: WitFlags,
  progress: Progress,
  source: string,
): Promise<CommandResult | null> {
  const found = await readInterfaceArgument({ context, flags, progress }, source);
  const text = printWit(found.reading.document);
  if (flags.output === undefined) return { text: text.trimEnd(), json: { ...interfaceBody(found), wit: text } };
  if (flags.output === '-') {
    progress.stop();
    await writeStandardOutput([utf8(text)]);
    return null;
  }
  await writeOutput({ file: flags.output, mode: OUTPUT_MODE, mayReplace: true }, utf8(text));
  return {
    text: `${found.title} → ${flags.output}`,
    json: { ...interfaceBody(found), output: path.resolve(flags.output) },
  };
}
