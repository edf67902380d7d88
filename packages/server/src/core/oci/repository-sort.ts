import { OPERATOR_LOG_ID, RegistryError } from '@waybill/protocol';
import { packageOf, type RepositoryName } from '@waybill/protocol/oci';
import type { OperatorStates } from '../state-caches.ts';

/** `package`: its tags are releases of the log. `plain`: whatever clients push, until they delete it. */
export const REPOSITORY_SORTS = ['package', 'plain'] as const;

export type RepositorySort = (typeof REPOSITORY_SORTS)[number];

/** Namespaces, and prefixes, that a refusal names. */
const NAMED_MAX = 5;

export interface RepositorySortsParts {
  readonly operator: OperatorStates;
  /** Of plain repositories: those below one of them. */
  readonly prefixes: readonly RepositoryName[];
}

/** Which repository is what: the one place that decides it (spec/oci.md 2.5, 2.6). */
export class RepositorySorts {
  readonly #operator: OperatorStates;
  readonly #prefixes: readonly RepositoryName[];

  constructor({ operator, prefixes }: RepositorySortsParts) {
    this.#operator = operator;
    this.#prefixes = prefixes;
  }

  /** Throws `usage/invalid` for a prefix whose first part is a namespace of packages. */
  async check(): Promise<void> {
    const namespaces = new Set(await this.#namespaces());
    for (const prefix of this.#prefixes) {
      const first = firstPart(prefix);
      if (!namespaces.has(first)) continue;
      throw new RegistryError(
        'usage/invalid',
        `--oci-prefix ${prefix}: ${first} is a namespace of packages here: name another prefix`,
      );
    }
  }

  /** `null` for what is not here. */
  async sortOf(repository: RepositoryName): Promise<RepositorySort | null> {
    const name = packageOf(repository);
    // A namespace may be defined later than a prefix was given: then the log has it.
    if (name !== null && (await this.#isDefined(firstPart(repository)))) return 'package';
    return this.#prefixes.some((prefix) => repository.startsWith(`${prefix}/`)) ? 'plain' : null;
  }

  /** What there is instead, for a person whose repository is not here. */
  async describe(): Promise<string> {
    const namespaces = await this.#namespaces();
    const packages = namespaces.map((namespace) => `${namespace}/<name>`);
    const plain = this.#prefixes.map((prefix) => `${prefix}/<name>`);
    return `packages here are ${listed(packages)}, plain repositories ${listed(plain)}`;
  }

  #isDefined(namespace: string): Promise<boolean> {
    return this.#operator.read(OPERATOR_LOG_ID, ({ bindings }) => bindings.get(namespace)?.status === 'defined');
  }

  #namespaces(): Promise<string[]> {
    return this.#operator.read(OPERATOR_LOG_ID, ({ bindings }) =>
      [...bindings].flatMap(([namespace, { status }]) => (status === 'defined' ? [namespace] : [])),
    );
  }
}

function listed(forms: readonly string[]): string {
  if (forms.length === 0) return 'none';
  return forms.length > NAMED_MAX ? `${forms.slice(0, NAMED_MAX).join(', ')}…` : forms.join(', ');
}

/** What tokens compare with the namespaces that they cover. */
export function firstPart(repository: string): string {
  return repository.split('/', 1)[0] ?? '';
}
