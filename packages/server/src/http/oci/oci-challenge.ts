import { formatScopes, type OciScope } from '@waybill/protocol/oci';
import type { OciCredentials } from '../../core/oci/oci-tokens.ts';
import type { OciHeaders } from './oci-answer.ts';

/** How clients are asked for credentials. */
export interface OciLoginParts {
  readonly login: 'bearer' | 'basic';
  /** Where clients reach this server, known once it listens. */
  readonly baseUrl: () => URL;
}

const TOKEN_PATH = 'oci/token';

/** What a client is told of credentials: every value quoted, and the realm absolute, for some clients read no other. */
export function challengeHeader({ login, baseUrl }: OciLoginParts, scopes: readonly OciScope[]): OciHeaders {
  if (login === 'basic') return { 'www-authenticate': BASIC_CHALLENGE };
  const base = baseUrl();
  const realm = new URL(TOKEN_PATH, base).href;
  const scope = scopes.length === 0 ? '' : `,scope="${formatScopes(scopes)}"`;
  return { 'www-authenticate': `Bearer realm="${realm}",service="${serviceOf(base)}"${scope}` };
}

export const BASIC_CHALLENGE = 'Basic realm="waybill", charset="UTF-8"';

/** What tokens are for: the host by which clients know the registry. */
export function serviceOf(baseUrl: URL): string {
  return baseUrl.host;
}

/** `null` for none, and for a scheme that is somebody else's. A Basic one that is malformed has an empty password. */
export function readCredentials(authorization: string | undefined): OciCredentials | null {
  const [scheme = '', ...rest] = (authorization ?? '').split(' ');
  const text = rest.join(' ').trim();
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', text };
  if (scheme.toLowerCase() !== 'basic') return null;
  const pair = Buffer.from(text, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return { scheme: 'basic', user: pair.slice(0, Math.max(colon, 0)), password: pair.slice(colon + 1) };
}
