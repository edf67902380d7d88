import type { IncomingMessage } from 'node:http';
import { RegistryError } from '@waybill/protocol';
import { parseRepository, type RepositoryName } from '@waybill/protocol/oci';
import type { ListPage, OciCaller } from '../../core/oci/oci-registry.ts';

/** What handlers see of a request. */
export interface OciRequest {
  readonly incoming: IncomingMessage;
  readonly isHead: boolean;
  readonly query: URLSearchParams;
  readonly caller: OciCaller;
}

/** Items that a client may ask for at once: what a page has at most is decided where it is read. */
const COUNT_MAX = 1_000_000;

/**
 * The query of a target below `/v2/`. A `+` is meant as such, for it stands in media types, and no value has spaces. What is
 * no percent-encoding stays as it is.
 */
export function queryOf(target: string): URLSearchParams {
  const start = target.indexOf('?');
  return new URLSearchParams(start === -1 ? '' : target.slice(start).replaceAll('+', '%2B'));
}

/** Throws `oci/name`, also for a name that is written with percents: it would be a second one for the same. */
export function repositoryIn(text: string): RepositoryName {
  return parseRepository(text);
}

/** One part of a path, percents decoded. Throws `request/invalid`. */
export function decodePart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new RegistryError('request/invalid', 'the path has a percent sign that encodes nothing', {}, { cause });
  }
}

/** Throws `request/invalid`. */
export function pageOf(query: URLSearchParams): ListPage {
  const last = query.get('last');
  const count = query.get('n');
  if (count === null || count === '') return { last: last === '' ? null : last, limit: null };
  if (!/^[0-9]{1,20}$/.test(count)) throw new RegistryError('request/invalid', 'n is a number of items, 0 or more');
  return { last: last === '' ? null : last, limit: Math.min(Number(count), COUNT_MAX) };
}

/** Where the next page is; nothing after the last one, and after an empty one, which would lead to itself. */
export function linkHeader(
  path: string,
  { limit }: ListPage,
  {
    last,
    more,
    filter,
  }: { readonly last: string | undefined; readonly more: boolean; readonly filter?: string | null },
): Readonly<Record<string, string>> {
  if (!more || last === undefined) return {};
  const query = new URLSearchParams();
  if (limit !== null) query.set('n', String(limit));
  query.set('last', last);
  if (filter !== null && filter !== undefined) query.set('artifactType', filter);
  return { link: `<${path}?${query.toString()}>; rel="next"` };
}
