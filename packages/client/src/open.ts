import {
  digestHex,
  digestOf,
  encodeHex,
  parseDigest,
  parsePackageName,
  RegistryError,
  sha256Stream,
  type Digest,
  type VerifiedCheckpoint,
} from '@waybill/protocol';
import { parseBearerToken } from './bearer-token.ts';
import { lookUpContent } from './content-lookup.ts';
import { readCached } from './content-claim.ts';
import { fetchContent } from './content-fetch.ts';
import { InnerName } from './inner-name.ts';
import {
  claimOf,
  foundRelease,
  heldRelease,
  listPackage,
  releaseWithDigest,
  requireListedClaim,
  requirePackage,
  type FoundRelease,
  type HoldingRelease,
  type ListedPackage,
} from './listed-release.ts';
import { openMemory, type RegistryMemory } from './memory.ts';
import type { Clock, ContentCache } from './ports.ts';
import { RegistryApi } from './registry-api.ts';
import { CHECKPOINT_AGE_SECONDS_MAX, RegistryClient } from './registry-client.ts';
import { parseRequirement, resolveRelease, type AdvisoryPolicy } from './requirement.ts';
import { fetchTreeComponent, isTreeClaim } from './tree-fetch.ts';
import {
  isLoopbackHost,
  parseRegistryUrl,
  Transport,
  TRANSPORT_LIMITS,
  type Fetch,
  type TransportLimits,
} from './transport.ts';

export interface OpenOptions {
  /**
   * Key id of the registry's operator, `sha256:…`, got by another way than from the registry. `null` where the memory knows
   * it already, or the registry is one of this machine's.
   */
  readonly operatorKey: string | null;
  /** What is remembered between calls, and between programs. Without it: by this `Registry` alone, as long as it lives. */
  readonly memory?: RegistryMemory;
  /** What the operator gave for reading what is private; shown to this registry alone, and only where it is needed. */
  readonly token?: string;
  /** The platform's, unless a program has one of its own. */
  readonly fetch?: Fetch;
  /** The platform's, unless a program has one of its own. */
  readonly clock?: Clock;
  /** How old the newest checkpoint may be: a day. `Infinity` for a registry that is known to stand still, as an archive. */
  readonly checkpointAgeSecondsMax?: number;
  /** What an answer may cost. */
  readonly limits?: TransportLimits;
}

export interface FindOptions {
  /** Whether a range may give a release that an advisory affects: `pass over`, as long as nothing else is said. */
  readonly advisories?: AdvisoryPolicy;
}

export interface GetOptions extends FindOptions {
  /** Content that is larger is refused: 256 MiB, as long as nothing else is said. */
  readonly bytesMax?: number;
  /** Bytes so far, and in all where the source says so. */
  readonly onProgress?: (received: number, total: number | null) => void;
}

/** A release with what runs of it: its content, or the component of a tree. */
export interface FetchedCode extends FoundRelease {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of these bytes: that of the release, or the one that the index of the tree names. */
  readonly digest: Digest;
}

