import { buildCommand, type Command } from '@stricli/core';
import {
  annotatePermission,
  findRefusal,
  holderOf,
  parseJosePublicKey,
  parsePackageName,
  parseVersion,
  REFUSAL_WORDS,
  RegistryError,
  timestampFromMs,
  isPermission,
  type Act,
  type Grant,
  type GrantId,
  type JosePublicKey,
  type JsonValue,
  type PackageState,
  type Permission,
  type Refusal,
} from '@waybill/protocol';
import { action, type CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { holderBody, holderText, predicatesBody, predicatesText } from '../entry-text.ts';
import { argument, registryFlags, requiredFlags, signingFlags, textFlag } from '../flags.ts';
import {
  grantEntryFor,
  grantTermFlags,
  holderOfTexts,
  keyIdOf,
  revokeEntriesFor,
  type GrantTerms,
  type RevokeTerms,
} from '../grant-flags.ts';
import { openClient, type RegistryFlags } from '../session.ts';
import { verifiedPackage } from './get.ts';
import { authorKeys, publishPlan, type PlanFlags } from './plan.ts';

const packageArgument = { kind: 'tuple', parameters: [argument('Package', 'ns:name')] } as const;
const NO_FILES = new Map<never, never>();

interface GrantFlags extends PlanFlags, GrantTerms {
  readonly to: readonly string[];
}

export const grantCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Let another key release, yank or more',
    fullDescription: `Only what your key holds can be granted. In a log of version 1 (waybill upgrade) a grant can be narrowed, can be
given to several keys of which it takes some, and has an id, by which it is revoked.

  waybill grant demo:hello --to ecdsa-p256:… --permissions release
  waybill grant demo:hello --to jwk:… --role publisher --versions 1.0.0..2.0.0 --until 90d
  waybill grant demo:hello --to jwk:… --to ecdsa-p256:… --threshold 2 --permissions release`,
  },
  parameters: {
    flags: {
      to: requiredFlags('Public key, as printed by waybill key info', 'public key'),
      ...grantTermFlags,
      ...signingFlags,
    },
    positional: packageArgument,
  },
  func: action<GrantFlags, [string]>((context, flags, progress, name) =>
    publishPlan(context, flags, progress, {
      package: name,
      entries: (state) => [grantEntryFor(state, flags.to, flags)],
      annotations: [],
      files: NO_FILES,
    }),
  ),
});

interface RevokeFlags extends PlanFlags, RevokeTerms {}

export const revokeCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take permissions from a key, or end a grant, from now on',
    fullDescription: `What was done stays. In a log of version 1 a grant is named by its id (waybill who), or all grants of a key at once; what
hangs below them ends, too.

  waybill revoke demo:hello --from sha256:… --permissions yank
  waybill revoke demo:hello --grant sha256:…/0 --reason "left the team"`,
  },
  parameters: {
    flags: {
      from: textFlag('Key id or public key', 'key id'),
      grant: textFlag('Grant of a log of version 1', 'grant id'),
      permissions: textFlag('Of version 0: release, yank or both (default: both)', 'list'),
      reason: textFlag('Of version 1: a sentence that stands in the log', 'text'),
      ...signingFlags,
    },
    positional: packageArgument,
  },
  func: action<RevokeFlags, [string]>((context, flags, progress, name) =>
    publishPlan(context, flags, progress, {
      package: name,
      entries: (state) => revokeEntriesFor(state, flags),
      annotations: [],
      files: NO_FILES,
    }),
  ),
});

export const upgradeCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Make a package one of version 1: grants with limits, keys of every algorithm',
    fullDescription: `Your key becomes the root: it may do everything, and may give everything. What other keys hold stays theirs, as grants.
There is no way back, and the Rust warg client cannot read the package any more; it says so.

  waybill upgrade demo:hello`,
  },
  parameters: { flags: signingFlags, positional: packageArgument },
  func: action<PlanFlags, [string]>(async (context, flags, progress, name) => {
    const holder = holderOf([await upgrader(context, flags)], 1);
    return publishPlan(context, flags, progress, {
      package: name,
      entries: (state) => {
        if (state.root === null) return [{ type: 'root', holder }];
        throw new RegistryError('usage/invalid', `${name} is of version 1 already: see waybill who ${name}`);
      },
      annotations: [],
      files: NO_FILES,
    });
  }),
});

/** The key that is to be the root: the author's own, or that of whoever signs the draft. */
async function upgrader(context: CliContext, flags: PlanFlags): Promise<JosePublicKey> {
  const [signer, ...others] = flags.signer ?? [];
  if (flags.draft === undefined) return (await authorKeys(context, flags))[0].publicKey;
  if (signer !== undefined && others.length === 0) return parseJosePublicKey(signer);
  throw new RegistryError('usage/invalid', 'one key becomes the root: name its public key with --signer');
}

interface TransferFlags extends PlanFlags {
  readonly to: readonly string[];
  readonly threshold?: string;
}

export const transferCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Give the root of a package of version 1 to another key, or to several',
    fullDescription: `The new holder signs too: give its keys as --cosign. Grants stay as they are, and the old root has nothing any more.

  waybill transfer demo:hello --to ecdsa-p256:… --cosign next
  waybill transfer demo:hello --to ecdsa-p256:… --to jwk:… --threshold 2 --cosign ann --cosign bob`,
  },
  parameters: {
    flags: {
      to: requiredFlags('Public key of the new holder', 'public key'),
      threshold: textFlag('How many of several keys it takes (default: all)', 'number'),
      ...signingFlags,
    },
    positional: packageArgument,
  },
  func: action<TransferFlags, [string]>((context, flags, progress, name) => {
    const holder = holderOfTexts(flags.to, flags.threshold ?? String(flags.to.length), 'waybill transfer');
    return publishPlan(context, flags, progress, {
      package: name,
      entries: ({ root }) => {
        if (root !== null) return [{ type: 'transfer', holder }];
        throw new RegistryError(
          'usage/invalid',
          `${name} is of version 0, which has no root: see waybill upgrade --help`,
        );
      },
      annotations: [],
      files: NO_FILES,
    });
  }),
});

