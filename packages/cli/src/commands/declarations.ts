import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { buildCommand, type Command } from '@stricli/core';
import { parseRequirement, type FetchedCode } from '@waybill/client';
import { parseJson, RegistryError, utf8, type JsonValue } from '@waybill/protocol';
import { action, type CommandResult } from '../action.ts';
import { BINDING_LIMITS, makeBindings, requireTool, type Bindings } from '../bindings.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, repeatedFlag, textFlag } from '../flags.ts';
import { requireReplaceableFolder, writeFolder, type OutputFolder } from '../output-folder.ts';
import { formatBytes, type Progress } from '../progress.ts';
import { openRegistry, type RegistryFlags } from '../session.ts';
import { visibleLine } from '../visible-text.ts';

interface TypesFlags extends RegistryFlags {
  readonly output?: string;
  readonly name?: string;
  readonly world?: string;
  readonly map?: readonly string[];
  readonly transpile?: boolean;
  readonly allowAdvisory?: boolean;
  readonly json?: boolean;
}

/** Larger content is no component that somebody would bind to a program. */
const CONTENT_BYTES_MAX = 128 * 1024 * 1024;

/** Says of a folder what it was made of, and by which record. */
const MARK = 'waybill-types.json';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export const typesCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Write TypeScript declarations of a package, verified, and a module that runs',
    fullDescription: `Of a component, or the component.wasm of a tree: what it exports and imports. Of an interface (a WIT package): its only world, the one that --world names,
or all of its interfaces. With --transpile the component as an ES module, beside its core Wasm files. Imports of WASI come from
@bytecodealliance/preview2-shim, which the program that runs it installs, and which gives a program in Node.js the files and
the network of whoever runs it; every other import must be given with --map.

Needs @bytecodealliance/jco-transpile, which is installed apart. The bytes are verified before it sees them.

  waybill types demo:hello                                        declarations, in hello/
  waybill types demo:hello@^1 --transpile --output src/hello      and the module
  waybill types demo:hello --transpile --map 'demo:log/log=./log.js'
  waybill types wasi:http --world proxy --output types/http`,
  },
  parameters: {
    flags: {
      output: textFlag('Folder to write (default: the name of the package)', 'folder'),
      name: textFlag('Name of the main file (default: the name of the package)', 'name'),
      world: textFlag('World of an interface', 'name'),
      map: repeatedFlag('Module that gives an import; * stands for the rest of a name', 'import=module'),
      transpile: { kind: 'boolean', brief: 'Write a module that runs, too', optional: true, withNegated: false },
      allowAdvisory: {
        kind: 'boolean',
        brief: 'Take also what an advisory affects',
        optional: true,
        withNegated: false,
      },
      ...registryFlags,
    },
    aliases: { o: 'output' },
    positional: {
      kind: 'tuple',
      parameters: [argument('Package, with a version or range if wanted', 'ns:name[@range]')],
    },
  },
  func: action<TypesFlags, [string]>(types),
});

async function types(
  context: CliContext,
  flags: TypesFlags,
  progress: Progress,
  target: string,
): Promise<CommandResult> {
  requireTool((specifier) => import.meta.resolve(specifier));
  const { name: packageName } = parseRequirement(target);
  const ownName = packageName.slice(packageName.indexOf(':') + 1);
  const name = nameOf(flags.name ?? ownName);
  const map = (flags.map ?? []).map(mapping);
  const output = outputOf(flags.output ?? ownName);
  await requireReplaceableFolder(output);
  const fetched = await fetchVerified(context, flags, progress, target);
  progress.step('making the bindings');
  const request = {
    content: fetched.bytes,
    name,
    world: flags.world ?? null,
    map,
    transpile: flags.transpile ?? false,
  };
  const bindings = await makeBindings(request, BINDING_LIMITS);
  requireRunnable(bindings, flags);
  progress.step(`writing ${output.folder}`);
  const mark = markOf(fetched, bindings);
  await writeFolder(output, new Map([...bindings.files, [MARK, utf8(`${JSON.stringify(mark, null, 2)}\n`)]]));
  return resultOf(fetched, bindings, output, mark);
}

async function fetchVerified(
  context: CliContext,
  flags: TypesFlags,
  progress: Progress,
  target: string,
): Promise<FetchedCode> {
  progress.step('verifying the log');
  const registry = await openRegistry(context, flags);
  const found = await registry.find(target, { advisories: flags.allowAdvisory ? 'allow' : 'pass over' });
  for (const { text } of found.warnings) context.process.stderr.write(`warning: ${visibleLine(text)}\n`);
  const fetched = await registry.getCode(found, {
    bytesMax: CONTENT_BYTES_MAX,
    onProgress: (received) => progress.step(`received ${formatBytes(received)}`),
  });
  for (const { kind, text } of fetched.warnings) {
    if (kind === 'contradicted') context.process.stderr.write(`warning: ${visibleLine(text)}\n`);
  }
  return fetched;
}

function nameOf(text: string): string {
  if (NAME.test(text)) return text;
  throw new RegistryError('usage/invalid', `--name ${text}: use up to 64 letters, digits, '-' and '_'`);
}

function mapping(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new RegistryError('usage/invalid', `--map ${text}: write import=module, such as 'demo:log/log=./log.js'`);
}

function outputOf(folder: string): OutputFolder {
  return { folder, mark: MARK, listed };
}

/** What the folder was filled with before; nothing where its mark says nothing. */
async function listed(mark: string): Promise<readonly string[]> {
  try {
    const body = parseJson(await readFile(mark));
    const files = typeof body === 'object' && body !== null && 'files' in body ? body['files'] : null;
    return Array.isArray(files) ? files.filter((file) => typeof file === 'string') : [];
  } catch {
    return [];
  }
}

function requireRunnable({ kind }: Bindings, { transpile }: TypesFlags): void {
  if (kind === 'component' || !transpile) return;
  throw new RegistryError('usage/invalid', 'an interface does not run: leave out --transpile');
}

/** What the folder is made of. */
function markOf({ package: name, release }: FetchedCode, { kind, files, imports }: Bindings) {
  const { version, digest, recordId } = release;
  return { package: name, version, digest, recordId, kind, files: [...files.keys()].toSorted(), imports: [...imports] };
}

function resultOf(
  { package: name, release, warnings }: FetchedCode,
  { files, imports }: Bindings,
  { folder }: OutputFolder,
  mark: { readonly [key: string]: JsonValue },
): CommandResult {
  const lines = [
    `${name}@${release.version} → ${folder} (${release.digest}, verified)`,
    ...[...files]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([file, { length }]) => `  ${file}  ${formatBytes(length)}`),
    ...(imports.length === 0 ? [] : [`the module imports ${imports.join(', ')}`]),
  ];
  const json = { ...mark, folder: path.resolve(folder), warnings: warnings.map(({ kind, text }) => ({ kind, text })) };
  return { text: lines.join('\n'), json };
}
