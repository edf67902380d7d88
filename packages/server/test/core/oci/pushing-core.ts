import { randomBytes } from 'node:crypto';
import {
  AnnotationBook,
  decodeSignedRecord,
  digestOf,
  emptyLogState,
  formatPrivateKey,
  GOVERNANCE_LOG,
  isRegistryError,
  judgeRecord,
  localSigner,
  namespaceLogId,
  PACKAGE_LOG,
  packageLogId,
  parseJosePrivateKey,
  parseNamespace,
  parsePackageName,
  privateKeyFromRandom,
  sha256,
  signRecordJointly,
  timestampFromMs,
  utf8,
  type GovernanceEntry,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type PrivateKey,
  type RecordId,
  type SignedRecord,
} from '@waybill/protocol';
import {
  ociDigestOf,
  OCI_MEDIA_TYPE,
  parseReference,
  parseRepository,
  parseTag,
  type OciAlgorithm,
  type OciDigest,
  type RepositoryName,
} from '@waybill/protocol/oci';
import { emptyOciBlobMemory, openOciMemory } from '../../../src/blobs/oci-memory/oci-memory.ts';
import type { Access } from '../../../src/core/access.ts';
import type { ContentPolicy } from '../../../src/core/content.ts';
import { Gateway } from '../../../src/core/gateway/gateway.ts';
import type { GatewayKeys } from '../../../src/core/gateway/gateway-keys.ts';
import type { BlobStore, OciStore } from '../../../src/core/oci-ports.ts';
import { GovernanceGate } from '../../../src/core/governance-gate.ts';
import { OciLeases } from '../../../src/core/oci/oci-leases.ts';
import type { ManifestPush, PushedManifest } from '../../../src/core/oci/oci-registry.ts';
import { PackagePushing } from '../../../src/core/oci/package-pushing.ts';
import { PackageReading } from '../../../src/core/oci/package-reading.ts';
import { Proving } from '../../../src/core/proving.ts';
import { Reading } from '../../../src/core/reading.ts';
import { TreeTakedowns } from '../../../src/core/tree-takedowns.ts';
import { emptyOciMemoryState, OciMemoryStore } from '../../../src/storage/oci-memory/oci-memory-store.ts';
import { holderOfKeys } from '../../governance.ts';
import { testHomeOf } from '../../home.ts';
import { keyOf } from '../../publisher.ts';
import { openCore, type CoreOptions, type RegistryCore } from '../registry-core.ts';
import { NO_PRIVATES } from '../../all-open.ts';

/** A descriptor as a client writes it. */
export interface Named {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A manifest as a client writes it. */
export interface Written {
  readonly layers?: readonly Named[];
  readonly config?: Named;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly subject?: Named;
  readonly artifactType?: string;
}

export const HELLO: RepositoryName = parseRepository('test/hello');
export const HELLO_NAME: PackageName = parsePackageName('test:hello');
const NAMESPACE_LOG = namespaceLogId(parseNamespace('test'));

/** The gateway's key of a namespace in these tests. */
export function gatewayKeyOf(namespace: string): PrivateKey {
  return privateKeyFromRandom(sha256(utf8(`gateway ${namespace}`))) ?? keyOf(namespace);
}

export interface PushingOptions extends CoreOptions {
  readonly isOn?: boolean;
  readonly contentPolicy?: ContentPolicy;
}

/** A registry on memory that OCI clients push packages to. */
export class PushingCore {
  readonly core: RegistryCore;
  readonly store: OciStore = new OciMemoryStore(emptyOciMemoryState());
  readonly blobs: BlobStore;
  readonly #uploads: ReturnType<typeof openOciMemory>['uploads'];
  readonly gateway: Gateway;
  readonly reading: PackageReading;
  readonly pushing: PackagePushing;
  /** As the server's folder of keys has it. */
  gatewayKey: (namespace: string) => PrivateKey = gatewayKeyOf;
  #governed: RecordId | null = null;

  private constructor(core: RegistryCore, { isOn = true, contentPolicy = 'wasm' }: PushingOptions) {
    this.core = core;
    const clock = (): number => core.nowMs;
    const { blobs, uploads } = openOciMemory(emptyOciBlobMemory(), clock);
    this.#uploads = uploads;
    const { content, states, publishing } = core;
    this.blobs = { ...blobs, giveToContent: (digest) => this.#give(digest) };
    const keys: GatewayKeys = { keyOf: (namespace) => Promise.resolve(this.gatewayKey(namespace)) };
    this.gateway = new Gateway({
      isOn,
      keys,
      store: core.store,
      states,
      publishing,
      homeOf: testHomeOf,
      clock,
      random: randomBytes,
    });
    const { store, sequencer } = core;
    const logLength = (): number => sequencer.length;
    this.reading = new PackageReading({
      store,
      oci: this.store,
      blobs,
      content,
      logLength,
      homeOf: testHomeOf,
      proving: new Proving(store, new Reading({ store, sequencer, operator: states.operator, privates: NO_PRIVATES })),
      gate: new GovernanceGate(states.governance),
      trees: new TreeTakedowns({ store, content, governance: states.governance, logLength }),
    });
    this.pushing = new PackagePushing({
      store: this.store,
      blobs: this.blobs,
      content,
      reading: this.reading,
      states,
      gateway: this.gateway,
      contentPolicy,
      clock,
      leases: new OciLeases(clock),
    });
  }

  static async open(options: PushingOptions = {}): Promise<PushingCore> {
    return new PushingCore(await openCore(options), options);
  }

  async #give(digest: Parameters<BlobStore['giveToContent']>[0]): Promise<void> {
    const size = (await this.blobs.size(ociDigest(digest))) ?? 0;
    const upload = await this.core.content.startUpload();
    for await (const chunk of this.blobs.read(ociDigest(digest), { start: 0, end: size })) await upload.write(chunk);
    await upload.keep(digest);
  }

