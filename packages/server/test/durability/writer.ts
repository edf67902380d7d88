import { createInterface } from 'node:readline';
import { isRegistryError, messageOf, packageLogId, parsePackageName, recordIdOf, utf8 } from '@waybill/protocol';
import { CheckpointSigner } from '../../src/core/checkpoint-signer.ts';
import { TreeCommitter, type Batch } from '../../src/core/committing.ts';
import type { StoredRecord } from '../../src/core/ports.ts';
import { openLastSignedFile } from '../../src/last-signed-file.ts';
import { openSqliteStore } from '../../src/storage/sqlite/sqlite-store.ts';
import { testLogSigners } from '../core/log-signers.ts';
import { keyOf } from '../publisher.ts';

/*
 * A sequencer process that does not care whether another one is at work: `writer.js STORE LAST_SIGNED NAME` commits one
 * batch for each line it reads, and prints each head that it would now serve. It ends with its first failure, which it
 * prints on stderr, the error code first.
 */

const [storeFile = '', lastSignedFile = '', name = ''] = process.argv.slice(2);
const RECORDS_MAX = 3;

try {
  const committer = await TreeCommitter.open({
    store: await openSqliteStore(storeFile),
    signer: new CheckpointSigner(keyOf('operator'), Date.now),
    logSigners: testLogSigners,
    lastSigned: await openLastSignedFile(lastSignedFile),
  });
  process.stdout.write('ready\n');
  let committed = 0;
  for await (const _ of createInterface({ input: process.stdin })) {
    const first = committer.head?.checkpoint.contents.logLength ?? 0;
    const batch = batchAt(first, committed);
    const { head } = await committer.commit(batch);
    committed += batch.records.length;
    process.stdout.write(`${JSON.stringify(head.checkpoint.contents)}\n`);
  }
} catch (failure) {
  process.stderr.write(`${isRegistryError(failure) ? failure.code : 'no code'}: ${messageOf(failure)}\n`);
  process.exit(1);
}

/** Records that nobody else makes: the log is this writer's own. */
function batchAt(registryIndex: number, logPosition: number): Batch {
  const logId = packageLogId(parsePackageName(`test:${name}`));
  const count = 1 + (logPosition % RECORDS_MAX);
  const records = Array.from({ length: count }, (_, i): StoredRecord => {
    const contents = utf8(`${name} ${logPosition + i}`);
    const envelope = { contents, keyId: keyOf(name).publicKey.id, signature: 'not looked at', cosignatures: [] };
    const recordId = recordIdOf('package', contents);
    return { registryIndex: registryIndex + i, logId, logPosition: logPosition + i, recordId, envelope };
  });
  return { records, names: [], holdings: [], settled: [] };
}
