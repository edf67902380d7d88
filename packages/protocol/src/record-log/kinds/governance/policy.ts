import { ProtoWriter } from '../../../bytes/protobuf.ts';
import { RegistryError } from '../../../errors.ts';
import { parseJosePublicKey, type JosePublicKey } from '../../../jose/public-key.ts';
import { checkKeyCount, checkRecordKeys } from '../../authority/holder.ts';
import type { EntryKind } from '../../entry-kind.ts';
import type { GovernanceBinding, Policy, Starters } from './binding.ts';

/** spec/governance.md 2.4. */
export const POLICY_KEYS_MAX = 64;

/** Says who may start packages, whether the registry may for others, and what is asked of versions. */
export interface PolicyEntry {
  readonly type: 'policy';
  readonly starters: Starters;
  readonly gateway: Policy['gateway'];
  readonly interfaceSteps: Policy['interfaceSteps'];
}

const START_OPEN = 1;
const START_LISTED = 2;
/** In the order of their numbers, from 1. */
const GATEWAYS: readonly Policy['gateway'][] = ['allowed', 'refused'];
/** In the order of their numbers, from 0: the first is what a policy says that does not speak of it. */
const INTERFACE_STEPS: readonly Policy['interfaceSteps'][] = ['free', 'required'];

/** spec/governance.md 3.4. */
export const policyKind: EntryKind<PolicyEntry, never, GovernanceBinding> = {
  number: 24,
  shape: new Map([
    [1, 'varint'],
    [2, 'string'],
    [3, 'varint'],
    [4, 'varint'],
  ]),
  needs: null,
  keyCount: (message) => message.count(2),
  read(message) {
    const gateway = GATEWAYS[message.uint32(3) - 1];
    const interfaceSteps = INTERFACE_STEPS[message.uint32(4)];
    const starters = readStarters(message.uint32(1), message.repeatedStrings(2));
    if (starters === null || gateway === undefined || interfaceSteps === undefined) {
      throw new RegistryError('wire/shape', 'not a policy');
    }
    return { type: 'policy', starters, gateway, interfaceSteps };
  },
  write({ starters, gateway, interfaceSteps }) {
    return new ProtoWriter()
      .varint(1, starters === 'open' ? START_OPEN : START_LISTED)
      .strings(2, starters === 'open' ? [] : starters.map(({ text }) => text))
      .varint(3, GATEWAYS.indexOf(gateway) + 1)
      .varint(4, INTERFACE_STEPS.indexOf(interfaceSteps))
      .finish();
  },
  apply(draft, { starters, gateway, interfaceSteps }, { recordId, time }) {
    draft.bind('policy', { about: 'policy', starters, gateway, interfaceSteps, recordId, time });
  },
};

/** Some keys, in whatever order, as a policy lists them. Throws `wire/shape`. */
export function startersOf(keys: readonly JosePublicKey[]): readonly JosePublicKey[] {
  const ordered = keys.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  checkRecordKeys(ordered, POLICY_KEYS_MAX);
  return ordered;
}

/** `null` where neither everybody nor a list of keys may. */
function readStarters(start: number, texts: readonly string[]): Starters | null {
  if (start === START_OPEN && texts.length === 0) return 'open';
  if (start !== START_LISTED) return null;
  // Each that is looked at costs as much as a signature.
  checkKeyCount(texts.length, POLICY_KEYS_MAX);
  const keys = texts.map(parseJosePublicKey);
  checkRecordKeys(keys, POLICY_KEYS_MAX);
  return keys;
}
