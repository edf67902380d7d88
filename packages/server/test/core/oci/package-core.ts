import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  concatBytes,
  digestOf,
  encodeRecordContents,
  GOVERNANCE_LOG,
  localSigner,
  namespaceLogId,
  PACKAGE_LOG,
  packageLogId,
  parseNamespace,
  REGISTRY_LOG_ID,
  signRecordJointly,
  timestampFromMs,
  type Digest,
  type GovernanceEntry,
  type LogId,
  type PackageEntry,
  type PackageName,
  type RecordId,
} from '@waybill/protocol';
import { encodeWit, parseWit } from '@waybill/protocol/content';
import { parseOciDigest, readManifest, referrerType, repositoryOf, type OciDigest } from '@waybill/protocol/oci';
import { NO_PRIVATES } from '../../all-open.ts';
import { emptyOciBlobMemory, openOciMemory } from '../../../src/blobs/oci-memory/oci-memory.ts';
import { GovernanceGate } from '../../../src/core/governance-gate.ts';
import type { FoundBlob, ReferrerDescriptor } from '../../../src/core/oci/oci-registry.ts';
import { PackageReading } from '../../../src/core/oci/package-reading.ts';
import type { StoredManifest } from '../../../src/core/oci-ports.ts';
import { Proving } from '../../../src/core/proving.ts';
import { Reading } from '../../../src/core/reading.ts';
import { TreeTakedowns } from '../../../src/core/tree-takedowns.ts';
import { emptyOciMemoryState, OciMemoryStore } from '../../../src/storage/oci-memory/oci-memory-store.ts';
import { holderOfKeys } from '../../governance.ts';
import { testHomeOf } from '../../home.ts';
import { joseKeyOf, signJointly } from '../../joint-record.ts';
import { keyOf, signContents, type LooseRecord } from '../../publisher.ts';
import { openCore, STARTED_MS, type RegistryCore } from '../registry-core.ts';

/** A registry, the OCI side's stores beside it, and packages that are read as OCI repositories. */
export class OciCore {
  readonly core: RegistryCore;
  readonly oci = new OciMemoryStore(emptyOciMemoryState());
  readonly blobs = openOciMemory(emptyOciBlobMemory(), () => STARTED_MS);
  reading: PackageReading;
  readonly #heads = new Map<string, RecordId>();
  #nanos = 0;

  private constructor(core: RegistryCore) {
    this.core = core;
    this.reading = this.#open();
  }

  static async open(): Promise<OciCore> {
    return new OciCore(await openCore());
  }

  /** As after a start: nothing is remembered. */
  restart(): void {
    this.reading = this.#open();
  }

