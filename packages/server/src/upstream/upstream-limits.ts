/** Bytes of a manifest: as many as one that is pushed here may have. */
export const UPSTREAM_MANIFEST_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes of a list of tags with all its pages, the tags in it, and the pages. */
export const UPSTREAM_TAGS_BYTES_MAX = 4 * 1024 * 1024;
export const UPSTREAM_TAGS_MAX = 20_000;
export const UPSTREAM_PAGES_MAX = 100;

/** Bytes of an answer with a token. */
export const UPSTREAM_TOKEN_BYTES_MAX = 64 * 1024;

/** Redirects that are followed for one request. */
export const UPSTREAM_REDIRECTS_MAX = 5;

/** How long a connection may say nothing. */
export const UPSTREAM_IDLE_MS = 30_000;

/** How long a request may take, with its redirects, and how much more for what comes: under 64 KiB a second is too slow. */
export const UPSTREAM_REQUEST_MS = 60_000;
export const UPSTREAM_BYTES_PER_MS = 64;

/** How long a token is used: it may say less, and never more. */
export const UPSTREAM_TOKEN_MS = 300_000;
/** Where it does not say. */
export const UPSTREAM_TOKEN_MS_DEFAULT = 60_000;

/** Tokens that are kept: one for each repository. */
export const UPSTREAM_TOKENS_MAX = 1_000;