/** A release with its content, which is what the log names. */
export interface FetchedRelease extends FoundRelease {
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What holds a content, under one head. */
export interface ReleasesWithContent {
  readonly releases: readonly HoldingRelease[];
  readonly isWhole: boolean;
  readonly checkpoint: VerifiedCheckpoint;
}

const CONTENT_BYTES_MAX = 256 * 1024 * 1024;

/**
 * Opens a registry to read from, in Node.js or in a page. Asks it nothing yet.
 *
 * ```js
 * import { open } from '@waybill/client';
 *
 * const registry = await open('https://registry.example', { operatorKey: 'sha256:…' });
 * const { release, bytes } = await registry.get('demo:hello@^1');
 * console.log(release.version, release.digest, bytes.length);
 * ```
 *
 * Throws `usage/invalid` for what is no address, `text/hash` for what is no key id, and `operator/unpinned` where nothing says
 * whose registry it is: then whoever answers at the address could make up all of it.
 */
export async function open(url: string, options: OpenOptions): Promise<Registry> {
  const baseUrl = parseRegistryUrl(url);
  const { operatorKey, memory = openMemory(), clock = Date.now, limits = TRANSPORT_LIMITS } = options;
  // A page's own fetch refuses to be called as a member of something else.
  const { fetch: given = (address, init) => fetch(address, init) } = options;
  const { checkpointAgeSecondsMax = CHECKPOINT_AGE_SECONDS_MAX } = options;
  // What is written in JavaScript may leave it out.
  const expectedOperator = operatorKey == null ? null : parseDigest(operatorKey);
  const token = options.token === undefined ? null : parseBearerToken(options.token);
  const isOwn = isLoopbackHost(baseUrl.hostname);
  if (expectedOperator === null && !isOwn && (await memory.trust.read()) === null) throw unpinned(baseUrl);
  const client = new RegistryClient({
    api: new RegistryApi(new Transport(baseUrl, given, {}, limits), () => Promise.resolve(token)),
    trust: memory.trust,
    logs: memory.logs,
    expectedOperator,
    confirmOperator: () => Promise.resolve(isOwn),
    clock,
    checkpointAgeSecondsMax,
  });
  return new Registry(client, memory.contents);
}

function unpinned({ host }: URL): RegistryError {
  const message = `nothing says whose registry ${host} is: get its operator's key id by another way and give it, operatorKey: 'sha256:…'`;
  return new RegistryError('operator/unpinned', message);
}

/**
 * A registry to read from. Each call asks for the newest head and verifies all that it gives under it.
 *
 * Every call throws `checkpoint/…`, `proof/…`, `log/…`, `operator/…`, `content/digest` or `registry/protocol` for a registry
 * that is caught at something impossible, with the place of the evidence in `detail.evidence`; `registry/unreachable` for one
 * that does not answer; `text/package-name` for what is no name.
 */
export class Registry {
  /** For what these calls do not cover. */
  readonly client: RegistryClient;
  readonly #contents: ContentCache;

  constructor(client: RegistryClient, contents: ContentCache) {
    this.client = client;
    this.#contents = contents;
  }

  /** The registry's address. */
  get url(): string {
    return this.client.api.transport.baseUrl.href;
  }

  /** All releases of a package, `ns:name`. Throws `log/not-found`. */
  async package(name: string): Promise<ListedPackage> {
    const parsed = parsePackageName(name);
    const view = await this.client.view([parsed]);
    return listPackage(requirePackage(view, parsed), view.checkpoint);
  }

  /**
   * The release that `ns:name`, `ns:name@1.2.3` or `ns:name@<range>` means; without a version, the newest stable one. Ranges are
   * npm's, and a range passes over what is yanked, deprecated or affected by an advisory (`options.advisories`), where a whole
   * version gives that with warnings.
   * Throws `log/not-found`, `release/not-found`, `release/affected`, `content/taken-down`, `governance/unrooted`.
   */
  async find(requirement: string, { advisories = 'pass over' }: FindOptions = {}): Promise<FoundRelease> {
    const parsed = parseRequirement(requirement);
    const view = await this.client.view([parsed.name]);
    const log = requirePackage(view, parsed.name);
    return foundRelease(log, resolveRelease(log, parsed, advisories), view.checkpoint);
  }

