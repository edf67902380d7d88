import { governanceLogText, takedownText, unrootedText, type VerifiedPackage } from '@waybill/client';
import {
  abandonmentOf,
  isDigest,
  namespaceOf,
  policyInForce,
  policyOf,
  type Abandonment,
  type AnyHash,
  type Governor,
  type JsonValue,
} from '@waybill/protocol';
import { abandonmentBody, policyBody, policyText, takedownBody } from './governance-entry-text.ts';

/* How a package stands under the governance logs of its namespace and its registry. */

/** The verdict and what is in force, for a person; nothing where nothing governs. */
export function standingLines(log: VerifiedPackage): string[] {
  const { name, rootedness, governance, voidGovernance } = log;
  const abandonment = governance.namespace && abandonmentOf(governance.namespace);
  const policy = policyInForce(governance);
  return [
    ...(rootedness.verdict === 'unrooted' ? [`  ${unrootedText(name, rootedness)}`] : []),
    ...(policy === null ? [] : [`  policy of ${ownerText(log, policyGovernor(log))}: ${policyText(policy)}`]),
    ...(abandonment === null ? [] : [`  namespace ${namespaceOf(name)} is abandoned${abandonmentText(abandonment)}`]),
    ...voidGovernance.map((namespace) => `  void, as those who began it might not: ${governanceLogText(namespace)}`),
  ];
}

function ownerText({ name }: VerifiedPackage, by: Governor): string {
  return by === 'registry' ? 'the registry' : `namespace ${namespaceOf(name)}`;
}

function policyGovernor({ governance: { namespace } }: VerifiedPackage): Governor {
  return namespace !== null && policyOf(namespace) !== null ? 'namespace' : 'registry';
}

function abandonmentText({ successor, message }: Abandonment): string {
  return `${successor === null ? '' : `, succeeded by ${successor}`}${message === '' ? '' : `: ${message}`}`;
}

/** The same for a program. */
export function standingBody(log: VerifiedPackage): { [key: string]: JsonValue } {
  const { rootedness, governance, voidGovernance } = log;
  const abandonment = governance.namespace && abandonmentOf(governance.namespace);
  const policy = policyInForce(governance);
  return {
    rootedness: { ...rootedness },
    governance: {
      policy: policy && { by: policyGovernor(log), ...policyBody(policy) },
      abandoned: abandonment && abandonmentBody(abandonment),
      void: voidGovernance.map((namespace) => namespace ?? null),
    },
  };
}

/** What is said beside a release whose content is taken down; empty for every other. */
export function takedownLine({ name, takedownOf }: VerifiedPackage, content: AnyHash): string {
  const takedown = isDigest(content) ? takedownOf(content) : null;
  return takedown === null ? '' : `  ${takedownText(name, takedown)}`;
}

/** The same for a program. */
export function contentTakedownBody({ takedownOf }: VerifiedPackage, content: AnyHash): { [key: string]: JsonValue } {
  const takedown = isDigest(content) ? takedownOf(content) : null;
  return takedown === null ? {} : { takedown: { ...takedownBody(takedown), by: takedown.by } };
}
