import { buildCommand, type Command } from '@stricli/core';
import { governanceLogText, type GovernanceLook } from '@waybill/client';
import {
  abandonmentOf,
  decodeSignedRecord,
  formatTimestamp,
  GOVERNANCE_LOG,
  policyOf,
  takedownsOf,
  type Abandonment,
  type GovernanceState,
  type JsonValue,
  type Namespace,
  type Takedown,
  type wargApi,
} from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { holderBody, holderText } from '../entry-text.ts';
import { registryFlags } from '../flags.ts';
import {
  abandonmentBody,
  governanceEntryBody,
  governanceEntryText,
  policyBody,
  policyText,
  takedownBody,
} from '../governance-entry-text.ts';
import { openClient } from '../session.ts';
import { namespaceFlags, namespaceNamed, type NamespaceFlags } from './governance-record.ts';

export const showCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show what a governance log says, and its records',
    fullDescription: `Everything shown was verified first.

  waybill operator governance show --namespace demo
  waybill operator governance show`,
  },
  parameters: { flags: { ...namespaceFlags, ...registryFlags } },
  func: action<NamespaceFlags, []>(async (context, flags, progress) => {
    const namespace = namespaceNamed(flags);
    progress.step('verifying the governance log');
    const look = await (await openClient(context, flags)).governance(namespace);
    return { text: lookText(namespace, look), json: lookBody(namespace, look) };
  }),
});

function lookText(namespace: Namespace | null, { home, state, records, isVoid }: GovernanceLook): string {
  const title = `${governanceLogText(namespace)} at ${home.origin}`;
  const flag = namespace === null ? '' : ` --namespace ${namespace}`;
  if (records.length === 0) return `${title}: not begun; waybill operator governance begin${flag} begins it`;
  const standing =
    state === null || isVoid
      ? ['  void: those who began it might not, so it decides nothing and no other can take its place']
      : stateLines(namespace, state);
  return [title, ...standing, '  records', ...records.map((record) => `    ${recordLine(record)}`)].join('\n');
}

function stateLines(namespace: string | null, state: GovernanceState): string[] {
  const noPolicy = namespace === null ? 'everybody may start packages' : "the registry's counts";
  const policy = policyOf(state);
  const abandonment = abandonmentOf(state);
  return [
    ...(state.root === null ? [] : [`  root  ${holderText(state.root)}`]),
    `  policy  ${policy === null ? `none: ${noPolicy}` : policyText(policy)}`,
    ...takedownsOf(state).map((takedown) => `  ${takedownText(takedown)}`),
    ...(abandonment === null ? [] : [`  ${abandonmentText(abandonment)}`]),
  ];
}

function takedownText({ digest, code, reason, time, reinstated }: Takedown): string {
  const why = reason === '' ? '' : `: ${reason}`;
  const end = reinstated === null ? '' : `; reinstated ${formatTimestamp(reinstated.time)} ${reinstated.reason}`;
  return `taken down  ${digest}  ${code}${why}  ${formatTimestamp(time)}${end}`.trimEnd();
}

function abandonmentText({ successor, message, time }: Abandonment): string {
  const next = successor === null ? '' : `; see ${successor}`;
  return `abandoned  ${formatTimestamp(time)}${next}${message === '' ? '' : `: ${message}`}`;
}

function recordLine({ envelope, registryIndex }: wargApi.PublishedRecord): string {
  const { time, entries, binding } = decodeSignedRecord(GOVERNANCE_LOG, envelope);
  const what = entries.map(governanceEntryText).join('; ');
  return `${registryIndex}  ${formatTimestamp(time)}  ${what}  by ${(binding?.signers ?? []).join(', ')}`;
}

function lookBody(namespace: string | null, { home, state, records, isVoid }: GovernanceLook): JsonValue {
  const policy = state === null ? null : policyOf(state);
  const abandonment = state === null ? null : abandonmentOf(state);
  const root = state?.root ?? null;
  return {
    namespace,
    origin: home.origin,
    begun: records.length > 0,
    void: isVoid,
    head: state?.head?.id ?? null,
    root: root === null ? null : holderBody(root),
    policy: policy === null ? null : policyBody(policy),
    takedowns: state === null ? [] : takedownsOf(state).map(takedownBody),
    abandoned: abandonment === null ? null : abandonmentBody(abandonment),
    records: records.map(recordBody),
  };
}

function recordBody({ envelope, registryIndex }: wargApi.PublishedRecord): JsonValue {
  const { id: recordId, time, entries, binding } = decodeSignedRecord(GOVERNANCE_LOG, envelope);
  const signers = [...(binding?.signers ?? [])];
  return { recordId, registryIndex, time: formatTimestamp(time), signers, entries: entries.map(governanceEntryBody) };
}
