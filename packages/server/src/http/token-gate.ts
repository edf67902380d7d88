import { RegistryError, type Namespace } from '@waybill/protocol';
import { requireScope, TOKEN_POLICIES, type Access, type TokenPolicy } from '../core/access.ts';
import type { PrivateNamespaces } from '../core/private-namespaces.ts';
import type { TokenDesk } from '../core/token-desk.ts';

/** Who asks, from the header of a request. Decides nothing about what is valid. */
export class TokenGate {
  readonly #policy: TokenPolicy;
  readonly #desk: Pick<TokenDesk, 'verify'>;
  readonly #privates: PrivateNamespaces;

  constructor(policy: TokenPolicy, desk: Pick<TokenDesk, 'verify'>, privates: PrivateNamespaces) {
    this.#policy = policy;
    this.#desk = desk;
    this.#privates = privates;
  }

  /**
   * Throws `token/required` without a token where one is needed, `token/invalid` for one that is not valid, in the same words
   * for whatever reason. Another scheme than Bearer is somebody else's, say a proxy's.
   */
  async admit(authorization: string | undefined): Promise<Access> {
    const { isRead, isNeeded } = TOKEN_POLICIES[this.#policy];
    if (!isRead) return 'anyone';
    const text = authorization === undefined ? null : bearerText(authorization);
    if (text === null && isNeeded)
      throw new RegistryError('token/required', 'this registry takes records with a token only');
    return text === null ? 'anyone' : this.#accessOf(text);
  }

  /**
   * Who reads. Nobody needs a token for what is public, and where all is none is looked at. Throws `token/invalid`, whatever is
   * asked for: an answer to that would tell what is there.
   */
  async reader(authorization: string | undefined): Promise<Access> {
    if (this.#privates.areNone || authorization === undefined) return 'anyone';
    const text = bearerText(authorization);
    return text === null ? 'anyone' : this.#accessOf(text);
  }

  /** Throws as {@link admit}, and `token/scope`. */
  requirePublisher(access: Access, namespace: Namespace): void {
    this.#privates.requireKnown(access, namespace);
    requireScope(access, { action: 'publish', namespace });
  }

  async #accessOf(text: string): Promise<Access> {
    const access = await this.#desk.verify(text);
    if (access !== null) return access;
    throw new RegistryError('token/invalid', 'the token is not valid here: it is unknown, has expired or was revoked');
  }
}

/** RFC 6750 2.1; `null` for another scheme. Its length is bounded by that of all headers. */
function bearerText(authorization: string): string | null {
  const [scheme = '', ...rest] = authorization.split(' ');
  return scheme.toLowerCase() === 'bearer' ? rest.join(' ').trim() : null;
}
