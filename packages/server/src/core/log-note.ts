import { encodeLogCheckpoint, type LogCheckpoint } from '@waybill/protocol';

/** True when the text of a note says what the log is, whoever signed it and under whichever origin. */
export function noteStates(note: string, { size, root }: Pick<LogCheckpoint, 'size' | 'root'>): boolean {
  const [origin = ''] = note.split('\n', 1);
  return note.startsWith(`${encodeLogCheckpoint({ origin, size, root })}\n`);
}

/** False for a note of a longer log: a process beside this one has committed since. */
export function noteContradicts(note: string, log: Pick<LogCheckpoint, 'size' | 'root'>): boolean {
  const [, size = ''] = note.split('\n', 2);
  return !(Number(size) > log.size) && !noteStates(note, log);
}
