import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import {
  messageOf,
  OPERATOR_LOG_ID,
  operatorInitKey,
  registryOrigin,
  RegistryError,
  type Digest,
  type LogHome,
  type LogId,
  type PrivateKey,
} from '@waybill/protocol';
import type { Logger } from 'pino';
import { openContentFiles } from './blobs/files/content-files.ts';
import { openContentSharing } from './blobs/files/content-sharing.ts';
import { withFileFailures } from './blobs/file-failure.ts';
import { openPartsListFiles } from './blobs/files/parts-list-files.ts';
import { WriteThread } from './commit-thread/write-thread.ts';
import type { Config } from './config.ts';
import { ContentLookup } from './core/content-lookup.ts';
import { ContentPacking } from './core/content-packing.ts';
import { ContentParts } from './core/content-parts.ts';
import { ContentSpaces } from './core/content-spaces.ts';
import { ContentScrub } from './core/content-scrub.ts';
import { Claiming } from './core/gateway/claiming.ts';
import { Gateway, type GatewayParts } from './core/gateway/gateway.ts';
import { GovernanceDesk } from './core/governance-desk.ts';
import { HoldingsFill } from './core/holdings-fill.ts';
import { MapPruner } from './core/map-pruner.ts';
import type { Observer } from './core/observer.ts';
import { OperatorDesk } from './core/operator-desk.ts';
import type { Clock, ContentStore, RegistryReader, StoredHead } from './core/ports.ts';
import type { PrivateNamespaces } from './core/private-namespaces.ts';
import { Proving } from './core/proving.ts';
import { Publishing } from './core/publishing.ts';
import { Reading } from './core/reading.ts';
import { Sequencer } from './core/sequencer.ts';
import type { UpstreamObserver } from './core/oci/upstream-imports.ts';
import { openStateCaches, type GovernanceLogStates, type OperatorStates } from './core/state-caches.ts';
import { TokenDesk } from './core/token-desk.ts';
import { TreeTakedowns } from './core/tree-takedowns.ts';
import {
  watchContent,
  watchHoldings,
  watchLists,
  watchPending,
  watchPruning,
  watchSharing,
  watchTokenUses,
  type OnFatal,
} from './fatal-watch.ts';
import { GatewayKeyFiles } from './gateway-key-files.ts';
import { openLogKeys, type LogSigners } from './log-keys.ts';
import { openOciSide, type OciSide } from './oci-side.ts';
import { openOciStorage, type OciStorage } from './oci-storage.ts';
import { openOperatorKey } from './operator-key.ts';
import { holdDirectory } from './storage/sqlite/directory-lock.ts';
import { openSqliteReader, openSqliteStore } from './storage/sqlite/sqlite-store.ts';
import { startUpkeep, type UpkeepParts } from './upkeep.ts';

const FOLDER_MODE = 0o750;

/** A registry on its data folder, without HTTP. */
export interface Registry {
  /** Of the key that started the registry, which clients pin. */
  readonly operatorKeyId: Digest;
  /** Of the key that this server signs checkpoints with. */
  readonly commitKeyId: Digest;
  readonly logSigners: LogSigners;
  readonly sequencer: Sequencer;
  readonly publishing: Publishing;
  readonly reading: Reading;
  readonly proving: Proving;
  readonly desk: OperatorDesk;
  readonly governanceDesk: GovernanceDesk;
  readonly governance: GovernanceLogStates;
  /** Signs for accounts that cannot. */
  readonly gateway: Gateway;
  readonly claiming: Claiming;
  readonly tokens: TokenDesk;
  readonly content: ContentStore;
  readonly spaces: ContentSpaces;
  readonly treeTakedowns: TreeTakedowns;
  readonly parts: ContentParts;
  readonly lookup: ContentLookup;
  readonly oci: OciSide;
  /** Everything sequenced is durable when this resolves. */
  close(): Promise<void>;
}

export interface Surroundings {
  readonly log: Logger;
  readonly observer: Observer;
  /** Called when the process must end because going on could sign a second history. */
  readonly onFatal: OnFatal;
}

/** Holds the data folder, making what is not there yet. Throws `storage/…`, `head/rolled-back`, `key/not-found`. */
export async function openRegistry(config: Config, surroundings: Surroundings): Promise<Registry> {
  const { dataDirectory } = config;
  const makeFolder = (): Promise<unknown> => mkdir(dataDirectory, { recursive: true, mode: FOLDER_MODE });
  await withFileFailures(dataDirectory, makeFolder, 'storage/failed');
  // Closed in the opposite order, also when a step of opening fails.
  const closers: (() => Promise<void> | void)[] = [holdDirectory(dataDirectory)];
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer();
  };
  try {
    return { ...(await openHeld(config, surroundings, (closer) => closers.push(closer))), close };
  } catch (failure) {
    await close();
    throw failure;
  }
}

