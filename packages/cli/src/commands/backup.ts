import { buildCommand, type Command } from '@stricli/core';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { EXIT_CODE } from '../exit-code.ts';
import { argument, dataFlag, DATA_DEFAULT, jsonFlag } from '../flags.ts';
import { formatBytes } from '../progress.ts';

interface BackupFlags extends CommonFlags {
  readonly data?: string;
  readonly keys?: boolean;
}

export const backupCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Copy a registry, also while its server runs',
    fullDescription: `Makes the folder OUT: records, proofs and heads as of one moment, and all content that those records name, each file
checked on the way. What is damaged is named and left out, the rest is copied, and the command ends with 65.

Private keys are copied with --keys only. What was last signed is never copied: from a backup it could not tell that the
backup is old. How to go on from one: waybill operator adopt --help

  waybill backup backups/today
  waybill backup --data /srv/waybill --keys /mnt/safe/waybill`,
  },
  parameters: {
    flags: {
      data: dataFlag,
      keys: {
        kind: 'boolean',
        brief: 'Copy the private keys too: whoever has them can sign for the registry',
        optional: true,
        withNegated: false,
      },
      ...jsonFlag,
    },
    positional: { kind: 'tuple', parameters: [argument('Folder to make', 'out')] },
  },
  func: action<BackupFlags, [string]>(async (_context, flags, progress, out) => {
    const { backup } = await import('@waybill/server');
    const { damaged, ...report } = await backup({
      data: flags.data ?? DATA_DEFAULT,
      out,
      keys: flags.keys ?? false,
      onProgress: (step) => progress.step(step),
    });
    const { logLength, contents, contentBytes, blobs, blobBytes, keys } = report;
    const lines = [
      ...damaged.map(({ at, problem }) => `not copied: ${at}: ${problem}`),
      `${out}: head of ${logLength} records, ${contents} files of content, ${formatBytes(contentBytes)}`,
      ...(blobs > 0 ? [`${blobs} blobs of OCI artifacts, ${formatBytes(blobBytes)}`] : []),
      keys.length > 0 ? `with the keys ${keys.join(', ')}: keep it safe` : 'without keys: keep those elsewhere',
    ];
    return {
      text: lines.join('\n'),
      json: { ...report, keys: [...keys], damaged: damaged.map((damage) => ({ ...damage })) },
      ...(damaged.length > 0 ? { exitCode: EXIT_CODE['content/digest'] } : {}),
    };
  }),
});