  #open(): PackageReading {
    const { store, sequencer, states, content } = this.core;
    const logLength = (): number => sequencer.length;
    const { blobs } = this.blobs;
    return new PackageReading({
      store,
      oci: this.oci,
      blobs,
      content,
      logLength,
      homeOf: testHomeOf,
      proving: new Proving(store, new Reading({ store, sequencer, operator: states.operator, privates: NO_PRIVATES })),
      gate: new GovernanceGate(states.governance),
      trees: new TreeTakedowns({ store, content, governance: states.governance, logLength }),
    });
  }

  /** A record of version 0 by the key that has the package's name; it begins the package if nothing has. */
  async publish(
    name: PackageName,
    entries: readonly PackageEntry[],
    contents: readonly Uint8Array[] = [],
    annotations: readonly Uint8Array[] = [],
  ): Promise<RecordId> {
    const prev = this.#heads.get(name) ?? null;
    const key = keyOf(name);
    const all: PackageEntry[] = prev === null ? [{ type: 'init', key: key.publicKey }, ...entries] : [...entries];
    const draft = { prev, time: this.#now(), entries: all, annotations };
    return this.#send(name, await signContents(encodeRecordContents(PACKAGE_LOG, draft), key), contents);
  }

  /** A record of version 1 by alice. */
  async publishJointly(
    name: PackageName,
    entries: readonly PackageEntry[],
    contents: readonly Uint8Array[],
  ): Promise<RecordId> {
    const home = testHomeOf(packageLogId(name));
    const prev = this.#heads.get(name) ?? null;
    return this.#send(name, await signJointly(entries, { prev, time: this.#now(), home, by: ['alice'] }), contents);
  }

  #now(): ReturnType<typeof timestampFromMs> {
    return timestampFromMs(this.core.nowMs, this.#nanos++);
  }

  async #send(name: PackageName, record: LooseRecord, contents: readonly Uint8Array[]): Promise<RecordId> {
    const logId = packageLogId(name);
    let status = await this.core.publish(name, record);
    while (status.state !== 'published') {
      if (status.state === 'sourcing') await this.#upload(record, logId, contents, status.missingContent);
      else assert.equal(status.state, 'processing');
      await immediate();
      status = await this.core.publish(name, record);
    }
    this.#heads.set(name, record.id);
    return record.id;
  }

  async #upload(
    { id }: LooseRecord,
    logId: LogId,
    contents: readonly Uint8Array[],
    missing: ReadonlyMap<string, unknown>,
  ): Promise<void> {
    const byDigest = new Map(contents.map((content) => [digestOf(content), content]));
    const wanted = [...byDigest].filter(([digest]) => missing.has(digest));
    assert.ok(wanted.length > 0, `nobody has ${[...missing.keys()].join(', ')}`);
    for (const [digest, content] of wanted) {
      await this.core.publishing.upload(logId, id, digest, oneChunk(content));
    }
  }

  /** The operator takes content down in a new governance log: of the namespace, or of the registry. */
  async takeDown(digest: Digest, where: 'namespace' | 'registry'): Promise<void> {
    const namespace = where === 'namespace' ? parseNamespace('test') : null;
    const logId = namespace === null ? REGISTRY_LOG_ID : namespaceLogId(namespace);
    const operator = joseKeyOf('operator');
    const entries: GovernanceEntry[] = [
      { type: 'root', holder: holderOfKeys([operator]) },
      { type: 'takedown', digest, code: 'malware' },
    ];
    const draft = { prev: null, time: this.#now(), entries, home: testHomeOf(logId) };
    const record = await signRecordJointly(GOVERNANCE_LOG, draft, [localSigner(operator)]);
    await this.core.sequencer.sequence({ kind: 'governance', record, logId, namespace });
  }

  /** Stores a manifest as whoever pushes does. */
  async store(name: PackageName, digest: Digest, bytes: Uint8Array, mediaType: string): Promise<OciDigest> {
    const manifest = readManifest(bytes, mediaType);
    const stored: StoredManifest = {
      repository: repositoryOf(name),
      digest: parseOciDigest(digest),
      mediaType,
      bytes,
      subject: manifest.subject?.digest ?? null,
      artifactType: referrerType(manifest),
      names: [],
      pushedAtMs: STARTED_MS,
    };
    await this.oci.write({ links: [], manifests: [stored], tags: [] });
    return stored.digest;
  }

  /** All of a blob. */
  async bytes(name: PackageName, digest: Digest | OciDigest): Promise<Uint8Array> {
    return wholeOf(await this.reading.blob(repositoryOf(name), parseOciDigest(digest)));
  }

  /** What refers to a manifest, got in pages of so many. */
  async referrers(
    name: PackageName,
    subject: OciDigest,
    {
      limit = null,
      artifactType = null,
    }: { readonly limit?: number | null; readonly artifactType?: string | null } = {},
  ): Promise<readonly ReferrerDescriptor[]> {
    const all: ReferrerDescriptor[] = [];
    for (let last: string | null = null; ;) {
      const page = await this.reading.referrers(repositoryOf(name), subject, { last, limit, artifactType });
      all.push(...page.items);
      if (!page.more) return all;
      last = page.items.at(-1)?.digest ?? assert.fail('a page with nothing, and more after it');
    }
  }

  dispose(): Promise<void> {
    return this.core.dispose();
  }
}

export async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

export async function wholeOf(blob: FoundBlob): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of blob.read({ start: 0, end: blob.size })) chunks.push(chunk.slice());
  return concatBytes(...chunks);
}

/** A WIT package in binary. */
export function witOf(text: string): Uint8Array {
  return encodeWit(parseWit({ main: [{ path: 'a.wit', text }], dependencies: [] }));
}