async function openHeld(
  config: Config,
  { log, observer, onFatal }: Surroundings,
  onClose: (closer: () => Promise<void> | void) => void,
): Promise<Omit<Registry, 'close'>> {
  const { publishers, contentPolicy, privates } = config;
  const { key, logSigners, thread, head, reader, contentRoot, content, storage } = await openStores(config, {
    onFatal,
    onClose,
  });
  // Known from the operator log's first record on, and no other log has one before.
  let origin: string | null = null;
  const homeOf = (logId: LogId): LogHome | null => (origin === null ? null : { log: logId, origin });
  const states = openStateCaches(reader, homeOf);
  const { operator, governance } = states;
  const clock = Date.now;
  const sequencer = new Sequencer({ committer: thread, states, clock, observer, onFatal }, head);
  onClose(() => sequencer.drain());
  const logLength = (): number => sequencer.length;
  const { id: commitKeyId } = key.publicKey;
  const desk = new OperatorDesk({ store: reader, operator, sequencer, commitKeyId, clock });
  const { operatorKeyId, origin: named } = await openLog(desk, { key, config, operator });
  origin = named;
  const store = { ...reader, ...watchPending(thread, onFatal) };
  const spaces = new ContentSpaces({ store: reader, content, privates, logLength });
  const publishing = new Publishing({ store, content, states, sequencer, publishers, contentPolicy, spaces, clock });
  await publishing.resume();
  const reading = new Reading({ store: reader, sequencer, operator, privates });
  const treeTakedowns = new TreeTakedowns({ store: reader, content, governance, logLength });
  const { parts, packing } = openParts(content, { contentRoot, treeTakedowns, onFatal });
  const tokens = new TokenDesk(reader, watchTokenUses(thread, onFatal), clock);
  // Whether today's uses are noted must not keep a stop from ending well.
  onClose(() => tokens.writeUses().catch((failure: unknown) => log.warn(failure)));
  const proving = new Proving(reader, reading);
  const custody = openGateway(config, { store: reader, states, publishing, homeOf, clock });
  const { gateway } = custody;
  const ociParts = { storage, reader, content, states, gateway, proving, treeTakedowns, logLength, homeOf, clock };
  const oci = await openOciSide(config, { ...ociParts, upstreamObserver: upstreamLog(log) });
  const walks = openWalks(config, { reader, thread, content, clock, onFatal, ears: { log, observer, publishing } });
  onClose(startUpkeep({ sequencer, publishing, ...walks, packing, tokens, ociSweep: oci.sweep, log }));
  return {
    operatorKeyId,
    commitKeyId,
    logSigners,
    sequencer,
    publishing,
    reading,
    proving,
    desk,
    governanceDesk: new GovernanceDesk({ store: reader, states, sequencer, clock }),
    governance,
    ...custody,
    tokens,
    content,
    spaces,
    treeTakedowns,
    parts,
    lookup: new ContentLookup({ store: reader, privates, logLength }),
    oci,
  };
}

interface Stores {
  readonly key: PrivateKey;
  readonly logSigners: LogSigners;
  readonly thread: WriteThread;
  readonly head: StoredHead | null;
  readonly reader: ReturnType<typeof openSqliteReader>;
  readonly contentRoot: string;
  readonly content: ContentStore;
  readonly storage: OciStorage;
}

/** The keys, and everything that keeps what was said. */
async function openStores(
  config: Config,
  { onFatal, onClose }: { readonly onFatal: OnFatal; readonly onClose: (closer: () => Promise<void> | void) => void },
): Promise<Stores> {
  const { dataDirectory, lastSignedFile } = config;
  const storeFile = path.join(dataDirectory, 'registry.sqlite');
  const { key, logSigners } = await openKeys(config, storeFile);
  const { thread, head } = await WriteThread.start({ storeFile, dataDirectory, lastSignedFile }, onFatal);
  onClose(() => thread.close());
  const reader = openSqliteReader(storeFile);
  onClose(() => reader.close());
  const contentRoot = path.join(dataDirectory, 'content');
  const files = await openContentFiles(contentRoot);
  const storage = await openOciStorage(dataDirectory, onFatal, files);
  onClose(() => storage.close());
  const content = watchContent(files, onFatal);
  return { key, logSigners, thread, head, reader, contentRoot, content, storage };
}

interface WalkParts {
  readonly reader: RegistryReader;
  readonly thread: WriteThread;
  readonly content: ContentStore;
  readonly clock: Clock;
  readonly onFatal: OnFatal;
  readonly ears: DamageEars;
}

