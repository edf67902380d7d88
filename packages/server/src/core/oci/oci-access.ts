import { RegistryError } from '@waybill/protocol';
import type { RepositoryName } from '@waybill/protocol/oci';
import { TOKEN_POLICIES, type Access, type TokenPolicy } from '../access.ts';
import type { Publishers } from '../publishers.ts';
import type { OciAction, OciCaller } from './oci-registry.ts';
import { firstPart, type RepositorySort, type RepositorySorts } from './repository-sort.ts';

export interface OciAccessParts {
  readonly sorts: RepositorySorts;
  readonly tokenPolicy: TokenPolicy;
  readonly publishers: Publishers;
}

/** Who may do what below `/v2/`: the one place that decides it. What is valid is decided elsewhere, whoever asks. */
export class OciAccess {
  readonly #sorts: RepositorySorts;
  readonly #policy: TokenPolicy;
  readonly #publishers: Publishers;

  constructor({ sorts, tokenPolicy, publishers }: OciAccessParts) {
    this.#sorts = sorts;
    this.#policy = tokenPolicy;
    this.#publishers = publishers;
  }

  /** What the repository is; `null` alike for one that is not here and one that the caller may not read. */
  async readable({ access }: OciCaller, repository: RepositoryName): Promise<RepositorySort | null> {
    return this.#mayRead(access, repository) ? this.#sorts.sortOf(repository) : null;
  }

  /** Throws `oci/repository`. */
  async requireRead(caller: OciCaller, repository: RepositoryName): Promise<RepositorySort> {
    const sort = await this.readable(caller, repository);
    if (sort !== null) return sort;
    const message = `there is no repository ${repository}: ${await this.#sorts.describe()}`;
    throw new RegistryError('oci/repository', message, { repository });
  }

  /**
   * Throws `token/required` where another token would help, `token/scope` where that of the account covers too little,
   * `oci/denied` where none helps.
   */
  async requireChange(
    { access, granted }: OciCaller,
    repository: RepositoryName,
    action: 'push' | 'delete',
  ): Promise<RepositorySort> {
    const refusal = this.#refusal(access, repository);
    if (refusal !== null) throw refusal;
    const isGranted = granted?.some((grant) => grant.repository === repository && grant.actions.has(action)) ?? true;
    if (!isGranted) {
      throw new RegistryError('token/required', `the token was not issued for ${action} in ${repository}`);
    }
    const sort = await this.#sorts.sortOf(repository);
    if (sort !== null) return sort;
    const message = `nothing can be pushed to ${repository}: ${await this.#sorts.describe()}`;
    throw new RegistryError('oci/denied', message, { repository });
  }

  /** What of the actions the access covers. */
  allowed(access: Access, repository: RepositoryName, actions: ReadonlySet<OciAction>): ReadonlySet<OciAction> {
    const mayChange = this.#refusal(access, repository) === null;
    const mayRead = this.#mayRead(access, repository);
    return new Set([...actions].filter((action) => (action === 'pull' ? mayRead : mayChange)));
  }

  /**
   * Everything is public, so far. A token of ours that was issued for another repository takes nothing away from what anybody
   * may do.
   */
  #mayRead(_access: Access, _repository: RepositoryName): boolean {
    return true;
  }

  #refusal(access: Access, repository: RepositoryName): RegistryError | null {
    if (access !== 'anyone') return scopeRefusal(access, repository);
    const { isRead, isNeeded } = TOKEN_POLICIES[this.#policy];
    if (!isNeeded && this.#publishers === 'open') return null;
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
