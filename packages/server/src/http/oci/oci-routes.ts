import { isRegistryError } from '@waybill/protocol';
import type { OciScope } from '@waybill/protocol/oci';
import type { OciAction } from '../../core/oci/oci-registry.ts';
import type { OciAnswer } from './oci-answer.ts';
import type { OciReads } from './oci-reads.ts';
import { repositoryIn, type OciRequest } from './oci-request.ts';
import type { OciWrites } from './oci-writes.ts';

export type OciMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** `parts` are those of the path that the pattern captures, as they came. */
export type OciHandler = (request: OciRequest, parts: readonly string[]) => Promise<OciAnswer>;

export interface OciRoute {
  /** For labels and traces: never a name that somebody sent. */
  readonly template: string;
  /** Of what stands behind `/v2/`. */
  readonly pattern: RegExp;
  readonly methods: Readonly<Partial<Record<OciMethod, OciHandler>>>;
  /** What a token must cover for a request. */
  readonly scopes: (method: OciMethod, parts: readonly string[]) => readonly OciScope[];
}

/** What each method needs of the repository. */
const ACTIONS: Readonly<Record<OciMethod, readonly OciAction[]>> = {
  GET: ['pull'],
  POST: ['pull', 'push'],
  PUT: ['pull', 'push'],
  PATCH: ['pull', 'push'],
  DELETE: ['delete'],
};

/**
 * Names have slashes, and may have parts that are called as the API's own: what stands last decides, so each pattern takes as
 * much for the name as it can, and nothing behind it has a slash.
 */
export function ociRoutes(reads: OciReads, writes: OciWrites): readonly OciRoute[] {
  return [...routesOfAll(reads), ...blobRoutes(reads, writes), ...manifestRoutes(reads, writes)];
}

function routesOfAll(reads: OciReads): readonly OciRoute[] {
  return [
    {
      template: '/v2/_catalog',
      pattern: /^_catalog$/,
      methods: { GET: (request) => reads.catalog(request) },
      scopes: () => [{ type: 'catalog' }],
    },
    {
      template: '/v2/:name/_oci/ext/discover',
      pattern: /^(?:(.+)\/)?_oci\/ext\/discover$/,
      methods: { GET: (...asked) => reads.discover(...asked) },
      scopes: repositoryScopes,
    },
  ];
}

function blobRoutes(reads: OciReads, writes: OciWrites): readonly OciRoute[] {
  return [
    {
      template: '/v2/:name/blobs/uploads/',
      pattern: /^(.+)\/blobs\/uploads\/?$/,
      methods: { POST: (...asked) => writes.start(...asked) },
      scopes: repositoryScopes,
    },
    {
      template: '/v2/:name/blobs/uploads/:id',
      pattern: /^(.+)\/blobs\/uploads\/([^/]+)$/,
      methods: {
        GET: (...asked) => writes.place(...asked),
        PATCH: (...asked) => writes.append(...asked),
        PUT: (...asked) => writes.finish(...asked),
        DELETE: (...asked) => writes.cancel(...asked),
      },
      // Whoever may push there may ask for it and end it: clients have no other token at hand.
      scopes: (_method, parts) => repositoryScopes('PUT', parts),
    },
    {
      template: '/v2/:name/blobs/:digest',
      pattern: /^(.+)\/blobs\/([^/]+)$/,
      methods: { GET: (...asked) => reads.blob(...asked), DELETE: (...asked) => writes.deleteBlob(...asked) },
      scopes: repositoryScopes,
    },
  ];
}

function manifestRoutes(reads: OciReads, writes: OciWrites): readonly OciRoute[] {
  return [
    {
      template: '/v2/:name/manifests/:reference',
      pattern: /^(.+)\/manifests\/([^/]+)$/,
      methods: {
        GET: (...asked) => reads.manifest(...asked),
        PUT: (...asked) => writes.putManifest(...asked),
        DELETE: (...asked) => writes.deleteManifest(...asked),
      },
      scopes: repositoryScopes,
    },
    {
      template: '/v2/:name/tags/list',
      pattern: /^(.+)\/tags\/list$/,
      methods: { GET: (...asked) => reads.tags(...asked) },
      scopes: repositoryScopes,
    },
    {
      template: '/v2/:name/referrers/:digest',
      pattern: /^(.+)\/referrers\/([^/]+)$/,
      methods: { GET: (...asked) => reads.referrers(...asked) },
      scopes: repositoryScopes,
    },
  ];
}

/** None for a name that is none: no token would help. */
function repositoryScopes(method: OciMethod, [name = '']: readonly string[]): readonly OciScope[] {
  try {
    return [{ type: 'repository', repository: repositoryIn(name), actions: new Set(ACTIONS[method]) }];
  } catch (failure) {
    if (isRegistryError(failure, 'oci/name')) return [];
    throw failure;
  }
}
