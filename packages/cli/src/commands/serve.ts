import { buildCommand, numberParser, type Command } from '@stricli/core';
import { messageOf } from '@waybill/protocol';
import type { Config } from '@waybill/server';
import { action } from '../action.ts';
import type { CliContext } from '../context.ts';
import { EXIT } from '../exit-code.ts';
import { DATA_DEFAULT, jsonFlag, lastSignedFlag, textFlag } from '../flags.ts';
import { readyJson, readyText, type ReadySetting } from '../ready-text.ts';

interface ServeFlags {
  readonly data?: string;
  readonly listen?: string;
  readonly namespace?: string;
  readonly publishers?: string;
  readonly open?: boolean;
  readonly tokens?: string;
  readonly private?: string;
  readonly anyContent?: boolean;
  readonly publicUrl?: string;
  readonly logLevel?: string;
  readonly metrics?: string;
  readonly lastSigned?: string;
  readonly origin?: string;
  readonly mapProofsKept?: number;
  readonly ociPrefix?: string;
  readonly ociLogin?: string;
  readonly gateway?: boolean;
  readonly upstreams?: string;
  readonly json?: boolean;
}

const LISTEN_DEFAULT = '127.0.0.1:8090';

export const serveCommand: Command<CliContext> = buildCommand({
  docs: {
    brief: 'Run a registry',
    fullDescription: `On this machine it needs no set-up: the folder, the operator's key and the namespaces are made at the first start,
and anybody who reaches it may publish there. To be reached from elsewhere, also through a proxy, it must be told who may publish.

  waybill serve --namespace demo
  waybill serve --listen 0.0.0.0:8090 --publishers publishers.toml --public-url https://registry.example
  waybill serve --listen 0.0.0.0:8090 --tokens required --public-url https://registry.example
  waybill serve --namespace demo,team --tokens optional --private team`,
  },
  parameters: {
    flags: {
      data: textFlag('Folder of everything it keeps (default: ./waybill-data)', 'folder'),
      listen: textFlag(`Address and port (default: ${LISTEN_DEFAULT}; port 0: a free one)`, 'address'),
      namespace: textFlag('Namespaces to define, separated by commas', 'list'),
      publishers: textFlag('TOML file of the keys that may publish', 'file'),
      open: { kind: 'boolean', brief: 'Anybody may publish', optional: true, withNegated: false },
      tokens: textFlag('Whether publishers show a token: optional or required (default: none is looked at)', 'when'),
      private: textFlag('Namespaces whose packages are read with a token only, separated by commas', 'list'),
      anyContent: {
        kind: 'boolean',
        brief: 'Take other content than WebAssembly and trees',
        optional: true,
        withNegated: false,
      },
      publicUrl: textFlag('Address at which clients reach it (default: where it listens)', 'url'),
      origin: textFlag('Name of its logs for C2SP tools, at the first start and for ever', 'name'),
      mapProofsKept: {
        kind: 'parsed',
        parse: numberParser,
        brief: 'Seconds for which older heads can be proven in the map (default: 3600)',
        optional: true,
        placeholder: 'seconds',
      },
      ociPrefix: textFlag('Prefixes of plain OCI repositories, outside the log, separated by commas', 'list'),
      ociLogin: textFlag('How OCI clients are asked for a token: bearer or basic (default: bearer)', 'scheme'),
      gateway: {
        kind: 'boolean',
        brief: 'Sign for OCI clients, which cannot (default: on this machine, with no other set-up)',
        optional: true,
      },
      upstreams: textFlag('TOML file of other registries from which packages are taken', 'file'),
      metrics: textFlag('Address and port of a listener for Prometheus metrics (default: none)', 'address'),
      lastSigned: lastSignedFlag,
      logLevel: textFlag('trace, debug, info, warn, error or silent (default: warn)', 'level'),
      ...jsonFlag,
    },
  },
  func: action<ServeFlags, []>(async (context, flags) => {
    // Loaded here alone: the other commands start faster without the server.
    const { parseConfig, startServer } = await import('@waybill/server');
    const config = await parseConfig({
      data: flags.data ?? DATA_DEFAULT,
      listen: flags.listen ?? LISTEN_DEFAULT,
      namespaces: flags.namespace === undefined ? [] : listOf(flags.namespace),
      publishers: flags.publishers ?? null,
      open: flags.open ?? false,
      anyContent: flags.anyContent ?? false,
      publicUrl: flags.publicUrl ?? null,
      logLevel: flags.logLevel ?? 'warn',
      ...(flags.tokens === undefined ? {} : { tokens: flags.tokens }),
      ...(flags.private === undefined ? {} : { privateNamespaces: listOf(flags.private) }),
      ...(flags.lastSigned === undefined ? {} : { lastSigned: flags.lastSigned }),
      ...(flags.origin === undefined ? {} : { origin: flags.origin }),
      ...(flags.mapProofsKept === undefined ? {} : { mapProofsKept: flags.mapProofsKept }),
      ...(flags.metrics === undefined ? {} : { metrics: flags.metrics }),
      ...(flags.ociPrefix === undefined ? {} : { ociPrefixes: listOf(flags.ociPrefix) }),
      ...(flags.ociLogin === undefined ? {} : { ociLogin: flags.ociLogin }),
      ...(flags.gateway === undefined ? {} : { gateway: flags.gateway }),
      ...(flags.upstreams === undefined ? {} : { upstreams: flags.upstreams }),
    });
    const server = await startServer(config, (failure) => endAtOnce(context, failure));
    const ready = {
      url: server.url.href,
      operatorKeyId: server.operatorKeyId,
      commitKeyId: server.commitKeyId,
      operatorKeyFile: server.operatorKeyFile,
    };
    const setting = settingOf(config);
    const { stdout } = context.process;
    stdout.write(flags.json ? `${JSON.stringify(readyJson(ready, setting))}\n` : readyText(ready, setting));
    await stopSignal();
    await server.stop();
    return null;
  }),
});

function settingOf({ namespaces, dataDirectory, tokenPolicy, gateway }: Config): ReadySetting {
  const [namespace = 'demo'] = namespaces;
  return { namespace, dataDirectory, needsToken: tokenPolicy === 'required', signsForAccounts: gateway };
}

function listOf(text: string): string[] {
  return text.split(',').map((name) => name.trim());
}

/** Going on could sign a second history: nothing is tidied up, the next start recovers from what is durable. */
function endAtOnce({ process: { stderr } }: CliContext, failure: unknown): never {
  stderr.write(`error: the registry stops: ${messageOf(failure)}\n`);
  process.exit(EXIT.other);
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}