  /** Gives bytes to the log's content, as if they had been uploaded for a record. */
  async keep(bytes: Uint8Array): Promise<void> {
    const upload = await this.core.content.startUpload();
    await upload.write(bytes);
    await upload.keep(digestOf(bytes));
  }

  /** Uploads a blob, as a client does before it pushes what names it. */
  async blob(
    bytes: Uint8Array,
    mediaType: string = OCI_MEDIA_TYPE.wasm,
    { repository = HELLO, algorithm = 'sha256', annotations }: BlobTerms = {},
  ): Promise<Named> {
    const digest = ociDigestOf(algorithm, bytes);
    const { id } = await this.#uploads.start({ repository, account: null });
    await this.#uploads.append(id, once(bytes), bytes.length);
    await this.#uploads.finish(id, digest);
    const link = { repository, digest, size: bytes.length, linkedAtMs: this.core.nowMs };
    await this.store.write({ links: [link], manifests: [], tags: [] }, false);
    return { mediaType, digest, size: bytes.length, ...(annotations === undefined ? {} : { annotations }) };
  }

  /** Pushes one layer under a tag. */
  async pushLayer(
    layer: Uint8Array,
    tag: string,
    written: Written = {},
    access: Access = 'anyone',
  ): Promise<PushedManifest> {
    const layers = [await this.blob(layer)];
    return this.push(await this.manifest({ layers, ...written }), tag, { access });
  }

  /** The bytes of a manifest; with an empty configuration, unless another is given. */
  async manifest({ config, layers = [], ...rest }: Written): Promise<Uint8Array> {
    const named = config ?? (await this.blob(utf8('{}'), OCI_MEDIA_TYPE.empty));
    const document = { schemaVersion: 2, mediaType: OCI_MEDIA_TYPE.manifest, config: named, layers, ...rest };
    return utf8(JSON.stringify(document));
  }

  push(bytes: Uint8Array, reference: string, terms: PushTerms = {}): Promise<PushedManifest> {
    const { access = 'anyone', tags = [], repository = HELLO, contentType = OCI_MEDIA_TYPE.manifest } = terms;
    const push: ManifestPush = { reference: parseReference(reference), tags: tags.map(parseTag), contentType, bytes };
    return this.pushing.putManifest({ access, granted: null }, repository, push);
  }

  /** Records of a package's log, oldest first. */
  async records(name: PackageName = HELLO_NAME): Promise<SignedRecord<PackageEntry>[]> {
    const range = { fromPosition: 0, belowIndex: Number.MAX_SAFE_INTEGER, limit: 1_000 };
    const stored = await this.core.store.readLog(packageLogId(name), range);
    return stored.map(({ envelope }) => decodeSignedRecord(PACKAGE_LOG, envelope));
  }

  /** The log as a client replays it. */
  async replayed(
    name: PackageName = HELLO_NAME,
  ): Promise<{ readonly state: PackageState; readonly book: AnnotationBook }> {
    const book = new AnnotationBook();
    let state: PackageState = emptyLogState(testHomeOf(packageLogId(name)));
    for (const record of await this.records(name)) {
      const { draft } = judgeRecord(PACKAGE_LOG, state, record);
      book.add(record, { before: state, after: draft });
      state = draft.accept();
    }
    return { state, book };
  }

  /** Appends to the namespace's governance log. */
  async govern(...entries: readonly GovernanceEntry[]): Promise<void> {
    const root: GovernanceEntry = { type: 'root', holder: holderOfKeys([OPERATOR]) };
    const said = this.#governed === null ? [root, ...entries] : entries;
    const home = testHomeOf(NAMESPACE_LOG);
    const draft = { prev: this.#governed, time: timestampFromMs(this.core.nowMs), entries: said, home };
    const record = await signRecordJointly(GOVERNANCE_LOG, draft, [localSigner(OPERATOR)]);
    await this.core.sequencer.sequence({
      kind: 'governance',
      record,
      logId: NAMESPACE_LOG,
      namespace: parseNamespace('test'),
    });
    this.#governed = record.id;
  }

  dispose(): Promise<void> {
    return this.core.dispose();
  }
}

/** Only whoever holds `defineNamespace` begins a namespace's governance log. */
const OPERATOR = parseJosePrivateKey(formatPrivateKey(keyOf('operator')));

interface BlobTerms {
  readonly repository?: RepositoryName;
  readonly algorithm?: OciAlgorithm;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface PushTerms {
  readonly access?: Access;
  readonly tags?: readonly string[];
  readonly repository?: RepositoryName;
  readonly contentType?: string;
}

/** The code with which some work fails; `null` when it does not. */
export async function codeOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (failure) {
    if (isRegistryError(failure)) return failure.code;
    throw failure;
  }
}

export function titled(title: string): Readonly<Record<string, string>> {
  return { 'org.opencontainers.image.title': title };
}

export function ociDigest(digest: string): OciDigest {
  const reference = parseReference(digest);
  if ('digest' in reference) return reference.digest;
  throw new TypeError('no digest');
}

export function digestText(bytes: Uint8Array): string {
  return digestOf(bytes);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
