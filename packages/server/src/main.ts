import path from 'node:path';
import type { Digest } from '@waybill/protocol';
import { pino, type Logger } from 'pino';
import type { Config } from './config.ts';
import { ContentReading } from './core/content-reading.ts';
import { OciTokens } from './core/oci/oci-tokens.ts';
import { claimRoutes } from './http/api/claim-routes.ts';
import { lookupRoutes } from './http/api/lookup-routes.ts';
import { partsRoutes } from './http/api/parts-routes.ts';
import { proofRoutes } from './http/api/proof-routes.ts';
import { recordRoutes } from './http/api/record-routes.ts';
import { serviceOf } from './http/oci/oci-challenge.ts';
import { OciListener } from './http/oci/oci-listener.ts';
import { TokenGate } from './http/token-gate.ts';
import { silentHttpObserver, type HttpObserver } from './http/http-observer.ts';
import { wargRoutes } from './http/warg/warg-routes.ts';
import { startWebServer, type WebBounds, type WebServer } from './http/web-server.ts';
import { startMetricsListener } from './metrics/metrics-listener.ts';
import { RegistryMetrics } from './metrics/registry-metrics.ts';
import { openOciTokenSeal } from './oci-token-key.ts';
import { openRegistry, type Registry } from './registry.ts';

/** A registry that listens. */
export interface RunningServer {
  readonly url: URL;
  /** Where metrics are served; `null` unless asked for. */
  readonly metricsUrl: URL | null;
  /** Id of the key that clients pin. */
  /** Of the key that started the registry, which clients pin. */
  readonly operatorKeyId: Digest;
  /** Of the key that it signs checkpoints with; another one once commit keys were changed. */
  readonly commitKeyId: Digest;
  readonly operatorKeyFile: string;
  /** Ends gracefully: running requests are answered, everything sequenced is durable. */
  stop(): Promise<void>;
}

/**
 * Starts a registry on its data folder, making the folder, the keys and the first record when they are not there yet.
 * `onFatal` is called when the process must end because going on could sign a second history.
 */
export async function startServer(
  config: Config,
  onFatal: (failure: unknown) => void,
  bounds: WebBounds = {},
): Promise<RunningServer> {
  const log = pino({ level: config.logLevel }, pino.destination(2));
  const metrics = config.metricsAddress === null ? null : new RegistryMetrics();
  const observer = metrics ?? silentHttpObserver;
  const registry = await openRegistry(config, { log, onFatal, observer });
  // Closed in the opposite order, also when a step of starting fails.
  const closers: (() => Promise<void>)[] = [() => registry.close()];
  const stop = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    metrics?.watchHead(() => registry.sequencer.head?.checkpoint.contents ?? null, Date.now);
    metrics?.watchUnfinished(registry.oci.unfinished);
    const listener = metrics && config.metricsAddress && (await startMetricsListener(metrics, config.metricsAddress));
    if (listener) closers.push(() => listener.stop());
    const { web, url } = await serve(config, { registry, log, observer, bounds });
    closers.push(() => web.stop());
    log.info({ url: url.href, records: registry.sequencer.length }, 'listening');
    return {
      url,
      metricsUrl: listener?.url ?? null,
      operatorKeyId: registry.operatorKeyId,
      commitKeyId: registry.commitKeyId,
      operatorKeyFile: path.join(config.dataDirectory, 'operator.key'),
      async stop() {
        await stop();
        log.info('stopped');
      },
    };
  } catch (failure) {
    await stop();
    throw failure;
  }
}

async function serve(
  { address, publicUrl, tokenPolicy, privates, ociLogin: login, dataDirectory }: Config,
  { registry, bounds, ...watching }: { registry: Registry; bounds: WebBounds; log: Logger; observer: HttpObserver },
): Promise<{ web: WebServer; url: URL }> {
  const { reading, proving, publishing, desk, governanceDesk, sequencer, oci } = registry;
  let url = publicUrl ?? new URL('http://localhost/');
  const baseUrl = (): URL => url;
  const content = new ContentReading({
    store: registry.content,
    trees: registry.treeTakedowns,
    spaces: registry.spaces,
    baseUrl,
  });
  const tokens = new OciTokens({
    seal: await openOciTokenSeal(dataDirectory),
    desk: registry.tokens,
    registry: oci.view,
    policy: tokenPolicy,
    clock: Date.now,
    audience: () => serviceOf(url),
  });
  const gate = new TokenGate(tokenPolicy, registry.tokens, privates);
  const web = await startWebServer(
    {
      front: (limits) => new OciListener({ ...watching, registry: oci.view, tokens, limits, login, baseUrl }),
      apis: (intake) => [
        wargRoutes({ reading, proving, publishing, content, gate, intake }),
        recordRoutes({ desk, governanceDesk, intake }),
        claimRoutes({ claiming: registry.claiming, gate, intake, baseUrl }),
        proofRoutes(proving, intake),
        partsRoutes({ content, parts: registry.parts, gate, intake }),
        lookupRoutes({ content, lookup: registry.lookup, gate }),
      ],
    },
    { address, ...watching, ...bounds, notReady: () => (sequencer.failure === null ? null : 'the store has failed') },
  );
  url = publicUrl ?? web.url;
  return { web, url };
}
