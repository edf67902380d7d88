import {
  namespaceOf,
  RegistryError,
  type JosePublicKey,
  type PackageName,
  type PackageState,
  type Policy,
} from '@waybill/protocol';
import { soleHolder } from './beginning.ts';

/** Whether the gateway may sign for a package, as far as its server, its namespace and its log say. */
export interface GatewayStanding {
  /** What the operator has started the server with. */
  readonly isOn: boolean;
  /** In force for the namespace; `null` without one. */
  readonly policy: Policy | null;
  readonly state: PackageState;
  readonly key: JosePublicKey;
}

/**
 * Throws `oci/gateway` with a sentence that says what to do. What the grants of a log of version 1 allow in detail is judged by
 * what is signed.
 */
export function requireGateway(name: PackageName, { isOn, policy, state, key }: GatewayStanding): void {
  const namespace = namespaceOf(name);
  if (policy?.gateway === 'refused') {
    throw gatewayRefusal(name, `the owners of namespace ${namespace} let no registry sign for others`);
  }
  if (!isOn) throw gatewayRefusal(name, 'this registry signs for nobody, as it was not started with --gateway');
  if (state.length > 0) {
    if (!holdsRelease(state, key.id)) throw ownersRefusal(name, state, key);
    return;
  }
  const starters = policy?.starters ?? 'open';
  if (starters === 'open' || starters.some(({ id }) => id === key.id)) return;
  throw gatewayRefusal(
    name,
    `the policy for namespace ${namespace} lists who may start packages, and this registry's key ${key.text} is not listed`,
  );
}

/** That the log does not let the gateway do what it was asked to. */
export function ownersRefusal(
  name: PackageName,
  { root }: PackageState,
  key: JosePublicKey,
  why = `${name} is its owner's`,
): RegistryError {
  const permissions = root === null ? 'release' : GATEWAY_PERMISSIONS.join(',');
  const grant = `have the owner let this registry's key do it: waybill grant ${name} --to ${key.text} --permissions ${permissions}`;
  return gatewayRefusal(name, why, `, or ${grant}`);
}

/** What the gateway needs of a log of version 1. */
const GATEWAY_PERMISSIONS = ['annotate:oci-manifest', 'annotate:on-behalf', 'release'] as const;

export function gatewayRefusal(name: PackageName, why: string, otherwise = ''): RegistryError {
  return new RegistryError(
    'oci/gateway',
    `${why}: publish with waybill publish <file> --package ${name} --version <version>${otherwise}`,
    {
      package: name,
    },
  );
}

/** True when the key alone may release something. */
export function holdsRelease({ permissions, root, grants }: PackageState, keyId: string): boolean {
  if (root === null) return permissions.get(keyId)?.has('release') === true;
  if (holdsAlone(root, keyId)) return true;
  return [...grants.values()].some(
    (grant) => grant.revokedBy === null && grant.permissions.has('release') && holdsAlone(grant.holder, keyId),
  );
}

function holdsAlone(
  { keys, threshold }: { readonly keys: readonly JosePublicKey[]; readonly threshold: number },
  keyId: string,
): boolean {
  return threshold === 1 && keys.some(({ id }) => id === keyId);
}

/** True when the whole package is the gateway's: it was published for an account that has no key. */
export function isCustodial(state: PackageState, keyId: string): boolean {
  return soleHolder(state) === keyId;
}
