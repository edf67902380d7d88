import { stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import path from 'node:path';
import { messageOf, parseNamespace, RegistryError, type Namespace } from '@waybill/protocol';
import { parseRepository, type RepositoryName } from '@waybill/protocol/oci';
import { TOKEN_POLICIES, type TokenPolicy } from './core/access.ts';
import type { ContentPolicy } from './core/content.ts';
import { MAP_PROOFS_KEPT_SECONDS, OCI_PREFIXES_MAX } from './core/limits.ts';
import { PrivateNamespaces } from './core/private-namespaces.ts';
import type { Publishers } from './core/publishers.ts';
import type { UpstreamPlace } from './core/upstream-ports.ts';
import { parseOrigin } from './log-keys.ts';
import { readPublishersFile } from './publishers-file.ts';
import { readUpstreamsFile } from './upstreams-file.ts';

/** What a server is started with, as a person writes it. */
export interface ServerOptions {
  readonly data: string;
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  readonly namespaces: readonly string[];
  /** TOML file of who may publish. */
  readonly publishers: string | null;
  /** Anybody may publish. */
  readonly open: boolean;
  /** Whether publishers show tokens: `optional` or `required`; otherwise none is looked at. */
  readonly tokens?: string;
  /** Namespaces whose packages are read with a token only; otherwise everything is public. */
  readonly privateNamespaces?: readonly string[];
  /** Other content than WebAssembly is taken too. */
  readonly anyContent: boolean;
  /** Where clients reach this server; `null`: where it listens. */
  readonly publicUrl: string | null;
  readonly logLevel: string;
  /** Origin of the C2SP logs, fixed at the first start; otherwise derived from the operator's key. */
  readonly origin?: string;
  /** File of what was last signed; otherwise `last-signed` in the data folder. */
  readonly lastSigned?: string;
  /** Seconds for which map proofs can be made for an older head. */
  readonly mapProofsKept?: number;
  /** `host:port` of a listener for metrics alone; otherwise there is none. */
  readonly metrics?: string;
  /** Repositories of OCI clients below one of these are plain ones, outside the log; otherwise there are none. */
  readonly ociPrefixes?: readonly string[];
  /** How OCI clients are asked for credentials: `bearer`, unless `basic`. */
  readonly ociLogin?: string;
  /** Whether the registry signs for OCI clients; otherwise where it needs no other set-up. */
  readonly gateway?: boolean;
  /** TOML file of other registries from which packages are taken; otherwise from none. */
  readonly upstreams?: string;
}

/** How OCI clients are asked for credentials. */
export type OciLogin = 'bearer' | 'basic';

/** Where to listen; port 0 takes a free one. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The same, parsed and decided. */
export interface Config {
  readonly dataDirectory: string;
  readonly address: Address;
  /** `null`: nobody may watch. */
  readonly metricsAddress: Address | null;
  readonly namespaces: readonly Namespace[];
  readonly publishers: Publishers;
  readonly tokenPolicy: TokenPolicy;
  readonly privates: PrivateNamespaces;
  readonly contentPolicy: ContentPolicy;
  readonly publicUrl: URL | null;
  readonly logLevel: string;
  readonly origin: string | null;
  readonly lastSignedFile: string;
  readonly mapProofsKeptSeconds: number;
  readonly ociPrefixes: readonly RepositoryName[];
  readonly ociLogin: OciLogin;
  /** The registry signs what OCI clients push, where nothing in the log speaks against it. */
  readonly gateway: boolean;
  readonly upstreams: readonly UpstreamPlace[];
}

const PORT_MAX = 65_535;
const LOG_LEVELS: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'silent'];

/** Throws `usage/invalid`, `text/namespace`. */
export async function parseConfig(options: ServerOptions): Promise<Config> {
  const address = parseAddress('--listen', options.listen);
  if (!LOG_LEVELS.includes(options.logLevel)) {
    throw new RegistryError('usage/invalid', `--log-level takes ${LOG_LEVELS.join(', ')}, not ${options.logLevel}`);
  }
  await checkDataDirectory(options.data);
  const tokenPolicy = parseTokenPolicy(options.tokens);
  const publicUrl = options.publicUrl === null ? null : parsePublicUrl(options.publicUrl);
  const reach = reachOf(address, publicUrl);
  const gateway = options.gateway ?? needsNoSetUp(options, reach);
  return {
    dataDirectory: options.data,
    address,
    metricsAddress: options.metrics === undefined ? null : parseAddress('--metrics', options.metrics),
    namespaces: options.namespaces.map(parseNamespace),
    publishers: await decidePublishers(options, { reach, tokenPolicy }),
    tokenPolicy,
    privates: parsePrivates(options.privateNamespaces ?? [], tokenPolicy),
    contentPolicy: options.anyContent ? 'any' : 'wasm',
    publicUrl,
    logLevel: options.logLevel,
    origin: options.origin === undefined ? null : parseOrigin(options.origin),
    lastSignedFile: options.lastSigned ?? path.join(options.data, 'last-signed'),
    mapProofsKeptSeconds: parseSeconds(options.mapProofsKept ?? MAP_PROOFS_KEPT_SECONDS),
    ociPrefixes: parseOciPrefixes(options.ociPrefixes ?? []),
    ociLogin: parseOciLogin(options, address),
    gateway,
    upstreams: await readUpstreams(options.upstreams, gateway),
  };
}

