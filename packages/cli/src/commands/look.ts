import { readFile } from 'node:fs/promises';
import { buildCommand, type Command } from '@stricli/core';
import type { VerifiedPackage } from '@waybill/client';
import { replaceFile } from '@waybill/client/node';
import {
  compareVersions,
  concatBytes,
  decodeSignedRecord,
  emptyLogState,
  formatTimestamp,
  isRegistryError,
  logFileRecord,
  OPERATOR_LOG,
  PACKAGE_LOG,
  packageLogId,
  parsePackageName,
  readAnnotations,
  readLogFile,
  replayLog,
  type Envelope,
  type JsonValue,
  type LogDialect,
  type LogHome,
  type PackageState,
  type ReadAnnotation,
  type RecordId,
} from '@waybill/protocol';
import { action, type CommandResult } from '../action.ts';
import { annotationJson, annotationLine, bookJson, bookLines } from '../annotation-text.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { entryBody, entryLine, holderBody, holderText } from '../entry-text.ts';
import { argument, jsonFlag, registryFlags, requiredFlag, textFlag } from '../flags.ts';
import { openClient, type RegistryFlags } from '../session.ts';
import { contentTakedownBody, standingBody, standingLines, takedownLine } from '../package-standing.ts';
import { verifiedPackage } from './get.ts';

interface LookFlags extends RegistryFlags {
  readonly json?: boolean;
}

const packageArgument = { kind: 'tuple', parameters: [argument('Package', 'ns:name')] } as const;

export const infoCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Show versions, keys and permissions of a package',
    fullDescription: `Everything shown was verified first: also who may start packages in its namespace, what is taken down, and whether the
namespace is abandoned, where a governance log says so.

  waybill info demo:hello`,
  },
  parameters: { flags: registryFlags, positional: packageArgument },
  func: action<LookFlags, [string]>(async (context, flags, progress, text) => {
    progress.step('verifying the log');
    const found = await verifiedPackage(await openClient(context, flags), { name: parsePackageName(text) });
    return { text: infoText(found), json: infoBody(found) };
  }),
});

function infoText(log: VerifiedPackage): string {
  const { name, state, annotations } = log;
  const lines = [name, `  head ${state.head?.id ?? '-'}, ${state.length} records`, ...standingLines(log), '  versions'];
  for (const { version, content, by, time, recordId, state: status } of sortedReleases(state)) {
    const yank =
      status.status === 'yanked' ? `  yanked ${formatTimestamp(status.time)} ${status.reason}`.trimEnd() : '';
    lines.push(
      `    ${version}  ${content}  ${formatTimestamp(time)}  by ${by}${custodyOf(log, recordId)}${yank}${takedownLine(log, content)}`,
    );
  }
  if (state.root === null) {
    lines.push('  keys');
    for (const [keyId, permissions] of state.permissions)
      lines.push(`    ${keyId}  ${[...permissions.keys()].join(', ') || 'nothing any more'}`);
  } else lines.push(`  root ${holderText(state.root)}`, '  grants: see waybill who');
  return [...lines, ...bookLines(annotations)].join('\n');
}

function custodyOf({ annotations }: VerifiedPackage, recordId: RecordId): string {
  const account = annotations.accountOf(recordId);
  return account === null ? '' : `  custodial, for ${account}`;
}

function sortedReleases(state: PackageState) {
  return [...state.bindings.values()].toSorted((a, b) => compareVersions(b.version, a.version));
}

function infoBody(log: VerifiedPackage): JsonValue {
  const { name, state, annotations } = log;
  return {
    package: name,
    head: state.head?.id ?? null,
    records: state.length,
    versions: sortedReleases(state).map(({ version, content, claim, by, time, recordId, state: status }) => ({
      version,
      status: status.status,
      digest: content,
      ...(claim === null ? {} : { mediaType: claim.mediaType, size: claim.size }),
      ...(status.status === 'yanked' ? { yanked: { time: formatTimestamp(status.time), reason: status.reason } } : {}),
      ...contentTakedownBody(log, content),
      time: formatTimestamp(time),
      by,
      onBehalfOf: annotations.accountOf(recordId),
      recordId,
    })),
    keys: Object.fromEntries(
      [...state.permissions].map(([keyId, permissions]) => [
        keyId,
        { publicKey: state.keyText(keyId), permissions: [...permissions.keys()] },
      ]),
    ),
    root: state.root === null ? null : holderBody(state.root),
    annotations: bookJson(annotations),
    ...standingBody(log),
  };
}

export const logShowCommand: Command<CliContext> = buildCommand({
  docs: { brief: 'Show the records of a package, oldest first', fullDescription: '  waybill log show demo:hello' },
  parameters: { flags: registryFlags, positional: packageArgument },
  func: action<LookFlags, [string]>(async (context, flags, progress, text) => {
    progress.step('verifying the log');
    const { records } = await verifiedPackage(await openClient(context, flags), { name: parsePackageName(text) });
    const shown = records.map(({ envelope, registryIndex }) => {
      const record = decodeSignedRecord(PACKAGE_LOG, envelope);
      const { id: recordId, time } = record;
      const body = { recordId, registryIndex, time: formatTimestamp(time), keyId: envelope.keyId };
      const entries = record.entries.map(entryBody);
      const lines = entries.map((entry) => `    ${entryLine(entry)}`);
      const said = readAnnotations(record).map((read) => annotationShown(read));
      return {
        text: [
          `${registryIndex}  ${recordId}  ${body.time}  by ${body.keyId}`,
          ...lines,
          ...said.map(({ line }) => line),
        ],
        json: { ...body, entries, annotations: said.map(({ json }) => json) },
      };
    });
    return { text: shown.flatMap(({ text: lines }) => lines).join('\n'), json: shown.map(({ json }) => json) };
  }),
});