/** What goes over everything that is stored, again and again. */
function openWalks(
  { mapProofsKeptSeconds: keptSeconds }: Config,
  { reader, thread, content, clock, onFatal, ears }: WalkParts,
): Pick<UpkeepParts, 'pruner' | 'scrub' | 'filling'> {
  return {
    pruner: new MapPruner({ reader, store: watchPruning(thread, onFatal), clock, keptSeconds }),
    scrub: new ContentScrub({ content, observer: { contentDamaged: (digest) => tellDamage(digest, ears) } }),
    filling: new HoldingsFill({ store: reader, writer: watchHoldings(thread, onFatal) }),
  };
}

function openGateway(
  { dataDirectory, gateway: isOn, publishers }: Config,
  {
    store,
    ...parts
  }: Pick<GatewayParts, 'states' | 'publishing' | 'homeOf' | 'clock'> & { readonly store: RegistryReader },
): { readonly gateway: Gateway; readonly claiming: Claiming } {
  const random = (length: number): Uint8Array => randomBytes(length);
  const gateway = new Gateway({ ...parts, store, isOn, keys: new GatewayKeyFiles(dataDirectory), random });
  const claiming = new Claiming({ ...parts, store, gateway, random, isOpen: publishers === 'open' });
  return { gateway, claiming };
}

function openParts(
  content: ContentStore,
  {
    contentRoot,
    treeTakedowns,
    onFatal,
  }: { readonly contentRoot: string; readonly treeTakedowns: TreeTakedowns; readonly onFatal: OnFatal },
): { readonly parts: ContentParts; readonly packing: ContentPacking } {
  const parts = new ContentParts(content, watchLists(openPartsListFiles(contentRoot), onFatal));
  const sharing = watchSharing(openContentSharing(contentRoot), onFatal);
  const isTakenDown = async (digest: Digest): Promise<boolean> => (await treeTakedowns.takedownOf(digest)) !== null;
  return { parts, packing: new ContentPacking({ content, parts, sharing, isTakenDown }) };
}

interface OperatorLogParts {
  readonly key: PrivateKey;
  readonly config: Config;
  readonly operator: OperatorStates;
}

/** What the operator log says of the registry, once it says what this start owes it. */
async function openLog(
  desk: OperatorDesk,
  { key, config: { namespaces, origin, privates }, operator }: OperatorLogParts,
): Promise<{ readonly operatorKeyId: Digest; readonly origin: string }> {
  await desk.open(key, { namespaces, origin });
  await requirePrivatesDefined(privates, operator);
  return operator.read(OPERATOR_LOG_ID, (state) => ({
    operatorKeyId: operatorInitKey(state).id,
    origin: registryOrigin(state),
  }));
}

function upstreamLog(log: Logger): UpstreamObserver {
  return {
    imported: (name, origin) => log.info({ name, ...origin }, 'a release was imported from another registry'),
    failed: (name, failure) => log.warn({ name, why: messageOf(failure) }, 'another registry gave nothing'),
    changed: (name, change) =>
      log.warn({ name, ...change }, 'another registry has changed what was imported from it: it stays as it was'),
  };
}

/** A name that is mistyped would leave public what is meant to be private. Throws `usage/invalid`. */
async function requirePrivatesDefined({ names }: PrivateNamespaces, operator: OperatorStates): Promise<void> {
  const { bindings } = await operator.read(OPERATOR_LOG_ID, (state) => state);
  const unknown = names.find((name) => bindings.get(name)?.status !== 'defined');
  if (unknown === undefined) return;
  throw new RegistryError(
    'usage/invalid',
    `--private ${unknown}: there is no namespace ${unknown} here; --namespace defines it`,
  );
}

interface DamageEars extends Pick<Surroundings, 'log' | 'observer'> {
  readonly publishing: Publishing;
}

function tellDamage(digest: Digest, { log, observer, publishing }: DamageEars): void {
  publishing.noteDamage(digest);
  log.error({ digest }, 'content is damaged: put it back from a backup or a mirror, or publish it again');
  observer.contentDamaged(digest);
}

/** Made before the first start signs anything; the writing thread opens the same files. */
function openKeys(
  { dataDirectory, origin }: Config,
  storeFile: string,
): Promise<{ key: PrivateKey; logSigners: LogSigners }> {
  const open = async (): Promise<{ key: PrivateKey; logSigners: LogSigners }> => {
    const storeIsNew = !(await hasHead(storeFile));
    const key = await openOperatorKey(dataDirectory, storeIsNew);
    const logSigners = await openLogKeys(dataDirectory, { origin, operatorKeyId: key.publicKey.id, storeIsNew });
    return { key, logSigners };
  };
  return withFileFailures(dataDirectory, open, 'storage/failed');
}

async function hasHead(storeFile: string): Promise<boolean> {
  const store = await openSqliteStore(storeFile);
  try {
    return (await store.readHead()) !== null;
  } finally {
    await store.close();
  }
}
