import { isRegistryError } from '../errors.ts';
import { parseRecordId } from '../names/log-id.ts';
import type { Timestamp } from '../names/timestamp.ts';
import { RECORD_VERSION_1 } from '../wire/record.ts';
import { refusalOf, type Actor, type Refusal } from './authority/verdict.ts';
import { entriesOf, type LogDialect } from './dialect.ts';
import { LogDraft, type LogState } from './log-state.ts';

/** Stands for the record that is still to be made. */
const UNMADE = parseRecordId(`sha256:${'0'.repeat(64)}`);

/**
 * Why an entry may not be done under a grant or the root, found by doing it: whatever its own rule asks of them is asked here.
 * `null` also where it breaks another rule, for that does not depend on the grant.
 */
export function tryEntry<E extends { readonly type: string }, P extends string, B>(
  dialect: LogDialect<E, P, B>,
  state: LogState<P, B>,
  { entry, actor, time }: { readonly entry: E; readonly actor: Actor; readonly time: Timestamp },
): Refusal | null {
  const [signer = ''] = actor.signers;
  const context = { signer, signers: actor.signers, recordId: UNMADE, time, entryIndex: 0 };
  try {
    entriesOf(dialect, RECORD_VERSION_1).apply(new LogDraft(state), { ...entry, under: actor.under }, context);
    return null;
  } catch (thrown) {
    if (!isRegistryError(thrown)) throw thrown;
    return thrown.code === 'record/unauthorized' ? refusalOf(thrown) : null;
  }
}
