import { namespaceOf, packageLogId, type PackageName } from '@waybill/protocol';
import { gatewayRefusal, isCustodial } from '../gateway/gateway-standing.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { StateCaches } from '../state-caches.ts';

/**
 * Throws `oci/gateway` for a package into which nothing is imported: one that has an owner, also where that lets the gateway
 * release, for whoever pushes is not whoever owns the same name elsewhere.
 */
export async function requireImportable(
  name: PackageName,
  { gateway, states }: { readonly gateway: Gateway; readonly states: StateCaches },
): Promise<void> {
  await gateway.requireMay(name);
  const { publicKey } = await gateway.keyOf(namespaceOf(name));
  const isFree = await states.packages.read(
    packageLogId(name),
    (state) => state.length === 0 || isCustodial(state, publicKey.id),
  );
  if (!isFree) throw gatewayRefusal(name, `${name} has an owner, and nothing comes into it from another registry`);
}
