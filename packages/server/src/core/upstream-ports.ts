import type { Namespace, PackageName } from '@waybill/protocol';
import type { OciDigest, OciReference } from '@waybill/protocol/oci';

/* Other registries from which this one takes releases. Nothing that they say is believed. */

/** Where the packages of a namespace come from, as the operator says. */
export interface UpstreamPlace {
  readonly namespace: Namespace;
  /** Host, with its port where that is not the usual one. */
  readonly registry: string;
  /** Stands before `<namespace>/<name>` there; empty, or with a slash at its end. */
  readonly prefix: string;
  readonly isPlainHttp: boolean;
  /** Other hosts to which it may send us: for bytes, and for tokens. */
  readonly hosts: readonly string[];
  /** Addresses and networks (`10.0.0.0/8`) that may be connected to although they are not public. */
  readonly networks: readonly string[];
  readonly credentials: { readonly username: string; readonly password: string } | null;
}

export interface UpstreamManifest {
  readonly contentType: string;
  readonly bytes: Uint8Array;
}

/** One other registry. Every call throws `upstream/failed`, `upstream/refused`. */
export interface Upstream {
  readonly place: UpstreamPlace;
  /** `null` where it has none. */
  manifest(repository: string, reference: OciReference): Promise<UpstreamManifest | null>;
  /** What it says the digest of a manifest is, without its bytes; `null` where it has none or does not say. */
  digestOf(repository: string, reference: OciReference): Promise<OciDigest | null>;
  /** Exactly `size` bytes, or it throws; whether they have the digest is for the reader to find out. */
  blob(repository: string, blob: { readonly digest: OciDigest; readonly size: number }): AsyncIterable<Uint8Array>;
  /** In no order; `null` where it does not know the repository. */
  tags(repository: string): Promise<readonly string[] | null>;
}

/** The name of a package's repository there. */
export function upstreamRepository({ prefix }: Pick<UpstreamPlace, 'prefix'>, name: PackageName): string {
  return `${prefix}${name.replace(':', '/')}`;
}
