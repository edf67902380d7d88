import { looksLikeAccessToken, RegistryError, type TokenId } from '@waybill/protocol';
import type { OciScope, RepositoryName } from '@waybill/protocol/oci';
import { TOKEN_POLICIES, type Access, type TokenPolicy } from '../access.ts';
import { OCI_GRANTS_MAX, OCI_TOKEN_SECONDS } from '../limits.ts';
import type { Clock } from '../ports.ts';
import type { TokenDesk } from '../token-desk.ts';
import type { OciAction, OciCaller, OciGrant, OciRegistry } from './oci-registry.ts';

/** What a token for an OCI client says. Times in Unix seconds. */
export interface OciTokenClaims {
  /** The registry that it is for. */
  readonly audience: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** Of the token that was shown for it; `null` where none was. */
  readonly tokenId: TokenId | null;
  readonly grants: readonly OciGrant[];
}

/** Seals claims so that nobody but this registry makes them. */
export interface OciTokenSeal {
  seal(claims: OciTokenClaims): Promise<string>;
  /** `null` for whatever this seal did not make, for another audience, and for what has expired by `nowMs`. */
  open(text: string, expected: { readonly audience: string; readonly nowMs: number }): Promise<OciTokenClaims | null>;
}

/** What a request shows of who asks. */
export type OciCredentials =
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string }
  | { readonly scheme: 'bearer'; readonly text: string };

export interface IssuedOciToken {
  readonly text: string;
  readonly issuedAt: number;
  readonly lifetimeSeconds: number;
}

export interface OciTokensParts {
  readonly seal: OciTokenSeal;
  readonly desk: Pick<TokenDesk, 'verify' | 'accessOf'>;
  readonly registry: Pick<OciRegistry, 'allowed'>;
  readonly policy: TokenPolicy;
  readonly clock: Clock;
  /** Known once the server listens. */
  readonly audience: () => string;
}

const ANYONE: OciCaller = { access: 'anyone', granted: null };

/**
 * Who asks below `/v2/`. A token made here says for which `waybill token` it stands, and that one is read again at each
 * request: one that is revoked is refused at once, whatever was made from it.
 */
export class OciTokens {
  readonly #parts: OciTokensParts;

  constructor(parts: OciTokensParts) {
    this.#parts = parts;
  }

  /** Throws `token/invalid`, in the same words for whatever reason. */
  async callerOf(credentials: OciCredentials | null): Promise<OciCaller> {
    if (credentials === null || !TOKEN_POLICIES[this.#parts.policy].isRead) return ANYONE;
    const text = secretOf(credentials);
    if (credentials.scheme === 'bearer' && !looksLikeAccessToken(text)) return this.#sealed(text);
    const access = await this.#parts.desk.verify(text);
    if (access === null) throw invalid();
    return { access, granted: null };
  }

  /** What of the scopes the access covers: perhaps nothing, which is no error. */
  async issue(access: Access, scopes: readonly OciScope[]): Promise<IssuedOciToken> {
    const { seal, clock, audience } = this.#parts;
    const issuedAt = Math.floor(clock() / 1_000);
    const text = await seal.seal({
      audience: audience(),
      issuedAt,
      expiresAt: issuedAt + OCI_TOKEN_SECONDS,
      tokenId: access === 'anyone' ? null : access.tokenId,
      grants: await this.#grants(access, scopes),
    });
    return { text, issuedAt, lifetimeSeconds: OCI_TOKEN_SECONDS };
  }

  async #sealed(text: string): Promise<OciCaller> {
    const { seal, desk, clock, audience } = this.#parts;
    const claims = await seal.open(text, { audience: audience(), nowMs: clock() });
    if (claims === null) throw invalid();
    const { tokenId, grants: granted } = claims;
    if (tokenId === null) return { access: 'anyone', granted };
    const access = await desk.accessOf(tokenId);
    if (access === null) throw invalid();
    return { access, granted };
  }

  async #grants(access: Access, scopes: readonly OciScope[]): Promise<OciGrant[]> {
    const asked = new Map<RepositoryName, Set<OciAction>>();
    for (const scope of scopes) {
      if (scope.type !== 'repository') continue;
      const known = asked.get(scope.repository);
      if (known === undefined && asked.size === OCI_GRANTS_MAX) continue;
      asked.set(scope.repository, new Set([...(known ?? []), ...scope.actions]));
    }
    const grants = [...asked].map(async ([repository, actions]) => ({
      repository,
      actions: await this.#parts.registry.allowed(access, repository, actions),
    }));
    return (await Promise.all(grants)).filter(({ actions }) => actions.size > 0);
  }
}

/** Clients that know names and passwords only are given any name; some ask for the token in its place. */
function secretOf(credentials: OciCredentials): string {
  if (credentials.scheme === 'bearer') return credentials.text;
  const { user, password } = credentials;
  return looksLikeAccessToken(user) && !looksLikeAccessToken(password) ? user : password;
}

function invalid(): RegistryError {
  return new RegistryError('token/invalid', 'the credentials are not valid here: unknown, expired or revoked');
}
