import type { IncomingMessage } from 'node:http';
import { isRegistryError, RegistryError } from '@waybill/protocol';
import { parseScopes } from '@waybill/protocol/oci';
import type { OciCredentials, OciTokens } from '../../core/oci/oci-tokens.ts';
import { jsonAnswer, type OciAnswer } from './oci-answer.ts';
import { BASIC_CHALLENGE, readCredentials } from './oci-challenge.ts';
import type { OciIntake } from './oci-intake.ts';
import { errorAnswer, ociProblem } from './oci-problem.ts';

export const TOKEN_TEMPLATE = '/oci/token';

interface Asked {
  readonly credentials: OciCredentials | null;
  readonly scopes: readonly string[];
}

/** Makes tokens for clients that were told so by a challenge: whoever shows nothing gets one for what everybody may do. */
export class OciTokenEndpoint {
  readonly #tokens: OciTokens;
  readonly #intake: OciIntake;

  constructor(tokens: OciTokens, intake: OciIntake) {
    this.#tokens = tokens;
    this.#intake = intake;
  }

  /** Throws `oci/unsupported` for another method, and what reading the form throws. */
  async answer(incoming: IncomingMessage, query: string): Promise<OciAnswer> {
    if (incoming.method === 'POST') return this.#issue(formAsked(await this.#intake.form(incoming)));
    if (incoming.method !== 'GET' && incoming.method !== 'HEAD') {
      return errorAnswer(405, 'UNSUPPORTED', 'a token is asked for with GET or POST', { allow: 'GET, HEAD, POST' });
    }
    const scopes = new URLSearchParams(query).getAll('scope');
    return this.#issue({ credentials: readCredentials(incoming.headers.authorization), scopes });
  }

  async #issue({ credentials, scopes }: Asked): Promise<OciAnswer> {
    try {
      const { access } = await this.#tokens.callerOf(credentials);
      const { text, issuedAt, lifetimeSeconds } = await this.#tokens.issue(access, parseScopes(scopes));
      return jsonAnswer(
        200,
        {
          token: text,
          access_token: text,
          expires_in: lifetimeSeconds,
          issued_at: new Date(issuedAt * 1_000).toISOString(),
        },
        { 'cache-control': 'no-store' },
      );
    } catch (failure) {
      const challenge = isRegistryError(failure, 'token/invalid') ? { 'www-authenticate': BASIC_CHALLENGE } : {};
      return ociProblem(failure, challenge);
    }
  }
}

/**
 * RFC 6749 4.3 and 6. No token of ours is a refresh token, but one of `waybill token` may be kept as one. Throws
 * `request/invalid`.
 */
function formAsked(form: URLSearchParams): Asked {
  const scopes = form.getAll('scope');
  const grant = form.get('grant_type');
  if (grant === 'password') {
    const user = form.get('username') ?? '';
    return { credentials: { scheme: 'basic', user, password: form.get('password') ?? '' }, scopes };
  }
  if (grant === 'refresh_token') {
    return { credentials: { scheme: 'basic', user: '', password: form.get('refresh_token') ?? '' }, scopes };
  }
  throw new RegistryError('request/invalid', 'grant_type is password or refresh_token');
}
