import {
  RegistryError,
  type Namespace,
  type PackageEntry,
  type PackageName,
  type SignedRecord,
} from '@waybill/protocol';

/** Who may ask to publish in a namespace or a package: key ids, and whether others may once the log lets them. */
export interface PublisherRule {
  readonly keys: ReadonlySet<string>;
  /** Entries other than `init` are left to the log's own rules. */
  readonly delegation: boolean;
}

/** The operator's list of publishers, or `open`: anybody may ask. It decides who may ask, never what is valid. */
export type Publishers =
  | 'open'
  | {
      readonly namespaces: ReadonlyMap<Namespace, PublisherRule>;
      readonly packages: ReadonlyMap<PackageName, PublisherRule>;
    };

/** Every entry's signer must be allowed (the Rust server's authorized-keys policy). Throws `admission/denied`. */
export function checkPublisher(
  publishers: Publishers,
  package_: { readonly name: PackageName; readonly namespace: Namespace },
  record: SignedRecord<PackageEntry>,
): void {
  if (publishers === 'open') return;
  const rules = [publishers.namespaces.get(package_.namespace), publishers.packages.get(package_.name)];
  const { keyId } = record.envelope;
  for (const entry of record.entries) {
    const allowed = rules.some((rule) => rule?.keys.has(keyId) || (rule?.delegation && entry.type !== 'init'));
    if (allowed) continue;
    throw new RegistryError(
      'admission/denied',
      `key id ${keyId} is not authorized to publish to package ${package_.name}`,
    );
  }
}