function annotationShown(read: ReadAnnotation): { readonly line: string; readonly json: JsonValue } {
  const { id } = read;
  if ('why' in read) return { line: `    annotation that cannot be read: ${read.why}`, json: { id, why: read.why } };
  const { annotation } = read;
  return { line: `    annotation ${annotationLine(annotation)}`, json: { id, ...annotationJson(annotation) } };
}

interface ExportFlags extends LookFlags {
  readonly output: string;
}

export const logExportCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Write the records of a package to a file',
    fullDescription: `Each record as a 32-bit little-endian length and a protobuf Envelope.

  waybill log export demo:hello -o hello.log`,
  },
  parameters: {
    flags: { output: requiredFlag('File to write', 'file'), ...registryFlags },
    aliases: { o: 'output' },
    positional: packageArgument,
  },
  func: action<ExportFlags, [string]>(async (context, flags, progress, text) => {
    progress.step('verifying the log');
    const { records } = await verifiedPackage(await openClient(context, flags), { name: parsePackageName(text) });
    await replaceFile(flags.output, concatBytes(...records.map(({ envelope }) => logFileRecord(envelope))));
    return {
      text: `${records.length} records → ${flags.output}`,
      json: { records: records.length, file: flags.output },
    };
  }),
});

interface ValidateFlags {
  readonly operator?: boolean;
  readonly package?: string;
  readonly origin?: string;
  readonly json?: boolean;
}

export const logValidateCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Replay a file of records: every rule, every signature',
    fullDescription: `Needs no registry. Prints the head, the count and the speed; exit code 1 at the first invalid record.
Records of version 1 say which package of which registry they are for: give both.

  waybill log validate hello.log
  waybill log validate hello.log --package demo:hello --origin registry.example/main`,
  },
  parameters: {
    flags: {
      operator: { kind: 'boolean', brief: 'It is an operator log', optional: true, withNegated: false },
      package: textFlag('Package of the log', 'namespace:name'),
      origin: textFlag('Origin of the registry that it lives in', 'name'),
      ...jsonFlag,
    },
    positional: { kind: 'tuple', parameters: [argument('File of records', 'file')] },
  },
  func: action<ValidateFlags, [string]>(async (_context, flags, _progress, file) => {
    const envelopes = readLogFile(await readFile(file));
    return flags.operator ? validate(OPERATOR_LOG, envelopes, null) : validate(PACKAGE_LOG, envelopes, homeOf(flags));
  }),
});

function homeOf({ package: name, origin }: ValidateFlags): LogHome | null {
  if (name === undefined || origin === undefined) return null;
  return { log: packageLogId(parsePackageName(name)), origin };
}

async function validate<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  envelopes: Iterable<Envelope>,
  home: LogHome | null,
): Promise<CommandResult> {
  const startedMs = performance.now();
  try {
    const state = await replayLog(dialect, emptyLogState<P, B>(home), envelopes);
    const perSecond = Math.round((state.length * 1000) / Math.max(performance.now() - startedMs, 1));
    const head = state.head?.id ?? null;
    return {
      text: `valid: head ${head ?? '-'}, ${state.length} records, ${perSecond} records/s`,
      json: { valid: true, head, records: state.length, perSecond },
    };
  } catch (failure) {
    if (!isRegistryError(failure)) throw failure;
    const index = failure.detail['recordIndex'] ?? null;
    const json = { valid: false, recordIndex: index, code: failure.code, message: failure.message };
    return { text: `invalid: record ${index}: ${failure.code}: ${failure.message}`, json, exitCode: EXIT.other };
  }
}

export const headCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Fetch and verify the newest head and packages',
    fullDescription: 'Without packages: the head and the operator log alone.\n\n  waybill head demo:hello demo:world',
  },
  parameters: {
    flags: registryFlags,
    positional: { kind: 'array', parameter: argument('Packages', 'ns:name') },
  },
  func: action<LookFlags, string[]>(async (context, flags, progress, ...names) => {
    progress.step('verifying the newest head');
    const view = await (await openClient(context, flags)).view(names.map(parsePackageName));
    const { logLength, timestamp } = view.checkpoint.contents;
    const absent = [...view.absent].map(([name, how]) => ({ package: name, absence: how }));
    const lines = [`head of ${logLength} records, signed ${new Date(timestamp * 1000).toISOString()}, verified`];
    for (const [
      name,
      {
        state,
        rootedness: { verdict },
      },
    ] of view.packages) {
      const unrooted = verdict === 'unrooted' ? ', unrooted' : '';
      lines.push(`${name}: ${state.length} records, ${state.bindings.size} versions${unrooted}`);
    }
    for (const { package: name, absence } of absent) lines.push(`${name}: not there (${absence})`);
    const packages = Object.fromEntries(
      [...view.packages].map(
        ([
          name,
          {
            state,
            rootedness: { verdict },
          },
        ]) => {
          return [name, { records: state.length, head: state.head?.id ?? null, rootedness: verdict }];
        },
      ),
    );
    return {
      text: lines.join('\n'),
      json: { logLength, timestamp, packages, absent },
      exitCode: absent.length > 0 ? EXIT.notFound : EXIT.ok,
    };
  }),
});
