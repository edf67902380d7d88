import { RegistryError } from '@waybill/protocol';
import type { RepositoryName } from '@waybill/protocol/oci';
import { TOKEN_POLICIES, type Access, type TokenPolicy } from '../access.ts';
import type { Publishers } from '../publishers.ts';
import type { OciAction, OciCaller } from './oci-registry.ts';
import { firstPart } from './repository-sort.ts';

export interface OciAccessParts {
  readonly tokenPolicy: TokenPolicy;
  readonly publishers: Publishers;
}

/** Who may do what below `/v2/`: the one place that decides it. What is valid is decided elsewhere, whoever asks. */
export class OciAccess {
  readonly #policy: TokenPolicy;
  readonly #publishers: Publishers;

  constructor({ tokenPolicy, publishers }: OciAccessParts) {
    this.#policy = tokenPolicy;
    this.#publishers = publishers;
  }

  /**
   * Everything is public, so far. What may not be read is answered as what is not there. A token of ours that was issued for
   * another repository takes nothing away from what anybody may do.
   */
  mayRead(_access: Access, _repository: RepositoryName): boolean {
    return true;
  }

  /**
   * Throws `token/required` where another token would help, `token/scope` where that of the account covers too little,
   * `oci/denied` where no token helps.
   */
  requireChange({ access, granted }: OciCaller, repository: RepositoryName, action: 'push' | 'delete'): void {
    const refusal = this.#refusal(access, repository);
    if (refusal !== null) throw refusal;
    if (granted === null) return;
    if (granted.some((grant) => grant.repository === repository && grant.actions.has(action))) return;
    throw new RegistryError(
      'token/required',
      `the token was issued for something else than ${action} in ${repository}`,
    );
  }

  /** What of the actions the access covers. */
  allowed(access: Access, repository: RepositoryName, actions: ReadonlySet<OciAction>): ReadonlySet<OciAction> {
    const mayChange = this.#refusal(access, repository) === null;
    const mayRead = this.mayRead(access, repository);
    return new Set([...actions].filter((action) => (action === 'pull' ? mayRead : mayChange)));
  }

  #refusal(access: Access, repository: RepositoryName): RegistryError | null {
    if (access !== 'anyone') return scopeRefusal(access, repository);
    const { isRead, isNeeded } = TOKEN_POLICIES[this.#policy];
    const isOpen = this.#publishers === 'open';
    if (!isNeeded && isOpen) return null;
    if (isRead) return new RegistryError('token/required', `whoever pushes to ${repository} shows a token`);
    // The list names keys, and an OCI client has none.
    return new RegistryError(
      'oci/denied',
      'this registry takes records of listed keys only, and an OCI client has no key: use waybill publish, or ask its ' +
        'operator for tokens',
    );
  }
}

/** A plain repository is covered as the namespace that its first part would be. */
function scopeRefusal(access: Exclude<Access, 'anyone'>, repository: RepositoryName): RegistryError | null {
  const { actions, namespaces } = access.scope;
  const first = firstPart(repository);
  if (actions.has('publish') && (namespaces === '*' || namespaces.has(first))) return null;
  return new RegistryError('token/scope', `the token of ${access.account} does not cover publish in ${first}`);
}
