import { buildCommand, type Command } from '@stricli/core';
import { claimPackage } from '@waybill/client';
import { parsePackageName, RegistryError } from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, textFlag } from '../flags.ts';
import { isConfirmed } from '../question.ts';
import { openClient, signingKey, type RegistryFlags } from '../session.ts';

interface ClaimFlags extends RegistryFlags {
  readonly key?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export const claimCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: "Take over a package that the registry's gateway signed for you",
    fullDescription: `What an OCI client pushes is signed by the registry, on behalf of an account. This gives the package to your own key, in one
record, and the registry keeps nothing: from then on nobody but your key releases or yanks, and pushes by OCI clients are refused.
The account that began the package claims it, with its token (waybill login); what nobody showed a token for, whoever may publish.

  waybill claim demo:hello
  waybill claim demo:hello --key release --yes --json`,
  },
  parameters: {
    flags: {
      key: textFlag("Name of the key that gets it (default: 'default'; or the key in WAYBILL_KEY)", 'name'),
      yes: { kind: 'boolean', brief: 'Do not ask: it is meant', optional: true, withNegated: false },
      ...registryFlags,
    },
    positional: { kind: 'tuple', parameters: [argument('Package', 'ns:name')] },
  },
  func: action<ClaimFlags, [string]>(async (context, flags, progress, text) => {
    const name = parsePackageName(text);
    const key = await signingKey(context, flags);
    await requireMeant(context, flags, name);
    const client = await openClient(context, flags);
    const onStep = (step: string): void => progress.step(step);
    const { recordId, registryIndex } = await client.withEvidence(() => claimPackage(name, { client, key, onStep }));
    const { id } = key.publicKey;
    const lines = [
      `${name} is yours: ${id} alone may release and yank, and the registry's gateway holds nothing any more`,
      `record ${recordId} is number ${registryIndex} of the registry log, verified`,
    ];
    return { text: lines.join('\n'), json: { package: name, keyId: id, recordId, registryIndex } };
  }),
});

/** Throws `usage/invalid` unless a person says yes, or has said so. */
async function requireMeant({ interactive }: CliContext, { yes }: ClaimFlags, name: string): Promise<void> {
  if (yes === true) return;
  const message = `Claim ${name}? From then on no OCI client can push to it.`;
  if (!interactive) throw new RegistryError('usage/invalid', `${message} If it is meant, say so: --yes`);
  if (await isConfirmed(message)) return;
  throw new RegistryError('usage/invalid', 'not claimed');
}
