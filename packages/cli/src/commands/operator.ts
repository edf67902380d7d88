import { buildCommand, buildRouteMap, type Command, type RouteMap } from '@stricli/core';
import { parseNamespace } from '@waybill/protocol';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { argument, registryFlags } from '../flags.ts';
import { openClient } from '../session.ts';
import { visibleLine } from '../visible-text.ts';
import { adoptCommand } from './adopt.ts';
import { governanceRoutes } from './governance.ts';
import { operatorKeyRoutes } from './operator-key.ts';
import { appendFlags, appendOrDraft, type AppendFlags, type LookFlags } from './operator-record.ts';
import { sendCommand, signCommand } from './operator-carry.ts';

const addCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Define a namespace on this registry, for ever',
    fullDescription: '  waybill operator namespace add demo',
  },
  parameters: { flags: appendFlags, positional: { kind: 'tuple', parameters: [argument('Namespace', 'namespace')] } },
  func: action<AppendFlags, [string]>((context, given, progress, namespace) =>
    appendOrDraft(context, given, progress, { type: 'defineNamespace', namespace: parseNamespace(namespace) }),
  ),
});

const importCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: "Say that a namespace is another registry's, for ever",
    fullDescription: '  waybill operator namespace import wasi wasi.dev',
  },
  parameters: {
    flags: appendFlags,
    positional: {
      kind: 'tuple',
      parameters: [argument('Namespace', 'namespace'), argument('Domain of its registry', 'domain')],
    },
  },
  func: action<AppendFlags, [string, string]>((context, given, progress, namespace, registry) =>
    appendOrDraft(context, given, progress, {
      type: 'importNamespace',
      namespace: parseNamespace(namespace),
      registry,
    }),
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
    const text = namespaces.map(({ namespace, importedFrom }) =>
      visibleLine(`${namespace}  ${importedFrom ?? 'defined here'}`),
    );
    return { text: text.join('\n') || 'no namespaces', json: namespaces };
  }),
});

export const operatorRoutes: RouteMap<CliContext> = buildRouteMap({
  routes: {
    namespace: buildRouteMap({
      routes: { add: addCommand, import: importCommand, list: listCommand },
      docs: { brief: 'Namespaces of a registry' },
    }),
    key: operatorKeyRoutes,
    governance: governanceRoutes,
    sign: signCommand,
    send: sendCommand,
    adopt: adoptCommand,
  },
  docs: { brief: 'What the operator of a registry does' },
});
