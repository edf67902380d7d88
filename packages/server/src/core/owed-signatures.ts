import {
  LogDraft,
  RegistryError,
  type OwedSignature,
  type PackageEntry,
  type PackageState,
  type RecordSignature,
  type SignedRecord,
} from '@waybill/protocol';

/**
 * The signatures of a record beside the keys that they must be by: keys that the log knows, or that the record itself brings.
 * So that a signature is verified before the record's rules are: whoever cannot sign learns nothing of them. Throws
 * `admission/unknown-key`.
 */
export function owedSignatures(state: PackageState, record: SignedRecord<PackageEntry>): OwedSignature[] {
  return record.signatures.map((signature) => {
    const owed = 'der' in signature ? owedDer(state, record, signature) : owedJws(state, record, signature);
    if (owed !== null) return owed;
    throw new RegistryError('admission/unknown-key', `unknown key id ${signature.keyId}`);
  });
}

type DerSignature = Extract<RecordSignature, { readonly der: unknown }>;
type JwsSignature = Extract<RecordSignature, { readonly jws: unknown }>;

function owedDer(
  state: PackageState,
  { entries: [first] }: SignedRecord<PackageEntry>,
  { keyId, der }: DerSignature,
): OwedSignature | null {
  const brought = first?.type === 'init' && first.key.id === keyId ? first.key : null;
  const key = state.keys.get(keyId) ?? brought;
  return key && { key, der };
}

function owedJws(
  state: PackageState,
  { entries }: SignedRecord<PackageEntry>,
  { keyId, jws }: JwsSignature,
): OwedSignature | null {
  const brought = entries.flatMap((entry) => ('holder' in entry ? entry.holder.keys : []));
  const key = new LogDraft(state).signingKey(keyId) ?? brought.find(({ id }) => id === keyId);
  return key === undefined ? null : { key, jws };
}
