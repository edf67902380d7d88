import { isRegistryError } from '@waybill/protocol';
import { sampleCommit } from '../../src/storage/conformance.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';

/*
 * A writer process for the fault tests: `commit-loop.js FILE RECORDS` grows the sample registry in FILE by RECORDS a commit,
 * for ever, and prints the length after each commit that was acknowledged. It ends by being killed, or by a failure, whose
 * code it prints.
 */

const [file = '', records = '1'] = process.argv.slice(2);
const store = await openSqliteStore(file);

for (;;) {
  try {
    console.log(await grow(Number(records)));
  } catch (failure) {
    if (isRegistryError(failure, 'head/conflict')) continue;
    console.log(isRegistryError(failure) ? failure.code : 'no code');
    process.exit(1);
  }
}

async function grow(count: number): Promise<number> {
  const previous = (await store.readHead())?.checkpoint.contents.logLength ?? null;
  const from = previous ?? 0;
  await store.commit(previous, sampleCommit(from, from + count));
  return from + count;
}
