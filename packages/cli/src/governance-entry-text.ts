import {
  formatTimestamp,
  type Abandonment,
  type GovernanceEntry,
  type JsonValue,
  type Policy,
  type PolicyEntry,
  type Takedown,
} from '@waybill/protocol';
import { holderBody, holderText } from './entry-text.ts';
import { visibleLine } from './visible-text.ts';

type EntryOfType<T extends GovernanceEntry['type']> = Extract<GovernanceEntry, { readonly type: T }>;

interface EntryRow<E> {
  readonly text: (entry: E) => string;
  readonly body: (entry: E) => { [key: string]: JsonValue };
}

/** One row for each kind of entry: leaving one out does not compile. */
const ROWS: { readonly [T in GovernanceEntry['type']]: EntryRow<EntryOfType<T>> } = {
  root: {
    text: ({ holder }) => `begins the log; its root is held by ${holderText(holder)}`,
    body: ({ holder }) => holderBody(holder),
  },
  transfer: {
    text: ({ holder }) => `gives the root to ${holderText(holder)}`,
    body: ({ holder }) => holderBody(holder),
  },
  policy: {
    text: (policy) => `sets the policy: ${policyText(policy)}`,
    body: (policy) => policyWords(policy),
  },
  takedown: {
    text: ({ digest, code, reason }) => `takes down ${digest} (${code})${tail(reason)}`,
    body: ({ digest, code, reason = '' }) => ({ digest, code, reason }),
  },
  reinstate: {
    text: ({ digest, reason }) => `reinstates ${digest}${tail(reason)}`,
    body: ({ digest, reason = '' }) => ({ digest, reason }),
  },
  abandon: {
    text: ({ successor, message }) =>
      `abandons the namespace, for ever${successor === null ? '' : `; its successor is ${successor}`}${tail(message)}`,
    body: ({ successor, message = '' }) => ({ successor, message }),
  },
};

type PolicyWords = Omit<PolicyEntry, 'type'>;

/** Who may start packages, and what is asked of versions, in a sentence. */
export function policyText({ starters, gateway, interfaceSteps }: PolicyWords): string {
  const who = starters === 'open' ? 'everybody may start packages' : `only ${idsOf(starters)} may start packages`;
  const how = gateway === 'allowed' ? 'may' : 'may not';
  const steps =
    interfaceSteps === 'free' ? '' : '; a version must be enough of a step for what changed in its interface';
  return `${who}; the registry ${how} sign for accounts with keys of its own${steps}`;
}

function idsOf(keys: readonly { readonly id: string }[]): string {
  return keys.map(({ id }) => id).join(', ');
}

type Body = { [key: string]: JsonValue };

function policyWords({ starters, gateway, interfaceSteps }: PolicyWords): Body {
  const isOpen = starters === 'open';
  const keys = isOpen ? [] : starters.map(({ text }) => text);
  return { start: isOpen ? 'open' : 'listed', keys, gateway, interfaceSteps };
}

/** A policy as JSON, and what said it. */
export function policyBody(policy: Policy): Body {
  return { ...policyWords(policy), ...saidBody(policy) };
}

/** A takedown as JSON, and what said it. */
export function takedownBody(takedown: Takedown): Body {
  const { digest, code, reason, reinstated } = takedown;
  const back = reinstated && { reason: reinstated.reason, ...saidBody(reinstated) };
  return { digest, code, reason, ...saidBody(takedown), reinstated: back };
}

/** An abandonment as JSON, and what said it. */
export function abandonmentBody(abandonment: Abandonment): Body {
  const { successor, message } = abandonment;
  return { successor, message, ...saidBody(abandonment) };
}

function saidBody({ recordId, time }: Pick<Policy, 'recordId' | 'time'>): Body {
  return { recordId, time: formatTimestamp(time) };
}

function tail(text = ''): string {
  return text === '' ? '' : `: ${text}`;
}

/** What an entry of a governance log does, in a sentence. */
export function governanceEntryText(entry: GovernanceEntry): string {
  return visibleLine(textOf(entry));
}

function textOf<T extends GovernanceEntry['type']>(entry: EntryOfType<T> & { readonly type: T }): string {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return row.text(entry);
}

/** An entry of a governance log as JSON. */
export function governanceEntryBody(entry: GovernanceEntry): { [key: string]: JsonValue } {
  return bodyOf(entry);
}

function bodyOf<T extends GovernanceEntry['type']>(
  entry: EntryOfType<T> & { readonly type: T },
): { [key: string]: JsonValue } {
  const row: EntryRow<EntryOfType<T>> = ROWS[entry.type];
  return { type: entry.type, ...row.body(entry) };
}
