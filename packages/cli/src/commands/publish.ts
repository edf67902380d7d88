import { buildCommand, type Command } from '@stricli/core';
import {
  parsePackageName,
  parseVersion,
  RegistryError,
  type Digest,
  type PackageEntry,
  type PackageState,
} from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, repeatedFlag, requiredFlag, signingFlags, textFlag } from '../flags.ts';
import { grantEntryFor, revokeEntriesFor } from '../grant-flags.ts';
import { interfaceRemark, withRemark } from './interface-remark.ts';
import { publishPlan, releaseOf, type FileKind, type Plan, type PlanFlags } from './plan.ts';

interface ReleaseFlags extends PlanFlags {
  readonly package: string;
  readonly version: string;
  readonly kind?: FileKind;
  readonly wit?: boolean;
  readonly checkInterface?: boolean;
}

export const publishCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Release a file or a folder as a version of a package',
    fullDescription: `Signs a release, publishes it, uploads the file, and verifies that the record stands in the log.
The first release starts the package's log.

A folder is released as a tree of files: paths and bytes, no modes and no times. What .waybillignore names, in the words of gitignore, is
left out, and so is .git. Only files that the registry lacks go up; component.wasm is the tree's component. Trees, and --kind, take a package of
version 1: a new one begins as that, and an older one is upgraded first.

WIT text, a file that ends in .wit or with --wit a folder with what it names in deps, is released as the binary WIT package. A WIT package
is released under the name and version that it has. Where the package has an earlier release, the interfaces are compared, and you are
told whether the step of the version is enough for what changed; with --check-interface nothing is released where it is not, nor
where the policy for the namespace asks for steps. What cannot be compared counts as breaking.

  waybill publish hello.wasm --package demo:hello --version 1.0.0
  waybill publish ./site --package demo:site --version 1.0.0
  waybill publish runtime.wasm --kind module --package demo:runtime --version 1.0.0
  waybill publish ./wit --wit --kind profile --package demo:edge --version 1.0.0
  waybill publish hello.wasm --check-interface --package demo:hello --version 1.0.1`,
  },
  parameters: {
    flags: {
      package: requiredFlag('Package, as namespace:name', 'ns:name'),
      version: requiredFlag('SemVer version', 'version'),
      kind: {
        kind: 'enum',
        values: ['component', 'interface', 'profile', 'module'],
        brief: 'What the file is, signed in the release (default: WebAssembly of any kind)',
        optional: true,
      },
      wit: {
        kind: 'boolean',
        brief: 'The file or folder is WIT text (default: what ends in .wit)',
        optional: true,
        withNegated: false,
      },
      checkInterface: {
        kind: 'boolean',
        brief: 'Refuse a version that is too small a step for what changed in the interface',
        optional: true,
        withNegated: false,
      },
      ...signingFlags,
    },
    positional: { kind: 'tuple', parameters: [argument('File or folder to release', 'path')] },
  },
  func: action<ReleaseFlags, [string]>(async (context, flags, progress, source) => {
    progress.step(`hashing ${source}`);
    const release = { name: parsePackageName(flags.package), version: parseVersion(flags.version) };
    const asked = { source, kind: flags.kind ?? null, isWit: flags.wit ?? false };
    const planned = await releaseOf(context, release, asked);
    const remark = await interfaceRemark({ context, flags, progress }, planned, flags.checkInterface ?? false);
    const { entry, files, made } = planned;
    const plan = { package: release.name, entries: () => [entry], annotations: [], files, ...(made && { made }) };
    return withRemark(await publishPlan(context, flags, progress, plan), remark);
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
    const made = new Map<Digest, Uint8Array>();
    const releases: PackageEntry[] = [];
    for (const text of flags.release ?? []) {
      const [version, file] = halves(text, '=');
      if (file === undefined) throw new RegistryError('usage/invalid', `--release takes version=file, not ${text}`);
      const release = { name: parsePackageName(name), version: parseVersion(version) };
      const planned = await releaseOf(context, release, { source: file, kind: null, isWit: false });
      releases.push(planned.entry);
      for (const [digest, source] of planned.files) files.set(digest, source);
      for (const [digest, bytes] of planned.made ?? []) made.set(digest, bytes);
    }
    const entries = (state: PackageState): PackageEntry[] => recordEntries(state, flags, releases);
    return publishPlan(context, flags, progress, { package: name, entries, annotations: [], files, made });
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