interface WhoFlags extends RegistryFlags {
  readonly why?: string;
  readonly action?: string;
  readonly version?: string;
  readonly json?: boolean;
}

export const whoCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Who may do what in a package, and by which grants',
    fullDescription: `With --why it says of one key whether it may do something now, and what stands in the way.

  waybill who demo:hello
  waybill who demo:hello --why sha256:… --action release --version 1.2.3`,
  },
  parameters: {
    flags: {
      why: textFlag('Key id or public key to ask about', 'key'),
      action: textFlag('release, yank, restore, grant or annotate:<type>', 'permission'),
      version: textFlag('Version that it is about', 'version'),
      ...registryFlags,
    },
    positional: packageArgument,
  },
  func: action<WhoFlags, [string]>(async (context, flags, progress, text) => {
    progress.step('verifying the log');
    const { state } = await verifiedPackage(await openClient(context, flags), { name: parsePackageName(text) });
    if (flags.why === undefined) return { text: whoText(text, state), json: whoBody(text, state) };
    return why(state, keyIdOf(flags.why), flags);
  }),
});

function whoText(name: string, state: PackageState): string {
  if (state.root === null) {
    const lines = [...state.permissions].map(
      ([id, held]) => `  ${id}  ${[...held.keys()].join(', ') || 'nothing any more'}`,
    );
    return [`${name} (version 0)`, ...lines].join('\n');
  }
  const lines = [`${name} (version 1)`, `  root  ${holderText(state.root)}`];
  for (const grant of childrenOf(state, null)) lines.push(...grantLines(state, grant));
  return lines.join('\n');
}

/** A grant, and below it what hangs from it. Chains are at most nine long. */
function grantLines(state: PackageState, grant: Grant): string[] {
  const { id, depth, holder, permissions, predicates, revokedBy } = grant;
  const end = revokedBy === null ? '' : '  (revoked)';
  const what = `${[...permissions].join(', ')}${predicatesText(predicates)}`;
  const line = `${'  '.repeat(depth + 2)}${holderText(holder)}  ${what}  [${id}]${end}`;
  return [line, ...childrenOf(state, id).flatMap((child) => grantLines(state, child))];
}

function childrenOf(state: PackageState, parent: GrantId | null): Grant[] {
  return [...state.grants.values()].filter((grant) => grant.parent === parent);
}

function whoBody(name: string, state: PackageState): JsonValue {
  const permissions = [...state.permissions].map(([id, held]): [string, JsonValue] => [id, [...held.keys()]]);
  return {
    package: name,
    version: state.root === null ? 0 : 1,
    permissions: Object.fromEntries(permissions),
    root: state.root === null ? null : holderBody(state.root),
    grants: [...state.grants.values()].map((grant) => ({
      id: grant.id,
      parent: grant.parent,
      depth: grant.depth,
      holder: holderBody(grant.holder),
      permissions: [...grant.permissions],
      ...predicatesBody(grant.predicates),
      revokedBy: grant.revokedBy,
    })),
  };
}

function why(state: PackageState, keyId: string, { action: text = 'release', version }: WhoFlags): CommandResult {
  const permission: Permission = isPermission(text) ? text : annotatePermission(text);
  if (state.root === null) return wargAnswer(state, keyId, permission);
  const act = actOf(permission, version);
  const signers = new Set([keyId]);
  const refused: { readonly under: GrantId | null; readonly refusal: Refusal }[] = [];
  const unders = [
    null,
    ...[...state.grants.values()].filter(({ holder }) => holder.keys.some(({ id }) => id === keyId)),
  ];
  for (const grant of unders) {
    const under = grant === null ? null : grant.id;
    const refusal = findRefusal(state, { signers, under }, act);
    if (refusal === null) {
      const path = under === null ? 'it holds the root' : `by grant ${under}`;
      return { text: `yes: ${path}`, json: { may: true, under } };
    }
    refused.push({ under, refusal });
  }
  const reasons = refused.map(({ under, refusal }) => ({ under, reason: refusal.reason, at: refusal.grant }));
  const lines = refused.map(({ under, refusal }) => `  ${under ?? 'root'}: ${reasonText(refusal)}`);
  return { text: ['no:', ...lines].join('\n'), json: { may: false, reasons }, exitCode: 1 };
}

function wargAnswer(state: PackageState, keyId: string, permission: Permission): CommandResult {
  const held = [...(state.permissions.get(keyId)?.keys() ?? [])];
  if (held.some((one) => one === permission))
    return { text: 'yes: the key holds it', json: { may: true, under: null } };
  const text = `no: the key holds ${held.join(' and ') || 'nothing'}`;
  return { text, json: { may: false, reasons: [] }, exitCode: 1 };
}

function actOf(permission: Permission, version: string | undefined): Act {
  const time = timestampFromMs(Date.now());
  if (permission === 'grant') return { permission, time };
  const about = { permission, time, version: version === undefined ? null : parseVersion(version) };
  return permission.startsWith('annotate:')
    ? { ...about, annotationType: permission.slice('annotate:'.length) }
    : about;
}

function reasonText({ reason, grant }: Refusal): string {
  const words = reason === 'grant-unknown' ? 'there is no such grant' : REFUSAL_WORDS[reason];
  return grant === null ? words : `${words} (${grant})`;
}
