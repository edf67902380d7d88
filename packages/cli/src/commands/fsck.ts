import { buildCommand, type Command } from '@stricli/core';
import type { Flaw } from '@waybill/server';
import { action, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { dataFlag, DATA_DEFAULT, jsonFlag, lastSignedFlag } from '../flags.ts';

interface FsckFlags extends CommonFlags {
  readonly data?: string;
  readonly lastSigned?: string;
  readonly repair?: boolean;
  readonly content?: boolean;
}

export const fsckCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Check everything a registry has stored, and repair what can be derived',
    fullDescription: `Its server must be stopped. Recomputes ids, logs, tiles, map and heads from the records, replays every log with all its
rules and signatures, reads all content, and names every flaw. Exit code 65 while there is one.

With --repair tiles, the map, notes, indexes, ids and names are written anew where the signed heads say that they are right.
Records, heads and content cannot be derived: they come from a backup or a mirror.

  waybill fsck
  waybill fsck --data /srv/waybill --repair
  waybill fsck --no-content --json`,
  },
  parameters: {
    flags: {
      data: dataFlag,
      lastSigned: lastSignedFlag,
      repair: { kind: 'boolean', brief: 'Write what can be derived', optional: true, withNegated: false },
      content: { kind: 'boolean', brief: 'Read all content (default: yes)', optional: true },
      ...jsonFlag,
    },
  },
  func: action<FsckFlags, []>(async (_context, flags, progress) => {
    const { fsck } = await import('@waybill/server');
    const report = await fsck({
      data: flags.data ?? DATA_DEFAULT,
      ...(flags.lastSigned === undefined ? {} : { lastSigned: flags.lastSigned }),
      repair: flags.repair ?? false,
      content: flags.content ?? true,
      onProgress: (step) => progress.step(step),
    });
    const { records, logLength, flaws, repaired, remarks } = report;
    const lines = [
      ...remarks.map((remark) => `note: ${remark}`),
      ...repaired.map((flaw) => `repaired: ${lineOf(flaw)}`),
      ...flaws.map((flaw) => `${flaw.kind}: ${lineOf(flaw)}`),
      verdict(records, flaws, flags.repair ?? false),
    ];
    const asJson = (flaw: Flaw): { [key: string]: string | boolean } => ({ ...flaw });
    const json = {
      records,
      logLength,
      flaws: flaws.map(asJson),
      repaired: repaired.map(asJson),
      remarks: [...remarks],
    };
    return { text: lines.join('\n'), json, exitCode: flaws.length > 0 ? EXIT.tampered : EXIT.ok };
  }),
});

function lineOf({ at, problem }: Flaw): string {
  return `${at}: ${problem}`;
}

function verdict(records: number, flaws: readonly Flaw[], repair: boolean): string {
  if (flaws.length === 0) return `clean: ${records} records`;
  const derivable = flaws.filter((flaw) => flaw.derivable).length;
  const lines = [`${flaws.length} flaws in ${records} records`];
  if (derivable > 0 && !repair) lines.push(`${derivable} of them can be derived from the rest: waybill fsck --repair`);
  if (derivable > 0 && repair) lines.push(`${derivable} of them can be derived once the others are put right`);
  if (derivable < flaws.length) {
    lines.push('records, heads, content and keys cannot be derived: put them back from a backup or a mirror');
  }
  return lines.join('\n');
}
