import { OPERATOR_LOG_ID, RegistryError } from '@waybill/protocol';
import type { Config } from './config.ts';
import type { Gateway } from './core/gateway/gateway.ts';
import { GovernanceGate } from './core/governance-gate.ts';
import type { HomeOf } from './core/log-states.ts';
import { ImportedBlobs } from './core/oci/imported-blobs.ts';
import { OciAccess } from './core/oci/oci-access.ts';
import { OciLeases } from './core/oci/oci-leases.ts';
import type { OciReading, OciRegistry } from './core/oci/oci-registry.ts';
import { OciSweep } from './core/oci/oci-sweep.ts';
import { OciUploads } from './core/oci/oci-uploads.ts';
import { OciView } from './core/oci/oci-view.ts';
import { PackagePushing } from './core/oci/package-pushing.ts';
import { PackageReading } from './core/oci/package-reading.ts';
import { namesBelow } from './core/oci/plain-names.ts';
import { PlainRepositories } from './core/oci/plain-repositories.ts';
import { RepositorySorts } from './core/oci/repository-sort.ts';
import { UpstreamImports, type UpstreamObserver } from './core/oci/upstream-imports.ts';
import { UpstreamReading } from './core/oci/upstream-reading.ts';
import { requireImportable } from './core/oci/upstream-standing.ts';
import type { Clock, ContentStore, RegistryReader } from './core/ports.ts';
import type { Proving } from './core/proving.ts';
import type { StateCaches } from './core/state-caches.ts';
import type { TreeTakedowns } from './core/tree-takedowns.ts';
import type { UpstreamPlace } from './core/upstream-ports.ts';
import type { OciStorage } from './oci-storage.ts';
import { openOciUpstream } from './upstream/oci-upstream.ts';

export interface OciSideParts {
  readonly storage: OciStorage;
  readonly reader: RegistryReader;
  readonly content: ContentStore;
  readonly states: StateCaches;
  readonly gateway: Gateway;
  readonly proving: Proving;
  readonly treeTakedowns: TreeTakedowns;
  /** Of the registry log, as it is served. */
  readonly logLength: () => number;
  readonly homeOf: HomeOf;
  readonly upstreamObserver: UpstreamObserver;
  readonly clock: Clock;
}

/** The OCI view of a registry, and what goes on beside its requests. */
export interface OciSide {
  readonly view: OciRegistry;
  readonly sweep: OciSweep;
  /** Uploads that nobody has finished. */
  readonly unfinished: () => number;
}

/** Puts the view together over what is open. Throws `usage/invalid` for a prefix of plain repositories that is a namespace. */
export async function openOciSide(config: Config, parts: OciSideParts): Promise<OciSide> {
  const { storage, reader, states, clock } = parts;
  const { store, blobs, uploads } = storage;
  const sorts = new RepositorySorts({ operator: states.operator, prefixes: config.ociPrefixes });
  await sorts.check();
  const { tokenPolicy, publishers, privates } = config;
  const access = new OciAccess({ sorts, tokenPolicy, publishers, privates });
  const leases = new OciLeases(clock);
  const plain = new PlainRepositories({ store, blobs, leases, clock });
  const packages = await openPackages(config, parts, leases);
  const reading = { package: packages.reading, plain };
  const uploading = await OciUploads.open({ store, blobs, uploads, leases, access, reading, clock });
  const view = new OciView({
    access,
    leases,
    uploads: uploading,
    sorts: { package: packages, plain: { reading: plain, pushing: plain } },
    names: {
      package: ({ after, limit }) => reader.listNamePaths(after, limit),
      plain: namesBelow(config.ociPrefixes, (page) => store.listRepositories(page)),
    },
  });
  const sweep = new OciSweep({ store, blobs, uploads: uploading, leases, clock });
  return { view, sweep, unfinished: () => uploading.length };
}

async function openPackages(
  config: Config,
  parts: OciSideParts,
  leases: OciLeases,
): Promise<{ readonly reading: OciReading; readonly pushing: PackagePushing }> {
  const { storage, reader, treeTakedowns: trees, ...others } = parts;
  const { store, blobs, uploads } = storage;
  const gate = new GovernanceGate(others.states.governance);
  const reading = new PackageReading({ ...others, store: reader, oci: store, blobs, gate, trees });
  const pushing = new PackagePushing({
    ...others,
    store,
    blobs,
    reading,
    contentPolicy: config.contentPolicy,
    leases,
  });
  if (config.upstreams.length === 0) return { reading, pushing };
  await requireDefinedAll(config.upstreams, others.states);
  const { clock, upstreamObserver: observer } = parts;
  const imports = new UpstreamImports({
    upstreams: config.upstreams.map((place) => openOciUpstream(place)),
    blobs: new ImportedBlobs({ store, blobs, uploads, leases, clock }),
    importRelease: (repository, put, origin) => pushing.importRelease(repository, put, origin),
    requireMay: (name) => requireImportable(name, parts),
    observer,
    clock,
  });
  return { reading: new UpstreamReading({ reading, releases: reading.releases, imports }), pushing };
}

/** Throws `usage/invalid` for a namespace whose packages could never be here. */
async function requireDefinedAll(places: readonly UpstreamPlace[], { operator }: StateCaches): Promise<void> {
  for (const { namespace } of places) {
    const status = await operator.read(OPERATOR_LOG_ID, ({ bindings }) => bindings.get(namespace)?.status);
    if (status === 'defined') continue;
    const next = `define it with --namespace ${namespace}`;
    throw new RegistryError('usage/invalid', `--upstreams names ${namespace}, which is no namespace here: ${next}`);
  }
}
