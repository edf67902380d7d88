import { buildCommand, type Command } from '@stricli/core';
import { RegistryError } from '@waybill/protocol';
import type { Adoption } from '@waybill/server';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { dataFlag, DATA_DEFAULT, jsonFlag, lastSignedFlag, textFlag } from '../flags.ts';

interface AdoptFlags extends CommonFlags {
  readonly data?: string;
  readonly lastSigned?: string;
  readonly length?: string;
}

export const adoptCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Go on from a store that may not be the newest',
    fullDescription: `A server does not start on a store that is older than what it last signed, or when it is not known what that was: signing
on would show two histories. First look for the newest store, on the old disk, in a newer backup, at a mirror.

If what you have is all there is, say so: state the length of its head, which this command shows without --length. The server
must be stopped. Clients and witnesses that have seen a newer head will find the fork, and refuse the registry (exit code 65).
If nobody has seen one, nobody will notice.

  waybill operator adopt
  waybill operator adopt --data /srv/waybill --length 1034`,
  },
  parameters: {
    flags: {
      data: dataFlag,
      lastSigned: lastSignedFlag,
      length: textFlag('Records of the head to go on from: states that you mean it', 'n'),
      ...jsonFlag,
    },
  },
  func: action<AdoptFlags, []>(async (_context, flags, progress) => {
    const { adoptHead } = await import('@waybill/server');
    progress.step('comparing the store with what was last signed');
    const adoption = await adoptHead({
      data: flags.data ?? DATA_DEFAULT,
      ...(flags.lastSigned === undefined ? {} : { lastSigned: flags.lastSigned }),
      length: flags.length === undefined ? null : parseLength(flags.length),
    });
    const { head, lastSigned, ...rest } = adoption;
    return {
      text: textOf(adoption),
      json: { ...rest, head: { ...head }, lastSigned: lastSigned && { ...lastSigned } },
    };
  }),
});

function parseLength(text: string): number {
  const length = Number(text);
  if (/^[0-9]+$/.test(text) && Number.isSafeInteger(length)) return length;
  throw new RegistryError('usage/invalid', `--length takes a number of records, not ${text}`);
}

function textOf({ head, lastSigned, lastSignedFile, tornSlots, refusal, adopted }: Adoption): string {
  const lines = [
    `the store's head: ${describe(head)}`,
    `last signed:      ${lastSigned === null ? 'unknown' : describe(lastSigned)}`,
  ];
  if (tornSlots > 0) lines.push(`${lastSignedFile} is damaged`);
  if (adopted) {
    lines.push(`${lastSignedFile} says now what the store says: the server goes on from ${head.logLength} records`);
    if (refusal !== null) lines.push('clients that have seen a newer head will find the fork and refuse this registry');
  } else if (refusal === null) lines.push('the server starts on this store: there is nothing to adopt');
  else {
    lines.push(`the server does not start: ${refusal}`);
    lines.push('look for the newest store first: clients that have seen a newer head will find a fork');
    lines.push(`if this is all there is: waybill operator adopt --length ${head.logLength}`);
  }
  return lines.join('\n');
}

function describe({ logLength, logRoot, timestamp }: Adoption['head']): string {
  return `${logLength} records, ${logRoot}, signed ${new Date(timestamp * 1000).toISOString()}`;
}
