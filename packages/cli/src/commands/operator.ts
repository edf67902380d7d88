import { readFile } from 'node:fs/promises';
import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import {
  compareTimestamps,
  isRegistryError,
  OPERATOR_LOG,
  parseNamespace,
  parsePrivateKey,
  RegistryError,
  signRecord,
  timestampFromMs,
  type OperatorEntry,
  type OperatorState,
  type PrivateKey,
} from '@waybill/protocol';
import { action, type CommandResult, type CommonFlags } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags, textFlag } from '../flags.ts';
import type { Progress } from '../progress.ts';
import { openClient, type RegistryFlags } from '../session.ts';
import { adoptCommand } from './adopt.ts';

interface LookFlags extends RegistryFlags, CommonFlags {}

interface OperatorFlags extends LookFlags {
  readonly keyFile?: string;
}

const KEY_FILE_DEFAULT = './waybill-data/operator.key';
/** Operators that were first, in a row, before this one gives up. */
const REBASES_MAX = 5;

const flags = {
  keyFile: textFlag(
    `File of the operator's private key (default: ${KEY_FILE_DEFAULT}; or WAYBILL_OPERATOR_KEY)`,
    'file',
  ),
  ...registryFlags,
} as const;

const addCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Define a namespace on this registry, for ever',
    fullDescription: '  waybill operator namespace add demo',
  },
  parameters: { flags, positional: { kind: 'tuple', parameters: [argument('Namespace', 'namespace')] } },
  func: action<OperatorFlags, [string]>((context, given, progress, namespace) =>
    append(context, given, progress, { type: 'defineNamespace', namespace: parseNamespace(namespace) }),
  ),
});

const importCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: "Say that a namespace is another registry's, for ever",
    fullDescription: '  waybill operator namespace import wasi wasi.dev',
  },
  parameters: {
    flags,
    positional: {
      kind: 'tuple',
      parameters: [argument('Namespace', 'namespace'), argument('Domain of its registry', 'domain')],
    },
  },
  func: action<OperatorFlags, [string, string]>((context, given, progress, namespace, registry) =>
    append(context, given, progress, { type: 'importNamespace', namespace: parseNamespace(namespace), registry }),
  ),
});

const listCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'List the namespaces',
    fullDescription: 'Read from the operator log, verified.\n\n  waybill operator namespace list',
  },
  parameters: { flags: registryFlags },
  func: action<LookFlags, []>(async (context, given, progress) => {
    progress.step('verifying the operator log');
    const { operator } = await (await openClient(context, given)).view([]);
    const namespaces = [...operator.bindings].map(([namespace, binding]) => ({
      namespace,
      importedFrom: binding.status === 'imported' ? binding.registry : null,
    }));
    const text = namespaces.map(({ namespace, importedFrom }) => `${namespace}  ${importedFrom ?? 'defined here'}`);
    return { text: text.join('\n') || 'no namespaces', json: namespaces };
  }),
});

export const operatorRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: {
    namespace: buildRouteMap({
      routes: { add: addCommand, import: importCommand, list: listCommand },
      docs: { brief: 'Namespaces of a registry' },
    }),
    adopt: adoptCommand,
  },
  docs: { brief: 'What the operator of a registry does' },
});

async function append(
  context: CliContext,
  given: OperatorFlags,
  progress: Progress,
  entry: OperatorEntry,
): Promise<CommandResult> {
  const key = await operatorKey(context, given);
  const client = await openClient(context, given);
  for (let rebases = 0; ; rebases++) {
    progress.step('verifying the operator log');
    const { operator } = await client.view([]);
    const record = await signRecord(
      OPERATOR_LOG,
      { prev: operator.head?.id ?? null, time: recordTime(operator), entries: [entry] },
      key,
    );
    try {
      await client.api.appendOperatorRecord(record.envelope);
      const subject = 'namespace' in entry ? entry.namespace : entry.type;
      return { text: `${subject}: done, by record ${record.id}`, json: { recordId: record.id, ...namespaceOf(entry) } };
    } catch (failure) {
      if (!isRegistryError(failure, 'publish/conflict') || rebases === REBASES_MAX) throw failure;
    }
  }
}

function namespaceOf(entry: OperatorEntry): { namespace?: string } {
  return 'namespace' in entry ? { namespace: entry.namespace } : {};
}

function recordTime({ head }: OperatorState): ReturnType<typeof timestampFromMs> {
  const now = timestampFromMs(Date.now());
  return head !== null && compareTimestamps(head.time, now) > 0 ? head.time : now;
}

async function operatorKey({ process }: CliContext, { keyFile }: OperatorFlags): Promise<PrivateKey> {
  const fromEnvironment = process.env['WAYBILL_OPERATOR_KEY'];
  if (keyFile === undefined && fromEnvironment !== undefined) return parsePrivateKey(fromEnvironment.trim());
  const file = keyFile ?? KEY_FILE_DEFAULT;
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new RegistryError(
      'key/not-found',
      `cannot read the operator key from ${file}: give --key-file`,
      {},
      { cause },
    );
  });
  return parsePrivateKey(text.trim());
}
