import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import type { RegistryClient } from '@waybill/client';
import {
  isKebab,
  isRegistryError,
  parseDigest,
  parseJosePublicKey,
  parseNamespace,
  parsePackageName,
  parseVersion,
  policyOf,
  RegistryError,
  startersOf,
  TAKEDOWN_CODES,
  type AbandonEntry,
  type Digest,
  type JosePublicKey,
  type PolicyEntry,
} from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, repeatedFlag, requiredFlag, requiredFlags, textFlag } from '../flags.ts';
import { policyText } from '../governance-entry-text.ts';
import { holderOfTexts, namedHolder } from '../grant-flags.ts';
import { isConfirmed } from '../question.ts';
import { openClient } from '../session.ts';
import { verifiedPackage } from './get.ts';
import {
  governFlags,
  governOrDraft,
  namespaceNamed,
  type GovernFlags,
  type GovernancePlan,
} from './governance-record.ts';
import { showCommand } from './governance-show.ts';

const noRemarks = (): readonly string[] => [];

interface PolicyFlags {
  readonly start?: string;
  readonly key?: readonly string[];
  readonly gateway?: string;
  readonly interfaceSteps?: string;
}

const policyFlags = {
  key: repeatedFlag('With listed: public key that may start packages', 'public key'),
  gateway: textFlag(
    'allowed (default) or refused: whether the registry may sign for accounts with its own keys',
    'word',
  ),
  interfaceSteps: textFlag(
    'free (default) or required: whether a version must be enough of a step for what changed in its interface',
    'word',
  ),
} as const;
const START_BRIEF = 'open: everybody may start packages; listed: the keys of --key alone';

interface BeginFlags extends GovernFlags, PolicyFlags {
  readonly holder?: readonly string[];
  readonly threshold?: string;
}

const BEGIN = 'waybill operator governance begin';

const beginCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Begin the governance log of a namespace, or of the registry',
    fullDescription: `Whoever begins it holds defineNamespace in the operator log, as the operator's root key does. From then on the log is
its root's. To give it to somebody who does not hold that, begin it and transfer it.

  waybill operator governance begin --namespace demo
  waybill operator governance begin --namespace demo --start listed --key ecdsa-p256:… --gateway refused
  waybill operator governance begin --holder ecdsa-p256:… --holder ecdsa-p256:… --threshold 2 --draft begin.json`,
  },
  parameters: {
    flags: {
      holder: repeatedFlag('Public key that holds the root (default: whoever signs)', 'public key'),
      threshold: textFlag('How many of its keys it takes (default: all)', 'number'),
      start: textFlag(`${START_BRIEF} (default: no policy yet)`, 'word'),
      ...policyFlags,
      ...governFlags,
    },
  },
  func: action<BeginFlags, []>((context, flags, progress) => {
    const given =
      flags.holder === undefined
        ? null
        : holderOfTexts(flags.holder, flags.threshold ?? String(flags.holder.length), BEGIN);
    const policy = flags.start === undefined ? noPolicy(flags) : [policyEntry(flags)];
    return governOrDraft(context, flags, progress, {
      begins: true,
      entries: (keys) => [
        {
          type: 'root',
          holder: given ?? namedHolder(keys, flags.threshold ?? String(keys.length), BEGIN),
        },
        ...policy,
      ],
      holders: given === null ? [] : [given],
      remarks: noRemarks,
    });
  }),
});

/** Throws `usage/invalid` for a policy of which the first word is missing. */
function noPolicy({ key = [], gateway, interfaceSteps }: PolicyFlags): readonly PolicyEntry[] {
  if (key.length === 0 && gateway === undefined && interfaceSteps === undefined) return [];
  throw new RegistryError(
    'usage/invalid',
    '--key, --gateway and --interface-steps are of a policy: give --start open or --start listed',
  );
}

interface SetPolicyFlags extends GovernFlags, PolicyFlags {
  readonly start: string;
}

const policyCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Say who may start packages from now on, and what is asked of versions',
    fullDescription: `It replaces the policy before it whole, and the registry's for that namespace. Packages that were started stay.
With --interface-steps required the registry refuses a component or a WIT package whose version is too small a step for what
changed in the interface since the release before it; see waybill publish --check-interface.

  waybill operator governance policy --namespace demo --start listed --key ecdsa-p256:… --key jwk:…
  waybill operator governance policy --namespace demo --start open
  waybill operator governance policy --namespace demo --start open --interface-steps required
  waybill operator governance policy --start open --gateway refused`,
  },
  parameters: { flags: { start: requiredFlag(START_BRIEF, 'word'), ...policyFlags, ...governFlags } },
  func: action<SetPolicyFlags, []>((context, flags, progress) => {
    const entry = policyEntry(flags);
    return governOrDraft(context, flags, progress, {
      begins: false,
      entries: () => [entry],
      holders: [],
      remarks({ state }) {
        const former = state === null ? null : policyOf(state);
        return [former === null ? 'the log had no policy before' : `it replaces: ${policyText(former)}`];
      },
    });
  }),
});

/** Throws `usage/invalid`, `text/key`. */
function policyEntry({ start, key = [], gateway = 'allowed', interfaceSteps = 'free' }: PolicyFlags): PolicyEntry {
  if (gateway !== 'allowed' && gateway !== 'refused') {
    throw new RegistryError('usage/invalid', `--gateway takes allowed or refused, not ${gateway}`);
  }
  if (interfaceSteps !== 'free' && interfaceSteps !== 'required') {
    throw new RegistryError('usage/invalid', `--interface-steps takes free or required, not ${interfaceSteps}`);
  }
  const asked = { type: 'policy', gateway, interfaceSteps } as const;
  if (start === 'open' && key.length === 0) return { ...asked, starters: 'open' };
  if (start === 'listed' && key.length > 0) return { ...asked, starters: keysListed(key) };
  throw new RegistryError('usage/invalid', 'a policy is --start open, without --key, or --start listed with --key');
}

function keysListed(texts: readonly string[]): readonly JosePublicKey[] {
  try {
    return startersOf(texts.map(parseJosePublicKey));
  } catch (cause) {
    if (!isRegistryError(cause, 'wire/shape')) throw cause;
    throw new RegistryError('usage/invalid', `--key: ${cause.message}`, {}, { cause });
  }
}

interface TakedownFlags extends GovernFlags {
  readonly code: string;
  readonly reason?: string;
}

const reasonFlag = { reason: textFlag('A sentence that stands in the log', 'text') } as const;
const contentArgument = {
  kind: 'tuple',
  parameters: [argument('Digest of the content, or a release of it', 'sha256:…|ns:name@version')],
} as const;

const takedownCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take content down: its release stays in the log, and it is not served any more',
    fullDescription: `By the registry's log it is served under no name; by a namespace's, as content of no package of that namespace.
Codes: ${TAKEDOWN_CODES.join(', ')}; or a word of your own.

  waybill operator governance takedown sha256:… --code malware --reason "mines coins"
  waybill operator governance takedown demo:hello@1.0.0 --namespace demo --code secret --reason "a token was in it"`,
  },
  parameters: {
    flags: { code: requiredFlag('Why, in a word', 'code'), ...reasonFlag, ...governFlags },
    positional: contentArgument,
  },
  func: action<TakedownFlags, [string]>(async (context, flags, progress, text) => {
    const { code } = flags;
    if (!isKebab(code)) {
      throw new RegistryError('usage/invalid', `--code takes a word such as ${TAKEDOWN_CODES.join(', ')}, not ${code}`);
    }
    progress.step('looking the content up');
    const digest = await digestNamed(await openClient(context, flags), text);
    return governOrDraft(context, flags, progress, always({ type: 'takedown', digest, code, ...reasonOf(flags) }));
  }),
});

interface ReinstateFlags extends GovernFlags {
  readonly reason?: string;
}

const reinstateCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Take a takedown back',
    fullDescription: `Only the log that took it down can; it may be taken down again.

  waybill operator governance reinstate sha256:… --reason "it was another file"`,
  },
  parameters: { flags: { ...reasonFlag, ...governFlags }, positional: contentArgument },
  func: action<ReinstateFlags, [string]>(async (context, flags, progress, text) => {
    progress.step('looking the content up');
    const digest = await digestNamed(await openClient(context, flags), text);
    return governOrDraft(context, flags, progress, always({ type: 'reinstate', digest, ...reasonOf(flags) }));
  }),
});

function reasonOf({ reason }: ReinstateFlags): { readonly reason?: string } {
  return reason === undefined ? {} : { reason };
}

