import type { Config } from './config.ts';
import type { Gateway } from './core/gateway/gateway.ts';
import { GovernanceGate } from './core/governance-gate.ts';
import type { HomeOf } from './core/log-states.ts';
import { OciAccess } from './core/oci/oci-access.ts';
import { OciLeases } from './core/oci/oci-leases.ts';
import type { OciRegistry } from './core/oci/oci-registry.ts';
import { OciSweep } from './core/oci/oci-sweep.ts';
import { OciUploads } from './core/oci/oci-uploads.ts';
import { OciView } from './core/oci/oci-view.ts';
import { PackagePushing } from './core/oci/package-pushing.ts';
import { PackageReading } from './core/oci/package-reading.ts';
import { PlainRepositories } from './core/oci/plain-repositories.ts';
import { RepositorySorts } from './core/oci/repository-sort.ts';
import type { Clock, ContentStore, RegistryReader } from './core/ports.ts';
import type { Proving } from './core/proving.ts';
import type { StateCaches } from './core/state-caches.ts';
import type { TreeTakedowns } from './core/tree-takedowns.ts';
import type { OciStorage } from './oci-storage.ts';

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
  const { tokenPolicy, publishers } = config;
  const access = new OciAccess({ sorts, tokenPolicy, publishers });
  const leases = new OciLeases(clock);
  const plain = new PlainRepositories({ store, blobs, leases, clock });
  const packages = openPackages(config, parts, leases);
  const reading = { package: packages.reading, plain };
  const uploading = await OciUploads.open({ store, blobs, uploads, leases, access, reading, clock });
  const view = new OciView({
    access,
    leases,
    uploads: uploading,
    sorts: { package: packages, plain: { reading: plain, pushing: plain } },
    names: [(page) => store.listRepositories(page), ({ after, limit }) => reader.listNamePaths(after, limit)],
  });
  const sweep = new OciSweep({ store, blobs, uploads: uploading, leases, clock });
  return { view, sweep, unfinished: () => uploading.length };
}

function openPackages(
  { contentPolicy }: Config,
  { storage, reader, treeTakedowns: trees, ...parts }: OciSideParts,
  leases: OciLeases,
): { readonly reading: PackageReading; readonly pushing: PackagePushing } {
  const { store, blobs } = storage;
  const gate = new GovernanceGate(parts.states.governance);
  const reading = new PackageReading({ ...parts, store: reader, oci: store, blobs, gate, trees });
  return { reading, pushing: new PackagePushing({ ...parts, store, blobs, reading, contentPolicy, leases }) };
}
