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

/** Kinds of entries that start a log. */
const STARTING: ReadonlySet<string> = new Set(['init', 'root']);

/** Of every entry, and of annotations, a signer must be allowed (the Rust server's authorized-keys policy). Throws `admission/denied`. */
export function checkPublisher(
  publishers: Publishers,
  package_: { readonly name: PackageName; readonly namespace: Namespace },
  record: SignedRecord<PackageEntry>,
): void {
  if (publishers === 'open') return;
  const rules = [publishers.namespaces.get(package_.namespace), publishers.packages.get(package_.name)];
  const keyIds = record.signatures.map(({ keyId }) => keyId);
  const annotated = record.annotations.length > 0 ? (['annotation'] as const) : [];
  for (const type of [...record.entries.map((entry) => entry.type), ...annotated]) {
    const allowed = rules.some(
      (rule) => keyIds.some((id) => rule?.keys.has(id)) || (rule?.delegation && !STARTING.has(type)),
    );
    if (allowed) continue;
    throw new RegistryError(
      'admission/denied',
      `key id ${keyIds.join(', ')} is not authorized to publish to package ${package_.name}`,
    );
  }
}
