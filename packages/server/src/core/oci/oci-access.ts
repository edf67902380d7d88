import { RegistryError } from '@waybill/protocol';
import type { RepositoryName } from '@waybill/protocol/oci';
import { TOKEN_POLICIES, type Access, type TokenPolicy } from '../access.ts';
import type { PrivateNamespaces } from '../private-namespaces.ts';
import type { Publishers } from '../publishers.ts';
import type { OciAction, OciCaller } from './oci-registry.ts';
import { firstPart, type RepositorySort, type RepositorySorts } from './repository-sort.ts';

export interface OciAccessParts {
  readonly sorts: RepositorySorts;
  readonly tokenPolicy: TokenPolicy;
  readonly publishers: Publishers;
  readonly privates: PrivateNamespaces;
}

/** Who may do what below `/v2/`: the one place that decides it. What is valid is decided elsewhere, whoever asks. */
export class OciAccess {
  readonly #sorts: RepositorySorts;
  readonly #policy: TokenPolicy;
  readonly #publishers: Publishers;
  readonly #privates: PrivateNamespaces;

  constructor({ sorts, tokenPolicy, publishers, privates }: OciAccessParts) {
    this.#sorts = sorts;
    this.#policy = tokenPolicy;
    this.#publishers = publishers;
    this.#privates = privates;
  }

  /** The namespace of a repository that not everybody may read; `null` for any other. */
  privateNamespaceOf(repository: string): string | null {
    const first = firstPart(repository);
    return this.#privates.has(first) ? first : null;
  }

  /** The same where the access may not read there; `null` where it may. */
  hiddenNamespaceOf(access: Access, repository: string): string | null {
    const namespace = this.privateNamespaceOf(repository);
    return namespace === null || this.#privates.mayRead(access, namespace) ? null : namespace;
  }

  /** What the repository is; `null` alike for one that is not here and one that the caller may not read. */
  async readable(caller: OciCaller, repository: RepositoryName): Promise<RepositorySort | null> {
    return this.#readRefusal(caller, repository) === null ? this.#sorts.sortOf(repository) : null;
  }

  /** {@link readable} for a list for the account, whatever its token was issued for. */
  async listedAs({ access }: OciCaller, repository: RepositoryName): Promise<RepositorySort | null> {
    return this.readable({ access, granted: null }, repository);
  }

  /**
   * Throws `token/required`, `token/scope` for whoever may not read there. Says the same of what is there and what is not, and
   * asks for a token: clients show theirs to nobody who does not ask.
   */
  requireReader(caller: OciCaller, repository: RepositoryName): void {
    const refusal = this.#readRefusal(caller, repository);
    if (refusal !== null) throw refusal;
  }

  /** Throws as {@link requireReader}, and `oci/repository`. */
  async requireRead(caller: OciCaller, repository: RepositoryName): Promise<RepositorySort> {
    this.requireReader(caller, repository);
    const sort = await this.#sorts.sortOf(repository);
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
    const mayRead = this.#readRefusal({ access, granted: null }, repository) === null;
    return new Set([...actions].filter((action) => (action === 'pull' ? mayRead : mayChange)));
  }

  /**
   * The one place that decides who reads. A token of ours that was issued for another repository takes nothing away from what
   * anybody may do; one for pushing reads back what is there.
   */
  #readRefusal({ access, granted }: OciCaller, repository: RepositoryName): RegistryError | null {
    const namespace = this.privateNamespaceOf(repository);
    if (namespace === null) return null;
    const refusal = this.#privates.readRefusal(access, namespace);
    if (refusal !== null || granted === null) return refusal;
    const isGranted = granted.some(
      (grant) => grant.repository === repository && (grant.actions.has('pull') || grant.actions.has('push')),
    );
    return isGranted ? null : new RegistryError('token/required', `the token was not issued for pull in ${repository}`);
  }

  #refusal(access: Access, repository: RepositoryName): RegistryError | null {
    if (access !== 'anyone') return scopeRefusal(access, repository);
    const { isRead, isNeeded } = TOKEN_POLICIES[this.#policy];
    // What a push is answered depends on what is there.
    const isPrivate = this.privateNamespaceOf(repository) !== null;
    if (!isNeeded && !isPrivate && this.#publishers === 'open') return null;
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
