import { isRegistryError } from '../errors.ts';
import { parseRepository, type RepositoryName } from './oci-names.ts';

/** Scopes of one request for a token, and characters of each; what is over is not granted (spec/oci.md 11.5). */
export const SCOPES_MAX = 100;
const SCOPE_LENGTH_MAX = 1_000;

export type OciScopeAction = 'pull' | 'push' | 'delete';

/** What a token is asked for. */
export type OciScope =
  | { readonly type: 'repository'; readonly repository: RepositoryName; readonly actions: ReadonlySet<OciScopeAction> }
  /** The list of repositories. */
  | { readonly type: 'catalog' };

const ALL_ACTIONS: readonly OciScopeAction[] = ['pull', 'push', 'delete'];
const CATALOG = 'registry:catalog:*';

/**
 * The scopes of all `scope` parameters of a request, or of a challenge: several stand in one text with spaces between. What is
 * unknown or malformed is left out, for a grant of less is no error.
 */
export function parseScopes(texts: readonly string[]): readonly OciScope[] {
  return texts
    .flatMap((text) => text.split(' '))
    .filter((text) => text !== '')
    .slice(0, SCOPES_MAX)
    .flatMap((text) => parseScope(text) ?? []);
}

/** The text of scopes, as a challenge or a request has it. */
export function formatScopes(scopes: readonly OciScope[]): string {
  return scopes.map(formatScope).join(' ');
}

function formatScope(scope: OciScope): string {
  if (scope.type === 'catalog') return CATALOG;
  const actions = ALL_ACTIONS.filter((action) => scope.actions.has(action));
  return `repository:${scope.repository}:${actions.join(',')}`;
}

/** `null` for a scope that nothing here has. */
export function parseScope(text: string): OciScope | null {
  if (text === CATALOG) return { type: 'catalog' };
  const first = text.indexOf(':');
  const last = text.lastIndexOf(':');
  if (text.length > SCOPE_LENGTH_MAX || first === last || text.slice(0, first) !== 'repository') return null;
  const repository = repositoryIn(text.slice(first + 1, last));
  return repository === null ? null : { type: 'repository', repository, actions: actionsIn(text.slice(last + 1)) };
}

/** A first component with a port is the registry's own host. */
function repositoryIn(name: string): RepositoryName | null {
  const slash = name.indexOf('/');
  const path = name.slice(0, Math.max(slash, 0)).includes(':') ? name.slice(slash + 1) : name;
  try {
    return parseRepository(path);
  } catch (failure) {
    if (isRegistryError(failure, 'oci/name')) return null;
    throw failure;
  }
}

function actionsIn(text: string): ReadonlySet<OciScopeAction> {
  const names = text.split(',');
  return new Set(names.includes('*') ? ALL_ACTIONS : ALL_ACTIONS.filter((action) => names.includes(action)));
}