function always(entry: ReturnType<GovernancePlan['entries']>[number]): GovernancePlan {
  return { begins: false, entries: () => [entry], holders: [], remarks: noRemarks };
}

/** Of a release, the content that its log names, verified. Throws `release/not-found`, `log/not-found`, `text/…`. */
async function digestNamed(client: RegistryClient, text: string): Promise<Digest> {
  if (text.startsWith('sha256:')) return parseDigest(text);
  const [name = '', version = ''] = text.split('@');
  const { state } = await verifiedPackage(client, { name: parsePackageName(name) });
  const release = state.bindings.get(parseVersion(version));
  if (release !== undefined) return parseDigest(release.content);
  throw new RegistryError('release/not-found', `${name} has no version ${version}`, { version });
}

interface AbandonFlags extends GovernFlags {
  readonly namespace: string;
  readonly successor?: string;
  readonly message?: string;
  readonly yes?: boolean;
}

const abandonCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Abandon a namespace, for ever: nobody can start packages in it any more',
    fullDescription: `What is there stays, and its holders go on with it. The successor is shown to people; nothing follows it by itself.

  waybill operator governance abandon --namespace demo --successor demos --message "we have moved"`,
  },
  parameters: {
    flags: {
      ...governFlags,
      namespace: requiredFlag('Namespace to abandon', 'namespace'),
      successor: textFlag('Package or namespace to look at instead', 'name'),
      message: textFlag('A sentence that stands in the log', 'text'),
      yes: { kind: 'boolean', brief: 'Do not ask: it is meant, and for ever', optional: true, withNegated: false },
    },
  },
  func: action<AbandonFlags, []>(async (context, flags, progress) => {
    const entry = abandonEntry(flags);
    if (flags.draft === undefined) await requireMeant(context, flags);
    return governOrDraft(context, flags, progress, always(entry));
  }),
});

function abandonEntry({ successor, message }: AbandonFlags): AbandonEntry {
  const said = message === undefined ? {} : { message };
  if (successor === undefined) return { type: 'abandon', successor: null, ...said };
  const name = successor.includes(':') ? parsePackageName(successor) : parseNamespace(successor);
  return { type: 'abandon', successor: name, ...said };
}

/** Throws `usage/invalid` unless a person says yes, or has said so. */
async function requireMeant({ interactive }: CliContext, flags: AbandonFlags): Promise<void> {
  namespaceNamed(flags);
  if (flags.yes === true) return;
  const message = `Abandon the namespace ${flags.namespace}? There is no way back.`;
  if (!interactive) throw new RegistryError('usage/invalid', `${message} If it is meant, say so: --yes`);
  if (await isConfirmed(message)) return;
  throw new RegistryError('usage/invalid', 'not abandoned');
}

interface TransferFlags extends GovernFlags {
  readonly holder: readonly string[];
  readonly threshold?: string;
}

const transferCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Give the root of a governance log to other keys',
    fullDescription: `The new holder signs too, so that nobody gets it who cannot use it: its keys are here, or it is drafted for them.

  waybill operator governance transfer --namespace demo --holder jwk:… --holder jwk:… --holder ecdsa-p256:… --threshold 2 \\
    --draft next.json --signer sha256:… --signer sha256:… --signer sha256:…`,
  },
  parameters: {
    flags: {
      holder: requiredFlags('Public key of the new holder', 'public key'),
      threshold: textFlag('How many of several keys it takes (default: all)', 'number'),
      ...governFlags,
    },
  },
  func: action<TransferFlags, []>((context, flags, progress) => {
    const { holder: keys, threshold = String(keys.length) } = flags;
    const holder = holderOfTexts(keys, threshold, 'waybill operator governance transfer');
    return governOrDraft(context, flags, progress, {
      begins: false,
      entries: () => [{ type: 'transfer', holder }],
      holders: [holder],
      remarks: noRemarks,
    });
  }),
});

export const governanceRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: {
    begin: beginCommand,
    policy: policyCommand,
    takedown: takedownCommand,
    reinstate: reinstateCommand,
    abandon: abandonCommand,
    transfer: transferCommand,
    show: showCommand,
  },
  docs: { brief: 'Who may start packages, what is taken down, which namespaces are abandoned: signed, and in the log' },
});
