import { RegistryError } from '../errors.ts';
import { digestBytes, type Digest } from '../names/digest.ts';
import { parseSignature, verifyBytes, type PublicKey } from '../names/key.ts';
import { verifyLogConsistency } from '../merkle/log-proof.ts';
import type { OperatorState } from '../record-log/operator-log.ts';
import { encodeTimestampedCheckpoint, type SignedCheckpoint } from '../wire/checkpoint.ts';
import { decodeLogProofBundle } from '../wire/log-proof-bundle.ts';
import { markVerified, type Verified } from './verified.ts';

/** A checkpoint whose signature is by a key that may commit. */
export type VerifiedCheckpoint = Verified<SignedCheckpoint>;

/** The key that started an operator log: the one thing a client pins. Throws `log/incomplete` for an empty log. */
export function operatorInitKey(state: OperatorState): PublicKey {
  const [key] = state.keys.values();
  if (key === undefined) throw new RegistryError('log/incomplete', 'the operator log is empty');
  return key;
}

/** Throws `operator/changed` unless the operator log starts with the pinned key. */
export function checkOperatorPin(state: OperatorState, pinned: Digest): void {
  const { id } = operatorInitKey(state);
  if (id === pinned) return;
  throw new RegistryError('operator/changed', `the registry's operator key is ${id}, but ${pinned} was pinned`, {
    found: id,
    pinned,
  });
}

/**
 * Opens a checkpoint with the operator log replayed up to the checkpoint's length. The signer must hold `commit` there: a
 * key that only the log's past knows is refused. Throws `checkpoint/signer`, `checkpoint/signature`.
 */
export async function openCheckpoint(signed: SignedCheckpoint, operator: OperatorState): Promise<VerifiedCheckpoint> {
  const key = operator.keys.get(signed.keyId);
  if (key === undefined || !operator.permissions.get(signed.keyId)?.has('commit')) {
    throw new RegistryError('checkpoint/signer', `key ${signed.keyId} may not sign checkpoints of this registry`);
  }
  await requireSignature(signed, key);
  return markVerified(signed);
}

/**
 * Opens a checkpoint that was believed before, to compare with: its signer may have lost `commit` since, but must be known.
 * Throws as {@link openCheckpoint}.
 */
export async function reopenCheckpoint(
  remembered: SignedCheckpoint,
  operator: OperatorState,
): Promise<VerifiedCheckpoint> {
  const key = operator.keys.get(remembered.keyId);
  if (key === undefined) {
    throw new RegistryError('checkpoint/signer', `the operator log no longer knows key ${remembered.keyId}`);
  }
  await requireSignature(remembered, key);
  return markVerified(remembered);
}

async function requireSignature(signed: SignedCheckpoint, key: PublicKey): Promise<void> {
  if (await isSignedBy(signed, key)) return;
  throw new RegistryError('checkpoint/signature', 'the checkpoint is not signed by the key that it names');
}

async function isSignedBy(signed: SignedCheckpoint, key: PublicKey): Promise<boolean> {
  try {
    const signature = parseSignature(signed.signature);
    return await verifyBytes('checkpoint', encodeTimestampedCheckpoint(signed.contents), key, signature);
  } catch (thrown) {
    if (thrown instanceof RegistryError) return false;
    throw thrown;
  }
}

/** How far a checkpoint may be dated ahead of the reader's clock, in seconds: two honest clocks differ. */
export const CHECKPOINT_AHEAD_SECONDS_MAX = 3_600;

/**
 * That a checkpoint is recent: an old one, replayed, would hide everything after it, and so would one dated far ahead when it
 * gets old. `nowSeconds` is Unix time. Throws `checkpoint/stale` (spec/verification.md 2).
 */
export function checkFreshness(checkpoint: VerifiedCheckpoint, nowSeconds: number, ageSecondsMax: number): void {
  const { timestamp } = checkpoint.contents;
  const age = Math.round(nowSeconds - timestamp);
  if (age > ageSecondsMax) {
    const message = `the newest checkpoint of the registry is ${age} s old: it stands still, or somebody withholds its news`;
    throw new RegistryError('checkpoint/stale', message, { timestamp, age });
  }
  if (-age > CHECKPOINT_AHEAD_SECONDS_MAX) {
    const message = `the checkpoint of the registry is dated ${-age} s ahead of the clock here: one of the two is wrong`;
    throw new RegistryError('checkpoint/stale', message, { timestamp, age });
  }
}

/** True when a consistency proof is needed to tell whether `later` continues `earlier`. */
export function needsConsistencyProof(earlier: VerifiedCheckpoint, later: VerifiedCheckpoint): boolean {
  return earlier.contents.logLength !== later.contents.logLength;
}

/**
 * Checks that `later` continues `earlier`: `proof` is the encoded bundle from one length to the other, `null` only where
 * {@link needsConsistencyProof} is false. Throws `checkpoint/rollback` for a shorter log,
 * `checkpoint/fork` for another history.
 */
export function checkContinuation(
  earlier: VerifiedCheckpoint,
  later: VerifiedCheckpoint,
  proof: Uint8Array | null,
): void {
  const from = earlier.contents;
  const to = later.contents;
  if (to.logLength < from.logLength) {
    throw new RegistryError('checkpoint/rollback', `the log shrank from ${from.logLength} to ${to.logLength} records`, {
      remembered: from.logLength,
      served: to.logLength,
    });
  }
  if (to.logLength === from.logLength) {
    if (to.logRoot === from.logRoot && to.mapRoot === from.mapRoot) return;
    throw fork(from.logLength, to.logLength);
  }
  if (proof === null) throw new RegistryError('proof/mismatch', 'a consistency proof is missing');
  checkConsistency(earlier, later, proof);
}

function checkConsistency(earlier: VerifiedCheckpoint, later: VerifiedCheckpoint, proof: Uint8Array): void {
  const from = treeOf(earlier);
  const to = treeOf(later);
  try {
    verifyLogConsistency({ from, to }, decodeLogProofBundle(proof));
  } catch (cause) {
    if (cause instanceof RegistryError && cause.code === 'proof/root') throw fork(from.size, to.size, cause);
    throw cause;
  }
}

function treeOf({ contents }: VerifiedCheckpoint): { size: number; root: Uint8Array } {
  return { size: contents.logLength, root: digestBytes(contents.logRoot) };
}

function fork(remembered: number, served: number, cause?: unknown): RegistryError {
  return new RegistryError(
    'checkpoint/fork',
    `the registry shows another history: the log of ${served} records does not continue the one of ${remembered}`,
    { remembered, served },
    { cause },
  );
}