  /**
   * The content of what {@link find} gives for a text, or of what it gave before. The bytes are those that the log names: their
   * digest is, and so is their size where the release says one. Where they say themselves that they are another package or
   * version, `warnings` says so.
   * Throws as {@link find}, and `content/digest`, `content/size`, `content/not-found`, `registry/refused` where it is withheld.
   */
  async get(wanted: string | FoundRelease, options: GetOptions = {}): Promise<FetchedRelease> {
    const found = typeof wanted === 'string' ? await this.find(wanted, options) : wanted;
    return withBytes(found, await this.#content(found, options));
  }

  /**
   * As {@link get}, and of a tree its component alone: the index and that file are fetched. Throws as {@link get}, and
   * `content/not-found` for a tree without one, `content/tree`, `content/policy`.
   */
  async getCode(wanted: string | FoundRelease, options: GetOptions = {}): Promise<FetchedCode> {
    const found = typeof wanted === 'string' ? await this.find(wanted, options) : wanted;
    const { digest, version } = found.release;
    const claim = claimOf(found.release);
    if (!isTreeClaim(claim)) return { ...(await this.get(found, options)), digest };
    const { bytesMax = CONTENT_BYTES_MAX } = options;
    const parts = { client: this.client, cache: this.#contents, onProgress: () => undefined };
    const tree = { release: { version, claim }, content: digest };
    const component = await this.client.reading(() => fetchTreeComponent(tree, bytesMax, parts));
    const bytes = await gathered(await readCached(this.#contents, component), component, (length) => {
      if (length > bytesMax) throw tooLarge(found, bytesMax);
    });
    return { ...withBytes(found, bytes), digest: component };
  }

  /**
   * The releases, of whichever package, whose content has this digest, `sha256:…`: those that the registry names, each proven by
   * its log. What the registry leaves out nobody can see; `isWhole` is false where there were more than are looked at.
   * Throws `request/unsupported` of a registry that does not look up, `registry/refused` where the content is taken down,
   * `registry/protocol` where a release that it names is not there, or holds something else.
   */
  async releasesWith(digest: string): Promise<ReleasesWithContent> {
    const { found, isWhole, checkpoint } = await lookUpContent(this.client, parseDigest(digest));
    return { releases: found.map(({ log, release }) => heldRelease(log, release)), isWhole, checkpoint };
  }

  async #content(found: FoundRelease, { bytesMax = CONTENT_BYTES_MAX, onProgress }: GetOptions) {
    const { digest, size } = found.release;
    const requireSmall = (bytes: number): void => {
      if (bytes > bytesMax) throw tooLarge(found, bytesMax);
    };
    requireSmall(size ?? 0);
    const { client } = this;
    const cache = this.#contents;
    const progress = (received: number, total: number | null): void => {
      requireSmall(received);
      onProgress?.(received, total);
    };
    await client.reading(() => fetchContent(digest, { client, cache, onProgress: progress }));
    const bytes = await gathered(await readCached(cache, digest), digest, requireSmall);
    await requireListedClaim(found.package, found.release, bytes);
    return bytes;
  }

  /**
   * Which release of `ns:name` these bytes are; with a version or a range, whether they are that one.
   * Throws `content/digest` where they are not, and `content/size`, `log/not-found`, `release/not-found`,
   * `content/taken-down`, `governance/unrooted`.
   */
  async verify(bytes: Uint8Array, requirement: string): Promise<FoundRelease> {
    const parsed = parseRequirement(requirement);
    const digest = digestOf(bytes);
    const view = await this.client.view([parsed.name]);
    const log = requirePackage(view, parsed.name);
    const resolved =
      parsed.version === null
        ? { ...releaseWithDigest(log, digest), passedOver: [] }
        : resolveRelease(log, parsed, 'allow');
    const found = foundRelease(log, resolved, view.checkpoint);
    requireSame(digest, found);
    await requireListedClaim(found.package, found.release, bytes);
    return found;
  }
}

function withBytes(found: FoundRelease, bytes: Uint8Array<ArrayBuffer>): FetchedRelease {
  const { version } = found.release;
  const inner = new InnerName({ name: found.package, version });
  inner.update(bytes);
  const contradicted = inner.contradictions().map((text) => ({ kind: 'contradicted', version, text }) as const);
  return { ...found, warnings: [...found.warnings, ...contradicted], bytes };
}

function requireSame(digest: Digest, { package: name, release }: FoundRelease): void {
  if (release.digest === digest) return;
  const message = `the bytes are ${digest}, but ${name}@${release.version} is ${release.digest}`;
  throw new RegistryError('content/digest', message, { found: digest });
}

function tooLarge({ package: name, release }: FoundRelease, bytesMax: number): RegistryError {
  const message = `${name}@${release.version} is larger than ${bytesMax} bytes: allow more with bytesMax`;
  return new RegistryError('content/size', message);
}

/** What is given is what was hashed: the cache is believed in nothing. Throws `content/digest`. */
async function gathered(
  chunks: AsyncIterable<Uint8Array>,
  digest: Digest,
  requireSmall: (bytes: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const hash = sha256Stream();
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    requireSmall(length);
    hash.update(chunk);
    parts.push(chunk);
  }
  if (encodeHex(hash.digest()) !== digestHex(digest)) {
    throw new RegistryError('content/digest', `${digest} changed in the cache: try again`);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
