import path from 'node:path';
import {
  CHECKPOINT_AGE_SECONDS_MAX,
  isLoopbackHost,
  parseBearerToken,
  parseRegistryUrl,
  Registry,
  RegistryApi,
  RegistryClient,
  Transport,
  TRANSPORT_LIMITS,
  type TokenSource,
} from '@waybill/client';
import { KeyStore, openContentCache, openHttpBody, openMemoryFiles, TokenFiles } from '@waybill/client/node';
import { parseDigest, RegistryError, type Digest, type JosePrivateKey } from '@waybill/protocol';
import { foldersOf, openKeyring, type CliContext } from './context.ts';
import { parseDuration } from './duration.ts';
import { isConfirmed } from './question.ts';
import { readSettings } from './settings.ts';

/** Flags of every command that talks to a registry. */
export interface RegistryFlags {
  readonly registry?: string;
  readonly operatorKey?: string;
  readonly maxAge?: string;
}

/** Flags of every command that signs. */
export interface SigningFlags {
  readonly key?: string;
  readonly cosign?: readonly string[];
}

const AGENT = 'waybill/0.1.0';

export function keyStoreOf({ process }: CliContext): KeyStore {
  return new KeyStore({
    folder: path.join(foldersOf(process.env).config, 'keys'),
    keyring: openKeyring(process.env),
    environmentKey: process.env['WAYBILL_KEY'],
  });
}

/** The signing key that the flags, the environment or the configuration name. */
export async function signingKey(context: CliContext, flags: SigningFlags): Promise<JosePrivateKey> {
  const settings = await readSettings(foldersOf(context.process.env));
  return keyStoreOf(context).load(flags.key ?? settings.key ?? 'default');
}

/** The registry that the flags, the environment or the configuration name. Throws `usage/invalid`. */
export async function registryUrl({ process }: CliContext, flags: RegistryFlags): Promise<URL> {
  const settings = await readSettings(foldersOf(process.env));
  const text = flags.registry ?? process.env['WAYBILL_REGISTRY'] ?? settings.registry;
  if (text !== undefined) return parseRegistryUrl(text);
  throw new RegistryError(
    'usage/invalid',
    'which registry? Give --registry URL, or keep one: waybill config registry URL',
  );
}

export async function openClient(context: CliContext, flags: RegistryFlags): Promise<RegistryClient> {
  const url = await registryUrl(context, flags);
  const { trust, logs } = openMemoryFiles(foldersOf(context.process.env).cache, url.href);
  return new RegistryClient({
    api: new RegistryApi(
      new Transport(url, fetch, { 'user-agent': AGENT }, TRANSPORT_LIMITS, openHttpBody),
      tokenSource(context, url),
    ),
    trust,
    logs,
    expectedOperator: flags.operatorKey === undefined ? null : parseDigest(flags.operatorKey),
    confirmOperator: (keyId) => confirmOperator(context, url, keyId),
    clock: Date.now,
    checkpointAgeSecondsMax: flags.maxAge === undefined ? CHECKPOINT_AGE_SECONDS_MAX : parseAge(flags.maxAge),
  });
}

/** The registry as a program reads from it. */
export async function openRegistry(context: CliContext, flags: RegistryFlags): Promise<Registry> {
  return new Registry(await openClient(context, flags), contentCacheOf(context));
}

/** The tokens that `waybill login` keeps. */
export function tokenFilesOf({ process }: CliContext): TokenFiles {
  return new TokenFiles(foldersOf(process.env).config);
}

/** The environment's token, for CI, or the one kept for this very registry. */
function tokenSource(context: CliContext, url: URL): TokenSource {
  const fromEnvironment = context.process.env['WAYBILL_TOKEN'];
  if (fromEnvironment) return async () => parseBearerToken(fromEnvironment);
  return () => tokenFilesOf(context).read(url);
}

/** Seconds; `any` for a registry that is known to stand still, such as an archive. Throws `usage/invalid`. */
function parseAge(text: string): number {
  if (text === 'any') return Infinity;
  const seconds = parseDuration(text);
  if (seconds !== null) return seconds;
  throw new RegistryError('usage/invalid', `--max-age takes a time such as 10m, 24h or 7d, or any, not ${text}`);
}

export function contentCacheOf({ process }: CliContext): ReturnType<typeof openContentCache> {
  return openContentCache(path.join(foldersOf(process.env).cache, 'content'));
}

/** On this machine the operator is the user. Elsewhere a person decides; without one it is refused. */
async function confirmOperator({ interactive }: CliContext, url: URL, keyId: Digest): Promise<boolean> {
  if (isLoopbackHost(url.hostname)) return true;
  if (!interactive) return false;
  return isConfirmed(`First contact with ${url.host}. Is this its operator's key?\n  ${keyId}`);
}
