import type { IncomingHttpHeaders } from 'node:http';
import { RegistryError } from '@waybill/protocol';

/**
 * A browser may send what it was asked for by a page from elsewhere, with the password that it keeps for this server, or from
 * inside a network that nobody else reaches. It says so, and no client of ours and no OCI client ever does (SECURITY.md W13).
 * For whatever does something that is not signed by its author. Throws `oci/denied`.
 */
export function refuseOtherPages(
  headers: Pick<IncomingHttpHeaders, 'origin' | 'sec-fetch-site'>,
  { origin: own }: URL,
): void {
  const { origin } = headers;
  const site = headers['sec-fetch-site'];
  const isOwn = origin === undefined || origin === own;
  if (isOwn && (site === undefined || site === 'same-origin' || site === 'none')) return;
  throw new RegistryError('oci/denied', 'a page of another origin cannot ask for this');
}
