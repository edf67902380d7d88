import type { Namespace, PrivateKey } from '@waybill/protocol';

/** The keys with which a registry signs for accounts that cannot: one for each namespace, never the operator's. */
export interface GatewayKeys {
  /** Made at first need, and durable before anything is signed with it. Throws `storage/…`. */
  keyOf(namespace: Namespace): Promise<PrivateKey>;
}
