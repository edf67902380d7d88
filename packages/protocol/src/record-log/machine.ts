import { isRegistryError, RegistryError } from '../errors.ts';
import type { JosePublicKey } from '../jose/public-key.ts';
import { verifyDetached } from '../jose/typed-jws.ts';
import { verifyBytes, type PublicKey, type Signature } from '../names/key.ts';
import { compareTimestamps } from '../names/timestamp.ts';
import { RECORD_VERSION_1 } from '../wire/record.ts';
import { entriesOf, hasVersion, type LogDialect } from './dialect.ts';
import type { RecordContext } from './entry-kind.ts';
import { LogDraft, type LogState } from './log-state.ts';
import { JWS_CONTEXT, SIGNING_CONTEXT, type RecordSignature, type SignedRecord } from './signed-record.ts';

/** A signature and the key that it must be by. */
export type OwedSignature =
  | { readonly key: PublicKey; readonly der: Signature }
  | { readonly key: JosePublicKey; readonly jws: string };

/** A record that obeys every rule but the last: its signatures are still owed. */
export interface Judged<P extends string, B> {
  readonly draft: LogDraft<P, B>;
  readonly owed: readonly OwedSignature[];
}

/**
 * Judges one record against a state, which stays untouched: the checks of spec/record-log.md 3 in Rust's order, and of
 * spec/version1.md 7 and spec/governance.md 3, all but the signatures. Throws the first failing check's `record/…` code.
 */
export function judgeRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  record: SignedRecord<E>,
): Judged<P, B> {
  checkPrev(state, record);
  checkVersion(dialect, state, record);
  if (state.head !== null && compareTimestamps(record.time, state.head.time) < 0) {
    throw new RegistryError('record/time-backwards', 'the record is dated before the one it follows');
  }
  checkBinding(state, record);
  const draft = new LogDraft(state);
  applyEntries(dialect, draft, record);
  if (!draft.initialised) throw new RegistryError('record/no-init', 'the first record does not initialise the log');
  const owed = record.signatures.map((signature) => owe(draft, signature));
  draft.setHead({ id: record.id, time: record.time });
  return { draft, owed };
}

function checkPrev<E, P extends string, B>(state: LogState<P, B>, record: SignedRecord<E>): void {
  if (state.head === null) {
    if (record.prev === null) return;
    throw new RegistryError('record/prev-on-first', 'the first record of a log names a previous one');
  }
  if (record.prev === null) throw new RegistryError('record/prev-missing', 'the record names no previous one');
  if (record.prev === state.head.id) return;
  throw new RegistryError('record/prev-mismatch', `the log's head is ${state.head.id}, not ${record.prev}`, {
    head: state.head.id,
  });
}

function checkVersion<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  { root }: LogState<P, B>,
  { version }: SignedRecord<E>,
): void {
  if (!hasVersion(dialect, version)) {
    throw new RegistryError('record/version', `logs of this kind have no records of version ${version}`);
  }
  if (version === RECORD_VERSION_1 || root === null) return;
  throw new RegistryError('record/version-backwards', 'a record of version 0 after one of version 1');
}

/** That the record was made for this log, and is signed by whom it says: spec/version1.md 7.2 and 7.3. */
function checkBinding<E, P extends string, B>({ home }: LogState<P, B>, record: SignedRecord<E>): void {
  const { binding, signatures } = record;
  if (binding === null) return;
  if (home === null) {
    throw new RegistryError(
      'record/log',
      'a record of version 1, and nothing says which log of which registry this is',
    );
  }
  if (binding.log !== home.log) {
    throw new RegistryError('record/log', `the record was made for log ${binding.log}`, { log: binding.log });
  }
  if (binding.origin !== home.origin) {
    throw new RegistryError('record/origin', `the record was made for ${binding.origin}, not for ${home.origin}`, {
      origin: binding.origin,
    });
  }
  const isSigned = signatures.length === binding.signers.length;
  if (isSigned && signatures.every(({ keyId }, i) => keyId === binding.signers[i])) return;
  throw new RegistryError('record/signers', 'the record is not signed by exactly those whom it names, in their order');
}

function applyEntries<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  draft: LogDraft<P, B>,
  record: SignedRecord<E>,
): void {
  const { id: recordId, time, entries, binding, envelope } = record;
  const signers = new Set(binding?.signers ?? [envelope.keyId]);
  const set = entriesOf(dialect, record.version);
  if (binding !== null) checkRootStands(draft.root !== null, entries);
  for (const [entryIndex, entry] of entries.entries()) {
    const context: RecordContext = { signer: envelope.keyId, signers, recordId, time, entryIndex };
    set.apply(draft, entry, context);
  }
}

/** spec/version1.md 7.4, before any entry is judged. */
function checkRootStands(isBegun: boolean, entries: readonly { readonly type: string }[]): void {
  if (!isBegun && entries[0]?.type !== 'root') {
    throw new RegistryError('record/root-missing', 'the first record of version 1 does not begin with root');
  }
  if (!entries.slice(isBegun ? 0 : 1).some(({ type }) => type === 'root')) return;
  throw new RegistryError('record/root-again', 'root stands after the beginning of version 1');
}

function owe<P extends string, B>(draft: LogDraft<P, B>, signature: RecordSignature): OwedSignature {
  const { keyId } = signature;
  if ('der' in signature) {
    const key = draft.key(keyId);
    if (key !== undefined) return { key, der: signature.der };
  } else {
    const key = draft.signingKey(keyId);
    if (key !== undefined) return { key, jws: signature.jws };
  }
  throw new RegistryError('record/key-unknown', `key ${keyId} is not known to the log`);
}

/** The last check. Throws `record/signature`. */
export async function verifyRecordSignatures<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  record: SignedRecord<E>,
  owed: readonly OwedSignature[],
): Promise<void> {
  const { contents } = record.envelope;
  for (const one of owed) {
    if (await isPaid(dialect, contents, one)) continue;
    throw new RegistryError('record/signature', `the signature is not by key ${one.key.id}`);
  }
}

async function isPaid<E extends { readonly type: string }, P extends string, B>(
  { kind }: LogDialect<E, P, B>,
  contents: Uint8Array,
  owed: OwedSignature,
): Promise<boolean> {
  if ('der' in owed) {
    const former = SIGNING_CONTEXT[kind];
    return former !== null && verifyBytes(former, contents, owed.key, owed.der);
  }
  const context = JWS_CONTEXT[kind];
  if (context === null) return false;
  try {
    await verifyDetached(owed.jws, { key: owed.key, context, payload: contents });
    return true;
  } catch (thrown) {
    if (isRegistryError(thrown, 'jws/malformed', 'jws/header', 'jws/signature')) return false;
    throw thrown;
  }
}

/** Judges and verifies one record and gives the state after it; the old state is spent. Throws `record/…`. */
export async function applyRecord<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  record: SignedRecord<E>,
): Promise<LogState<P, B>> {
  const { draft, owed } = judgeRecord(dialect, state, record);
  await verifyRecordSignatures(dialect, record, owed);
  return draft.accept();
}