/** From where a server can be reached: from its machine alone, or by what name from elsewhere. */
type Reach = 'this machine' | { readonly name: string };

/** Whoever names a public address has others come in by it, through a proxy on this machine. */
function reachOf({ host }: Address, publicUrl: URL | null): Reach {
  if (!isLoopback(host)) return { name: host };
  const outside = publicUrl?.hostname.replace(/^\[(.*)\]$/, '$1') ?? host;
  return isLoopback(outside) ? 'this machine' : { name: outside };
}

function parseAddress(option: string, text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > PORT_MAX) {
    throw new RegistryError(
      'usage/invalid',
      `${option} takes an address and a port, such as 127.0.0.1:8090 or [::1]:8090, not ${text}`,
    );
  }
  return { host, port };
}

/** A folder that is not there yet is made at the start; anything else in its place is a mistake at the command line. */
async function checkDataDirectory(folder: string): Promise<void> {
  const found = await stat(folder).catch((failure: unknown) => {
    if (failure instanceof Error && 'code' in failure && failure.code === 'ENOENT') return null;
    throw new RegistryError('usage/invalid', `--data: ${messageOf(failure)}`, {}, { cause: failure });
  });
  if (found === null || found.isDirectory()) return;
  throw new RegistryError('usage/invalid', `--data takes a folder, and ${folder} is something else`);
}

function parseTokenPolicy(text: string | undefined): TokenPolicy {
  if (text === undefined) return 'off';
  if (text === 'optional' || text === 'required') return text;
  throw new RegistryError('usage/invalid', `--tokens takes optional or required, not ${text}`);
}

/** That the log defines them is known once it is open. */
function parsePrivates(texts: readonly string[], tokenPolicy: TokenPolicy): PrivateNamespaces {
  if (texts.length > 0 && !TOKEN_POLICIES[tokenPolicy].isRead) {
    throw new RegistryError(
      'usage/invalid',
      '--private needs --tokens optional or required: a token says who may read',
    );
  }
  return new PrivateNamespaces(texts.map(parseNamespace));
}

/** With tokens as well as a list, both must allow. */
async function decidePublishers(
  options: ServerOptions,
  { reach, tokenPolicy }: { readonly reach: Reach; readonly tokenPolicy: TokenPolicy },
): Promise<Publishers> {
  if (options.publishers !== null && options.open) {
    throw new RegistryError('usage/invalid', '--publishers and --open contradict each other: give one');
  }
  const { isNeeded } = TOKEN_POLICIES[tokenPolicy];
  if (isNeeded && options.open) {
    throw new RegistryError('usage/invalid', '--tokens required and --open contradict each other: give one');
  }
  if (options.publishers !== null) return readPublishersFile(options.publishers);
  if (options.open || isNeeded || reach === 'this machine') return 'open';
  throw new RegistryError(
    'usage/invalid',
    `${reach.name} can be reached from elsewhere, so say who may publish: --publishers FILE lists key ids, --tokens required asks ` +
      'for a token, --open lets anybody',
  );
}

/** On this machine, with nothing said about who may publish, a push by an OCI client becomes a release without more ado. */
function needsNoSetUp({ publishers, tokens }: ServerOptions, reach: Reach): boolean {
  return reach === 'this machine' && publishers === null && tokens === undefined;
}

/** The gateway signs for what is imported: without it nothing ever came, and nobody were told why. */
async function readUpstreams(file: string | undefined, gateway: boolean): Promise<readonly UpstreamPlace[]> {
  if (file === undefined) return [];
  if (gateway) return readUpstreamsFile(file, process.env);
  throw new RegistryError('usage/invalid', '--upstreams needs --gateway: the registry signs for what it imports');
}

function parseOciPrefixes(texts: readonly string[]): readonly RepositoryName[] {
  if (texts.length > OCI_PREFIXES_MAX) {
    throw new RegistryError('usage/invalid', `--oci-prefix takes at most ${OCI_PREFIXES_MAX} prefixes`);
  }
  return texts.map((text) => {
    try {
      return parseRepository(text);
    } catch (cause) {
      throw new RegistryError('usage/invalid', `--oci-prefix: ${messageOf(cause)}`, {}, { cause });
    }
  });
}

/** A Bearer challenge names the address where tokens are made: what listens everywhere knows none that others can reach. */
function parseOciLogin({ ociLogin, publicUrl }: ServerOptions, { host }: Address): OciLogin {
  if (ociLogin === undefined) return publicUrl === null && isUnspecified(host) ? 'basic' : 'bearer';
  if (ociLogin === 'bearer' || ociLogin === 'basic') return ociLogin;
  throw new RegistryError('usage/invalid', `--oci-login takes bearer or basic, not ${ociLogin}`);
}

function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}

function parseSeconds(seconds: number): number {
  if (Number.isSafeInteger(seconds) && seconds >= 0) return seconds;
  throw new RegistryError('usage/invalid', `--map-proofs-kept takes whole seconds, not ${seconds}`);
}

function parsePublicUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new RegistryError('usage/invalid', `--public-url takes an http or https address, not ${text}`);
  }
  // It is told to everybody, and what stands below it is added to its path.
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new RegistryError('usage/invalid', '--public-url has a host and perhaps a path, no credentials and no query');
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
