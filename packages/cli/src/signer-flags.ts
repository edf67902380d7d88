import { parseJosePublicKey, RegistryError, type Holder, type JosePublicKey } from '@waybill/protocol';

/** Of every command that can leave its record to be signed by others. */
export interface DraftFlags {
  readonly draft?: string;
  readonly signer?: readonly string[];
}

/** Whom a log knows. */
export interface KnownKeys {
  readonly root: Holder | null;
  signingKey(keyId: string): JosePublicKey | undefined;
}

/**
 * All who are to sign a record: its contents name them, so they must be known before. `others` are the holders that the record
 * itself names. Throws `usage/invalid`, `text/key`.
 */
export function signersOf(
  texts: readonly string[] | undefined,
  state: KnownKeys,
  others: readonly Holder[],
): readonly JosePublicKey[] {
  const holders = [...(state.root === null ? [] : [state.root]), ...others];
  if (texts !== undefined && texts.length > 0) return inOrder(texts.map((text) => keyOf(text, state, holders)));
  const open = holders.find(({ keys, threshold }) => threshold < keys.length);
  if (holders.length > 0 && open === undefined) return inOrder(holders.flatMap(({ keys }) => keys));
  const choice = open === undefined ? '' : `: ${open.threshold} of ${open.keys.map(({ id }) => id).join(', ')}`;
  throw new RegistryError('usage/invalid', `who is to sign? Name each with --signer${choice}`);
}

function keyOf(text: string, state: KnownKeys, holders: readonly Holder[]): JosePublicKey {
  if (!text.startsWith('sha256:')) return parseJosePublicKey(text);
  const known = holders.flatMap(({ keys }) => keys).find(({ id }) => id === text) ?? state.signingKey(text);
  if (known !== undefined) return known;
  throw new RegistryError('usage/invalid', `the log knows no key ${text}: give --signer its public key`);
}

/** In ascending order of their ids, each once. */
export function inOrder(keys: readonly JosePublicKey[]): readonly JosePublicKey[] {
  return [...new Map(keys.map((key) => [key.id, key])).values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Throws `usage/invalid` for signers named for a record that is signed here, and for keys that are here, by flag, for a draft. */
export function requireDraft(
  { draft, signer = [] }: DraftFlags,
  keysHere: Readonly<Record<string, string | readonly string[] | undefined>>,
): void {
  const [flag] = Object.entries(keysHere).find(([, value]) => value !== undefined) ?? [];
  if (draft !== undefined && flag !== undefined) {
    throw new RegistryError(
      'usage/invalid',
      `${flag} is for what is signed at once: a draft is signed later, so leave out ${flag} or --draft`,
    );
  }
  if (draft !== undefined || signer.length === 0) return;
  throw new RegistryError(
    'usage/invalid',
    '--signer is for --draft: what is not drafted is signed by keys that are here',
  );
}
