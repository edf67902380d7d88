import { buildCommand, type Command } from '@stricli/core';
import { parseVersion, type Digest, type PackageEntry } from '@waybill/protocol';
import { RegistryError } from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, repeatedFlag, requiredFlag, signingFlags, textFlag } from '../flags.ts';
import { grantEntry, publishPlan, releaseOfFile, revokeEntry, type PlanFlags } from './plan.ts';

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
      entries: [entry],
      files: new Map([[content, file]]),
    });
  }),
});

export const yankCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Withdraw a version; its record stays, and this is final',
    fullDescription: 'The version is no longer resolved or fetched.\n\n  waybill yank demo:hello@1.0.0',
  },
  parameters: {
    flags: signingFlags,
    positional: { kind: 'tuple', parameters: [argument('Package and version', 'ns:name@version')] },
  },
  func: action<PlanFlags, [string]>(async (context, flags, progress, target) => {
    const [name = '', version = ''] = target.split('@');
    const entry: PackageEntry = { type: 'yank', version: parseVersion(version) };
    return publishPlan(context, flags, progress, { package: name, entries: [entry], files: new Map() });
  }),
});

interface GrantFlags extends PlanFlags {
  readonly to: string;
  readonly permissions?: string;
}

export const grantCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Let another key release or yank',
    fullDescription: `Only what your key holds can be granted.

  waybill grant demo:hello --to ecdsa-p256:… --permissions release`,
  },
  parameters: {
    flags: {
      to: requiredFlag('Public key, as printed by waybill key info', 'public key'),
      permissions: textFlag('release, yank or both (default: both)', 'list'),
      ...signingFlags,
    },
    positional: { kind: 'tuple', parameters: [argument('Package', 'ns:name')] },
  },
  func: action<GrantFlags, [string]>((context, flags, progress, name) =>
    publishPlan(context, flags, progress, {
      package: name,
      entries: [grantEntry(flags.to, flags.permissions)],
      files: new Map(),
    }),
  ),
});

interface RevokeFlags extends PlanFlags {
  readonly from: string;
  readonly permissions?: string;
}

export const revokeCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take permissions from a key, from now on',
    fullDescription:
      'What the key has released stays.\n\n  waybill revoke demo:hello --from sha256:… --permissions yank',
  },
  parameters: {
    flags: {
      from: requiredFlag('Key id or public key', 'key id'),
      permissions: textFlag('release, yank or both (default: both)', 'list'),
      ...signingFlags,
    },
    positional: { kind: 'tuple', parameters: [argument('Package', 'ns:name')] },
  },
  func: action<RevokeFlags, [string]>((context, flags, progress, name) =>
    publishPlan(context, flags, progress, {
      package: name,
      entries: [revokeEntry(flags.from, flags.permissions)],
      files: new Map(),
    }),
  ),
});

interface RecordFlags extends PlanFlags {
  readonly release?: readonly string[];
  readonly yank?: readonly string[];
  readonly grant?: readonly string[];
  readonly revoke?: readonly string[];
}

export const recordCommand: Command<CliContext> = buildCommand({
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
    positional: { kind: 'tuple', parameters: [argument('Package', 'ns:name')] },
  },
  func: action<RecordFlags, [string]>(async (context, flags, progress, name) => {
    const files = new Map<Digest, string>();
    const entries: PackageEntry[] = (flags.grant ?? []).map((text) => grantEntry(...keyAndPermissions(text)));
    for (const text of flags.release ?? []) {
      const [version, file] = halves(text, '=');
      if (file === undefined) throw new RegistryError('usage/invalid', `--release takes version=file, not ${text}`);
      const { entry, content } = await releaseOfFile(context, version, file);
      entries.push(entry);
      files.set(content, file);
    }
    for (const version of flags.yank ?? []) entries.push({ type: 'yank', version: parseVersion(version) });
    entries.push(...(flags.revoke ?? []).map((text) => revokeEntry(...keyAndPermissions(text))));
    if (entries.length === 0)
      throw new RegistryError('usage/invalid', 'the record says nothing: see waybill record --help');
    return publishPlan(context, flags, progress, { package: name, entries, files });
  }),
});

/** Base64 of a key may end with '=', so only an '=' before a permission separates. */
function keyAndPermissions(text: string): [string, string | undefined] {
  const match = /^(.*?)=((?:release|yank)(?:,(?:release|yank))*)$/.exec(text);
  return match === null ? [text, undefined] : [match[1] ?? '', match[2]];
}

function halves(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
