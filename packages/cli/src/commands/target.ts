import { buildCommand, type Command } from '@stricli/core';
import { RegistryError } from '@waybill/protocol';
import { missingFor, ownWorld, type WitMissing, type WitWorld } from '@waybill/protocol/content';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { argument, registryFlags, textFlag } from '../flags.ts';
import { interfaceBody, readInterfaceArgument, type NamedInterface } from '../interface-argument.ts';
import type { Progress } from '../progress.ts';
import type { RegistryFlags } from '../session.ts';

interface TargetFlags extends RegistryFlags {
  readonly world?: string;
  readonly json?: boolean;
}

export const targetCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Say whether a component runs in a profile, and what is missing',
    fullDescription: `It runs where the profile offers each of its imports, in the same version or a newer one that can stand for it, and where it
exports what the profile asks for. Both may be releases, fetched and verified, of a tree its component.wasm, or files; the profile may be WIT text, as a file or
a folder. Ends with 0 where it runs, and with 77 where it does not.

  waybill target hello.wasm wasi:cli@0.2.3 --world command
  waybill target demo:hello@1.0.0 demo:edge --json
  waybill target hello.wasm ./wit`,
  },
  parameters: {
    flags: {
      world: textFlag('World of the profile, where it has several', 'name'),
      ...registryFlags,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        argument('Component: a file or a release', 'file|ns:name[@range]'),
        argument('Profile: a release, or a file or folder', 'ns:name[@range]|file'),
      ],
    },
  },
  func: action<TargetFlags, [string, string]>(target),
});

async function target(
  context: CliContext,
  flags: TargetFlags,
  progress: Progress,
  componentText: string,
  profileText: string,
): Promise<CommandResult> {
  const parts = { context, flags, progress };
  const component = await readInterfaceArgument(parts, componentText);
  const needs = worldOfComponent(component);
  const profile = await readInterfaceArgument(parts, profileText);
  const offer = worldOfProfile(profile, flags.world ?? null);
  const missing = missingFor(needs, offer);
  const where = `${profile.title} (world ${offer.name})`;
  const text =
    missing.length === 0
      ? `${component.title} runs in ${where}`
      : [`${component.title} does not run in ${where}:`, ...missing.map(missingLine)].join('\n');
  const json = {
    runs: missing.length === 0,
    component: interfaceBody(component),
    profile: { ...interfaceBody(profile), world: offer.name },
    missing: missing.map(({ direction, name, why }) => ({ direction, name, why })),
  };
  return { text, json, exitCode: missing.length === 0 ? EXIT.ok : EXIT.refused };
}

function missingLine({ direction, name, why }: WitMissing): string {
  return `  ${direction} ${name}: ${why}`;
}

function worldOfComponent({ title, reading }: NamedInterface): WitWorld {
  const world = ownWorld(reading);
  if (world !== null && reading.kind === 'component') return world;
  const what = reading.kind === 'module' ? 'a core module' : 'a WIT package';
  throw new RegistryError('usage/invalid', `${title} is ${what}, and a component runs in a profile: name one first`);
}

function worldOfProfile({ title, reading }: NamedInterface, wanted: string | null): WitWorld {
  if (reading.kind !== 'wit-package') {
    throw new RegistryError('usage/invalid', `${title} is no profile: name a WIT package that has a world`);
  }
  const { worlds } = reading.document.main;
  const [only, ...others] = worlds.values();
  if (only === undefined) throw new RegistryError('usage/invalid', `${title} has no world, so it is no profile`);
  const names = [...worlds.keys()].join(', ');
  if (wanted === null) {
    if (others.length === 0) return only;
    throw new RegistryError('usage/invalid', `${title} has several worlds: choose one with --world (${names})`);
  }
  const found = worlds.get(wanted);
  if (found !== undefined) return found;
  throw new RegistryError('usage/invalid', `${title} has no world ${wanted}: it has ${names}`);
}
