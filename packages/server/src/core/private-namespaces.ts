import { RegistryError, type Namespace } from '@waybill/protocol';
import type { Access } from './access.ts';

/** Sets of spaces are bits of one number: the public space, and one for each private namespace. */
export const PUBLIC_SPACE = 1;

/** Bits of a number, without its sign and the public space. */
export const PRIVATE_NAMESPACES_MAX = 30;

/**
 * Namespaces whose packages are not for everybody to read (spec/http.md 7), and who reads there. Whoever may not is answered
 * by the namespace alone, so that no answer depends on what is in it.
 */
export class PrivateNamespaces {
  readonly #bits: ReadonlyMap<string, number>;

  /** Throws `usage/invalid` for too many. */
  constructor(namespaces: readonly Namespace[]) {
    const distinct = [...new Set(namespaces)];
    if (distinct.length > PRIVATE_NAMESPACES_MAX) {
      throw new RegistryError('usage/invalid', `--private takes at most ${PRIVATE_NAMESPACES_MAX} namespaces`);
    }
    this.#bits = new Map(distinct.map((namespace, index) => [namespace, PUBLIC_SPACE << (index + 1)]));
  }

  /** Then nothing has to be looked at for a read. */
  get areNone(): boolean {
    return this.#bits.size === 0;
  }

  get names(): readonly string[] {
    return [...this.#bits.keys()];
  }

  has(namespace: string): boolean {
    return this.#bits.has(namespace);
  }

  mayRead(access: Access, namespace: string): boolean {
    return !this.has(namespace) || covers(access, namespace);
  }

  /** Why the access may not read in the namespace; `null` where it may. */
  readRefusal(access: Access, namespace: string): RegistryError | null {
    if (this.mayRead(access, namespace)) return null;
    if (access === 'anyone') {
      return new RegistryError('token/required', `${namespace} is private: whoever reads there shows a token`);
    }
    return new RegistryError('token/scope', `the token of ${access.account} does not cover read in ${namespace}`);
  }

  /** What a publisher is told depends on what is there: so nobody publishes whom nobody knows. Throws `token/required`. */
  requireKnown(access: Access, namespace: string): void {
    if (access !== 'anyone' || !this.has(namespace)) return;
    throw new RegistryError('token/required', `${namespace} is private: whoever publishes there shows a token`);
  }

  spaceOf(namespace: string): number {
    return this.#bits.get(namespace) ?? PUBLIC_SPACE;
  }

  /** All that the access may read. */
  spacesOf(access: Access): number {
    let spaces = PUBLIC_SPACE;
    for (const [namespace, bit] of this.#bits) if (covers(access, namespace)) spaces |= bit;
    return spaces;
  }
}

/** Whoever publishes reads back what is there, as in OCI. */
function covers(access: Access, namespace: string): boolean {
  if (access === 'anyone') return false;
  const { actions, namespaces } = access.scope;
  if (!actions.has('read') && !actions.has('publish')) return false;
  return namespaces === '*' || namespaces.has(namespace);
}
