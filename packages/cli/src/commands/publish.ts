import { buildCommand, type Command } from '@stricli/core';
import { parseVersion, RegistryError, type Digest, type PackageEntry, type PackageState } from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, repeatedFlag, requiredFlag, signingFlags, textFlag } from '../flags.ts';
import { grantEntryFor, revokeEntriesFor } from '../grant-flags.ts';
import { publishPlan, releaseOfFile, type Plan, type PlanFlags } from './plan.ts';

interface ReleaseFlags extends PlanFlags {
  readonly package: string;
  readonly version: string;
}

export const publishCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Release a file as a version of a package',
    fullDescription: `Signs a release, publishes it, uploads the file, and verifies that the record stands in the log.
The first release starts the package's log.

  waybill publish hello.wasm --package demo:hello --version 1.0.0`,
  },
  parameters: {
    flags: {
      package: requiredFlag('Package, as namespace:name', 'ns:name'),
      version: requiredFlag('SemVer version', 'version'),
      ...signingFlags,
    },
    positional: { kind: 'tuple', parameters: [argument('File to release', 'file')] },
  },
  func: action<ReleaseFlags, [string]>(async (context, flags, progress, file) => {
    progress.step(`hashing ${file}`);
    const { entry, content } = await releaseOfFile(context, flags.version, file);
    return publishPlan(context, flags, progress, {
      package: flags.package,
      entries: () => [entry],
      annotations: [],
      files: new Map([[content, file]]),
    });
  }),
});

interface YankFlags extends PlanFlags {
  readonly reason?: string;
}

const yankParameters = {
  flags: {
    reason: textFlag('A sentence that stands in the log; in a package of version 1 alone', 'text'),
    ...signingFlags,
  },
  positional: { kind: 'tuple', parameters: [argument('Package and version', 'ns:name@version')] },
} as const;

export const yankCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Withdraw a version; its record stays',
    fullDescription: `The version is no longer resolved; who names exactly it still gets it, with a warning. In a package of version 0 it is
final; in one of version 1 it can be restored.

  waybill yank demo:hello@1.0.0
  waybill yank demo:hello@1.0.0 --reason "does not start on Tuesdays"`,
  },
  parameters: yankParameters,
  func: action<YankFlags, [string]>((context, flags, progress, target) =>
    publishPlan(context, flags, progress, onVersion('yank', target, flags)),
  ),
});

export const restoreCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take a yank back, in a package of version 1',
    fullDescription: '  waybill restore demo:hello@1.0.0 --reason "it was the build machine"',
  },
  parameters: yankParameters,
  func: action<YankFlags, [string]>((context, flags, progress, target) =>
    publishPlan(context, flags, progress, onVersion('restore', target, flags)),
  ),
});

function onVersion(type: 'yank' | 'restore', target: string, { reason }: YankFlags): Plan {
  const [name = '', version = ''] = target.split('@');
  const entry = { type, version: parseVersion(version), ...(reason === undefined ? {} : { reason }) } as const;
  return {
    package: name,
    entries: (state) => {
      if (state.root !== null || (type === 'yank' && reason === undefined)) return [entry];
      throw new RegistryError(
        'usage/invalid',
        `${name} is of version 0, which knows neither restore nor reasons: see waybill upgrade --help`,
      );
    },
    annotations: [],
    files: new Map(),
  };
}

interface RecordFlags extends PlanFlags {
  readonly release?: readonly string[];
  readonly yank?: readonly string[];
  readonly grant?: readonly string[];
  readonly revoke?: readonly string[];
}

/** The commands beside it: whoever types the first word after `waybill record` may mean one of them. */
const SIBLINGS = ['say', 'sign', 'send', 'show'];

export const sayCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Several statements in one record: all of them hold, or none',
    fullDescription: `They apply in this order: grants, releases, yanks, revokes.

  waybill record demo:hello --release 1.1.0=hello.wasm --yank 1.0.0 --grant ecdsa-p256:…=release`,
  },
  parameters: {
    flags: {
      grant: repeatedFlag('Public key, and = with a list of permissions', 'key[=list]'),
      release: repeatedFlag('Version and file', 'version=file'),
      yank: repeatedFlag('Version', 'version'),
      revoke: repeatedFlag('Key id, and = with a list of permissions', 'id[=list]'),
      ...signingFlags,
    },
    positional: {
      kind: 'tuple',
      parameters: [
        {
          ...argument('Package', 'ns:name'),
          proposeCompletions: (partial: string) => SIBLINGS.filter((name) => name.startsWith(partial)),
        },
      ],
    },
  },
  func: action<RecordFlags, [string]>(async (context, flags, progress, name) => {
    const files = new Map<Digest, string>();
    const releases: PackageEntry[] = [];
    for (const text of flags.release ?? []) {
      const [version, file] = halves(text, '=');
      if (file === undefined) throw new RegistryError('usage/invalid', `--release takes version=file, not ${text}`);
      const { entry, content } = await releaseOfFile(context, version, file);
      releases.push(entry);
      files.set(content, file);
    }
    const entries = (state: PackageState): PackageEntry[] => recordEntries(state, flags, releases);
    return publishPlan(context, flags, progress, { package: name, entries, annotations: [], files });
  }),
});

function recordEntries(
  state: PackageState,
  { grant = [], yank = [], revoke = [] }: RecordFlags,
  releases: readonly PackageEntry[],
): PackageEntry[] {
  const grants = grant.map((text) => {
    const [key, permissions] = keyAndPermissions(text);
    return grantEntryFor(state, [key], permissions === undefined ? {} : { permissions });
  });
  const yanks = yank.map((version): PackageEntry => ({ type: 'yank', version: parseVersion(version) }));
  const revokes = revoke.flatMap((text) => {
    const [from, permissions] = keyAndPermissions(text);
    return revokeEntriesFor(state, permissions === undefined ? { from } : { from, permissions });
  });
  const entries = [...grants, ...releases, ...yanks, ...revokes];
  if (entries.length > 0) return entries;
  throw new RegistryError('usage/invalid', 'the record says nothing: see waybill record say --help');
}

/** Base64 of a key may end with '=', so only an '=' before a permission separates. */
function keyAndPermissions(text: string): [string, string | undefined] {
  const match = /^(.*?)=((?:release|yank)(?:,(?:release|yank))*)$/.exec(text);
  return match === null ? [text, undefined] : [match[1] ?? '', match[2]];
}

function halves(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
