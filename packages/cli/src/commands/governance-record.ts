import {
  draftGovernanceRecord,
  envelopeOf,
  governanceLogText,
  sendGovernanceRecord,
  signCarried,
  type CarriedRecord,
  type GovernanceLook,
} from '@waybill/client';
import {
  decodeSignedRecord,
  GOVERNANCE_LOG,
  isRegistryError,
  isSignedFor,
  parseJosePrivateKey,
  parseNamespace,
  RegistryError,
  type GovernanceEntry,
  type Holder,
  type JosePrivateKey,
  type JosePublicKey,
  type Namespace,
  type OperatorState,
  type SignedRecord,
} from '@waybill/protocol';
import type { CommandResult } from '../action.ts';
import type { CliContext } from '../context.ts';
import { holderText } from '../entry-text.ts';
import { registryFlags, repeatedFlag, signingFlags, textFlag } from '../flags.ts';
import { governanceEntryBody, governanceEntryText } from '../governance-entry-text.ts';
import type { Progress } from '../progress.ts';
import { keyStoreOf, openClient } from '../session.ts';
import { inOrder, requireDraft, signersOf, type DraftFlags } from '../signer-flags.ts';
import { writeDraft } from './carry.ts';
import { keyFileFlag, operatorKeyText, type KeyFileFlags, type LookFlags } from './operator-record.ts';

export interface NamespaceFlags extends LookFlags {
  readonly namespace?: string;
}

export interface GovernFlags extends NamespaceFlags, KeyFileFlags, DraftFlags {
  readonly sign?: readonly string[];
}

export const namespaceFlags = {
  namespace: textFlag("Namespace whose log it is (default: the registry's own log)", 'namespace'),
} as const;

/** Flags of every command that adds to a governance log. */
export const governFlags = {
  ...namespaceFlags,
  keyFile: keyFileFlag,
  sign: repeatedFlag(
    "Name of a key kept here that signs, instead of the operator's; beside it with --key-file",
    'name',
  ),
  draft: signingFlags.draft,
  signer: signingFlags.signer,
  ...registryFlags,
} as const;

/** What a record of a governance log is to say. */
export interface GovernancePlan {
  /** Whether the log begins with it. */
  readonly begins: boolean;
  /** `keys` are of all who sign. */
  readonly entries: (keys: readonly JosePublicKey[]) => readonly GovernanceEntry[];
  /** The holders that it names, who sign as well. */
  readonly holders: readonly Holder[];
  /** What a person should know besides, a sentence each. */
  readonly remarks: (look: GovernanceLook) => readonly string[];
}

/** Operators that were first, in a row, before this one gives up. */
const REBASES_MAX = 5;
const NO_LOG = { root: null, signingKey: () => undefined };

/** The log that the flags name. Throws `text/namespace`. */
export function namespaceNamed({ namespace }: NamespaceFlags): Namespace | null {
  return namespace === undefined ? null : parseNamespace(namespace);
}

/** Signs a record and has it published; with `--draft` it is written for keys that are elsewhere. */
export async function governOrDraft(
  context: CliContext,
  flags: GovernFlags,
  progress: Progress,
  plan: GovernancePlan,
): Promise<CommandResult> {
  requireDraft(flags, { '--sign': flags.sign, '--key-file': flags.keyFile });
  const namespace = namespaceNamed(flags);
  const keys = flags.draft === undefined ? await keysHere(context, flags) : [];
  const client = await openClient(context, flags);
  for (let rebases = 0; ; rebases++) {
    progress.step('verifying the governance log');
    const look = await client.governance(namespace);
    requireBegun(look, plan, namespace);
    const signers =
      flags.draft === undefined
        ? inOrder(keys.map(({ publicKey }) => publicKey))
        : signersOf(flags.signer, look.state ?? NO_LOG, plan.holders);
    requireHeld(look, signers, namespace);
    const record = draftGovernanceRecord({ entries: plan.entries(signers), keys: signers }, look, Date.now);
    const { contents } = record.envelope;
    const draft: CarriedRecord = { kind: 'governance', log: namespace, contents, signers, signatures: [] };
    if (flags.draft !== undefined) return remarked(await writeDraft(draft, flags.draft), plan.remarks(look));
    try {
      progress.step('sending');
      await sendGovernanceRecord(client, namespace, await signedByAll(draft, keys));
      const body = { namespace, recordId: record.id, entries: record.entries.map(governanceEntryBody) };
      const lines = [...record.entries.map(governanceEntryText), ...plan.remarks(look)];
      return { text: [...lines, `done, by record ${record.id}`].join('\n'), json: body };
    } catch (failure) {
      if (!isRegistryError(failure, 'publish/conflict') || rebases === REBASES_MAX) throw failure;
    }
  }
}

/** A void log is refused later, as what it is. Throws `usage/invalid`, `namespace/undefined`, `namespace/imported`. */
function requireBegun(
  { operator, state, isVoid }: GovernanceLook,
  { begins }: GovernancePlan,
  namespace: Namespace | null,
): void {
  if (namespace !== null) requireOwn(namespace, operator);
  if (isVoid || begins === (state === null)) return;
  const flag = namespace === null ? '' : ` --namespace ${namespace}`;
  const [has, next] = begins ? ['has begun already', 'show'] : ['has not begun', 'begin'];
  const message = `${governanceLogText(namespace)} ${has}: waybill operator governance ${next}${flag}`;
  throw new RegistryError('usage/invalid', message);
}

/** Throws `namespace/undefined`, and `namespace/imported` for one that another registry governs. */
function requireOwn(namespace: Namespace, { bindings }: OperatorState): void {
  const binding = bindings.get(namespace);
  if (binding?.status === 'defined') return;
  if (binding === undefined) {
    throw new RegistryError('namespace/undefined', `namespace ${namespace} is not defined on this registry`);
  }
  const { registry } = binding;
  const message = `namespace ${namespace} is imported from ${registry}, and governed there: run this with --registry of that one`;
  throw new RegistryError('namespace/imported', message, { namespace, registry });
}

/** Throws `record/unauthorized` as the rules do, and says who can. */
function requireHeld({ state }: GovernanceLook, signers: readonly JosePublicKey[], namespace: Namespace | null): void {
  const root = state?.root ?? null;
  if (root === null || isSignedFor(root, new Set(signers.map(({ id }) => id)))) return;
  const who = `the root of ${governanceLogText(namespace)} is held by ${holderText(root)}`;
  const how = 'name keys that are here with --sign, or draft it for those who hold it: --draft FILE --signer KEY';
  throw new RegistryError('record/unauthorized', `${who}: ${how}`, { reason: 'holder', grant: '', kind: 'governance' });
}

/** The keys that sign on this machine. */
async function keysHere(context: CliContext, flags: GovernFlags): Promise<readonly JosePrivateKey[]> {
  const { sign = [], keyFile } = flags;
  const named = await Promise.all(sign.map((name) => keyStoreOf(context).load(name)));
  if (named.length > 0 && keyFile === undefined) return named;
  return [parseJosePrivateKey(await operatorKeyText(context, flags)), ...named];
}

async function signedByAll(
  draft: CarriedRecord,
  keys: readonly JosePrivateKey[],
): Promise<SignedRecord<GovernanceEntry>> {
  let carried = draft;
  for (const key of keys) carried = await signCarried(carried, key);
  return decodeSignedRecord(GOVERNANCE_LOG, envelopeOf(carried));
}

function remarked({ text, json }: CommandResult, remarks: readonly string[]): CommandResult {
  return { text: [...remarks, text].join('\n'), json };
}
